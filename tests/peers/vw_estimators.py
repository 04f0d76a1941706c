"""Write what VowpalWabbit/estimators says of seeded synthetic rounds, for a test to compare with.

Run in an environment of its own::

    python3.9 -m venv /tmp/vwest && /tmp/vwest/bin/pip install vw-estimators
    /tmp/vwest/bin/python tests/peers/vw_estimators.py tests/peers/vw_estimators.json

The file holds the peer's version, the rounds, and the numbers it gives for them; nothing of its
source. vw-estimators is licensed under BSD-3-Clause.
"""

from __future__ import annotations

import importlib
import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

ALPHAS = [0.05, 0.2]
CASES = [
    {"rounds": 60, "actions": 3, "clicks": True, "even": False},
    {"rounds": 300, "actions": 4, "clicks": True, "even": False},
    {"rounds": 300, "actions": 4, "clicks": False, "even": False},
    {"rounds": 200, "actions": 3, "clicks": True, "even": True},
]


def rounds_of(case: Any, seed: int) -> dict[str, Any]:
    """Return rounds with probabilities in thousandths; where ``even``, target and log are one."""
    rng = np.random.default_rng(seed)
    logging, target = (
        np.maximum(np.round(rng.dirichlet(np.full(case["actions"], 3.0)) * 1000), 100)
        for _ in range(2)
    )
    logging, target = (np.round(each / each.sum(), 3) for each in (logging, target))
    if case["even"]:
        target = logging
    action = rng.choice(case["actions"], case["rounds"], p=logging / logging.sum())
    chance = rng.uniform(0.1, 0.7, case["actions"])[action]
    noise = rng.random(case["rounds"])
    reward = (noise < chance).astype(float) if case["clicks"] else np.round(noise * chance, 3)
    return {
        "logged": logging[action].tolist(),
        "target": target[action].tolist(),
        "reward": reward.tolist(),
        # clear of 1, as the peer demands; no bound is tight where the policies are one
        "weight_max": max(float((target / logging).max()), 1.001),
    }


def said(interval: Any, rounds: dict[str, Any]) -> list[list[float]]:
    """Return an interval's ends at each alpha."""
    examples = np.column_stack([rounds[name] for name in ("logged", "reward", "target")])
    for example in examples.tolist():
        interval.add_example(*example)
    return [[float(end) for end in interval.get(alpha)] for alpha in ALPHAS]


def main() -> None:
    """Write the file named by the first argument."""
    bandits = {
        name: importlib.import_module(f"estimators.bandits.{name}")
        for name in ("clopper_pearson", "cressieread", "cs", "gaussian")
    }
    cases = []
    for seed, case in enumerate(CASES):
        rounds = rounds_of(case, seed)
        cases.append(
            {
                "case": case,
                "rounds": rounds,
                "gaussian": said(bandits["gaussian"].Interval(), rounds),
                "clopper-pearson": said(bandits["clopper_pearson"].Interval(), rounds),
                "cressie-read": said(
                    bandits["cressieread"].Interval(wmax=rounds["weight_max"]), rounds
                ),
                "cressie-read unbounded": said(bandits["cressieread"].Interval(), rounds),
                "sequence": said(bandits["cs"].Interval(), rounds),
            }
        )
    told = {
        "peer": "vw-estimators",
        "version": version("vw-estimators"),
        "alphas": ALPHAS,
        "cases": cases,
    }
    Path(sys.argv[1]).write_text(json.dumps(told, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
