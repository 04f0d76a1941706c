"""Our side of the comparison; ``python -m benchmarks.estimation_ours FOLDER`` answers cases."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

from bandit.types import FloatArray
from benchmarks.estimation_data import CHUNK, SHRINKAGE, SWITCH_AT, at_position, read
from benchmarks.estimation_measured import Run, serve
from simulator.estimators.inputs import Inputs, weighted
from simulator.estimators.registry import ESTIMATORS
from simulator.intervals import interval
from simulator.rankings.inputs import RankingInputs
from simulator.rankings.registry import RANKING_ESTIMATORS
from simulator.terms import Terms

PARAMETERS = {"switch-dr": SWITCH_AT, "dros": SHRINKAGE}


class Cases:
    """Cases by name, on the arrays of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read = cache(lambda name: read(folder, name))
        self._at_position = cache(lambda name: at_position(folder, name))

    def prepare(self, case: str) -> Run:
        """Return what is timed."""
        target, _, estimator = case.partition("_")
        if target == "slates":
            return _run(lambda: self._slates(estimator))
        action, propensity, reward = (
            self._read(name) for name in (f"{target}_action", f"{target}_propensity", "reward")
        )
        rows = np.arange(len(action))
        if target == "fixed":
            probability = self._read("fixed")[self._read("position"), action]
        else:
            probability = self._at_position("target")[rows, action]
        spec = ESTIMATORS[estimator]
        parameter = PARAMETERS.get(estimator)
        if not spec.needs_model:
            return _run(lambda: spec.terms(weighted(reward, probability, propensity), parameter))
        pmf, model = self._at_position("target"), self._at_position("model")
        predicted = model[rows, action]

        def inputs() -> Inputs:
            return weighted(
                reward,
                probability,
                propensity,
                predicted=predicted,
                expected=_expected(pmf, model),
            )

        return _run(lambda: spec.terms(inputs(), parameter))

    def _slates(self, estimator: str) -> Terms:
        inputs = RankingInputs(
            *(self._read(f"slate_{name}") for name in ("reward", "logged", "target"))
        )
        return RANKING_ESTIMATORS[estimator].terms(inputs)


def _run(make: Callable[[], Terms]) -> Run:
    def run(resamples: int, threads: int) -> tuple[float, float, float]:
        terms = make()
        found = interval("bootstrap", terms, resamples=resamples, seed=1, threads=threads)
        return terms.value(), found.low, found.high

    return run


def _expected(pmf: FloatArray, model: FloatArray) -> FloatArray:
    parts = (slice(first, first + CHUNK) for first in range(0, len(pmf), CHUNK))
    return np.concatenate([np.einsum("nk,nk->n", pmf[part], model[part]) for part in parts])


if __name__ == "__main__":
    serve(Cases(Path(sys.argv[1])).prepare)
