"""The Open Bandit Pipeline's side; it runs under obp's own Python, and imports nothing of ours."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.estimation_data import (
    ACTIONS,
    POSITIONS,
    SHRINKAGE,
    SWITCH_AT,
    everywhere,
    read,
)
from benchmarks.estimation_measured import Run, serve


class Cases:
    """Cases by name, on the arrays of a folder; dense arrays are kept for the next case."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ope: Any = importlib.import_module("obp.ope")
        self._dense: dict[str, Any] = {}

    def prepare(self, case: str) -> Run:
        """Return what is timed."""
        target, _, name = case.partition("_")
        if target == "slates":
            return self._slates(name)
        data = {
            "reward": read(self._folder, "reward"),
            "action": read(self._folder, f"{target}_action"),
            "pscore": read(self._folder, f"{target}_propensity"),
            "position": read(self._folder, "position"),
            "action_dist": self._pmf(target),
        }
        if name in ("dr", "switch-dr", "dros"):
            data["estimated_rewards_by_reg_model"] = self._keep("model")
        return _run(self._estimator(name), data)

    def _estimator(self, name: str) -> Any:
        if name == "ips":
            return self._ope.InverseProbabilityWeighting()
        if name == "snips":
            return self._ope.SelfNormalizedInverseProbabilityWeighting()
        if name == "dr":
            return self._ope.DoublyRobust()
        if name == "switch-dr":
            return self._ope.SwitchDoublyRobust(lambda_=SWITCH_AT)
        return self._ope.DoublyRobustWithShrinkage(lambda_=SHRINKAGE)

    def _slates(self, name: str) -> Run:
        logged, target, reward = (
            read(self._folder, f"slate_{kind}") for kind in ("logged", "target", "reward")
        )
        data = {
            "slate_id": np.repeat(np.arange(len(reward)), POSITIONS),
            "reward": reward.ravel(),
            "position": np.tile(np.arange(POSITIONS), len(reward)),
        }
        if name == "sips":
            data["pscore"] = np.repeat(logged.prod(axis=1), POSITIONS)
            data["evaluation_policy_pscore"] = np.repeat(target.prod(axis=1), POSITIONS)
            return _run(self._ope.SlateStandardIPS(len_list=POSITIONS), data)
        data["pscore_cascade"] = logged.cumprod(axis=1).ravel()
        data["evaluation_policy_pscore_cascade"] = target.cumprod(axis=1).ravel()
        return _run(self._ope.SlateRewardInteractionIPS(len_list=POSITIONS), data)

    def _pmf(self, target: str) -> Any:
        if target == "softmax":
            return self._keep("target")
        if "fixed" not in self._dense:
            fixed = read(self._folder, "fixed")
            rounds = len(read(self._folder, "reward"))
            self._dense["fixed"] = np.empty((rounds, ACTIONS, POSITIONS))
            self._dense["fixed"][:] = fixed.T
        return self._dense["fixed"]

    def _keep(self, name: str) -> Any:
        self._dense.pop("fixed", None)
        if name not in self._dense:
            self._dense[name] = everywhere(self._folder, name)
        return self._dense[name]


def _run(estimator: Any, data: dict[str, Any]) -> Run:
    def run(resamples: int, threads: int) -> tuple[float, float, float]:
        value = estimator.estimate_policy_value(**data)
        found = estimator.estimate_interval(
            **data, alpha=0.05, n_bootstrap_samples=resamples, random_state=1
        )
        ends = sorted(number for name, number in found.items() if "CI" in name)
        return float(value), float(ends[0]), float(ends[1])

    return run


if __name__ == "__main__":
    serve(Cases(Path(sys.argv[1])).prepare)
