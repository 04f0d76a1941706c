"""Write what the Open Bandit Pipeline says of seeded synthetic logs, for a test to compare with.

Run in an environment of its own, for the peer needs Python 3.9 or 3.10 and an old NumPy::

    python3.9 -m venv /tmp/obp && /tmp/obp/bin/pip install obp 'matplotlib<3.8'
    /tmp/obp/bin/python tests/peers/obp_estimators.py tests/peers/obp_estimators.json

The file holds the peer's version, the logs, and the numbers it gives for them; nothing of its
source. obp is licensed under Apache-2.0.

Logs are made of coarse numbers, which take few digits: probabilities are thousandths.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

ROUNDS = 240
ACTIONS = 5
DELTA = 0.1
CLIPS = [0.0, 0.5, 1.0, 2.5, 10.0]
SHRINKAGES = [0.0, 0.1, 1.0, 20.0, 1000.0]
CORRECTIONS = [0.0, 0.01, 0.3, 0.9]
# no weight is near these clips: at 4.7 the peer's comparison hangs on rounding, ours does not
TUNING = {
    "clips": [0.303, 0.703, 1.103, 1.903, 3.103, 4.703, 7.903],
    "shrinkages": [0.01, 0.1, 1.0, 10.0, 100.0, 1000.0],
    "corrections": [0.0, 0.001, 0.01, 0.1, 0.3, 0.6],
}


def thousandths(shares: Any) -> Any:
    """Return probabilities (n, K) as whole thousandths that sum to 1000, none of them 0."""
    counts = np.maximum(np.floor(shares * 1000).astype(int), 1)
    counts[np.arange(len(counts)), counts.argmax(axis=1)] += 1000 - counts.sum(axis=1)
    return counts


def softmax(scores: Any) -> Any:
    """Return probabilities (n, K) in proportion to exp(score)."""
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def synthetic_log(seed: int, *, uniform: bool, deterministic: bool, binary: bool) -> dict[str, Any]:
    """Return one log: its target, its rewards, and a reward model that errs."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(ROUNDS, ACTIONS))
    shares = np.full((ROUNDS, ACTIONS), 1 / ACTIONS) if uniform else softmax(scores)
    logging = thousandths(shares)
    preference = -scores + rng.normal(size=(ROUNDS, ACTIONS))
    if deterministic:
        target = np.zeros((ROUNDS, ACTIONS), int)
        target[np.arange(ROUNDS), preference.argmax(axis=1)] = 1000
    else:
        target = thousandths(softmax(1.5 * preference))
    draws = rng.integers(1000, size=(ROUNDS, 1))
    action = (draws >= logging.cumsum(axis=1)).sum(axis=1)
    mean = 1 / (1 + np.exp(-scores - rng.normal(size=(ROUNDS, 1))))
    earned = mean[np.arange(ROUNDS), action]
    noise = rng.random(ROUNDS)
    reward = (noise < earned).astype(float) if binary else np.round((earned + noise) / 2, 3)
    model = np.round(np.clip(mean + 0.2 * rng.normal(size=mean.shape), 0, 1), 3)
    return {
        "action": action.tolist(),
        "reward": reward.tolist(),
        "logging_thousandths": logging.tolist(),
        "target_thousandths": target.tolist(),
        "model": model.tolist(),
    }


def arguments(log: dict[str, Any]) -> dict[str, Any]:
    """Return the log as the peer's estimators take it."""
    action = np.array(log["action"])
    logging = np.array(log["logging_thousandths"]) / 1000
    pscore = logging[np.arange(ROUNDS), action]
    target = np.array(log["target_thousandths"])[:, :, None] / 1000
    return {
        "action": action,
        "reward": np.array(log["reward"]),
        "pscore": pscore,
        "action_dist": target,
        "estimated_rewards_by_reg_model": np.array(log["model"])[:, :, None],
        "position": np.zeros(ROUNDS, int),
        # any positive numbers do for weights that a classifier would give
        "estimated_importance_weights": np.sqrt(target[np.arange(ROUNDS), action, 0] / pscore),
    }


def values(ope: Any, log: dict[str, Any]) -> list[dict[str, Any]]:
    """Return each estimator's value, under our names."""
    plans: list[tuple[str, str, list[Any]]] = [
        ("replay", "ReplayMethod", [None]),
        ("dm", "DirectMethod", [None]),
        ("ips", "InverseProbabilityWeighting", [None, *CLIPS]),
        ("snips", "SelfNormalizedInverseProbabilityWeighting", [None]),
        ("dr", "DoublyRobust", [None, *CLIPS]),
        ("mrdr", "DoublyRobust", [None, *CLIPS]),
        ("sndr", "SelfNormalizedDoublyRobust", [None]),
        ("switch-dr", "SwitchDoublyRobust", [None, *CLIPS]),
        ("dros", "DoublyRobustWithShrinkage", SHRINKAGES),
        ("sgdr", "SubGaussianDoublyRobust", CORRECTIONS),
        ("bips", "BalancedInverseProbabilityWeighting", [None, *CLIPS[1:]]),
    ]
    given = arguments(log)
    found = []
    for name, peer, parameters in plans:
        # mrdr's formula is dr's: what differs is the model it is given
        for parameter in parameters:
            settings = {} if parameter is None else {"lambda_": parameter}
            with np.errstate(invalid="ignore"):
                value = float(getattr(ope, peer)(**settings).estimate_policy_value(**given))
            # a peer's NaN is told as null: 0 / 0 in DRos with weights of 0
            told = value if np.isfinite(value) else None
            found.append({"estimator": name, "parameter": parameter, "value": told})
    return found


def tuned(ope: Any, log: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what each tuned estimator chooses, and its value, under our names."""
    plans = [
        ("ips", "InverseProbabilityWeightingTuning", "clips"),
        ("dr", "DoublyRobustTuning", "clips"),
        ("switch-dr", "SwitchDoublyRobustTuning", "clips"),
        ("dros", "DoublyRobustWithShrinkageTuning", "shrinkages"),
        ("sgdr", "SubGaussianDoublyRobustTuning", "corrections"),
    ]
    given = arguments(log)
    found = []
    for name, peer, grid in plans:
        for method in ("slope++", "mse", "mse-direct"):
            estimator = getattr(ope, peer)(
                lambdas=TUNING[grid],
                tuning_method="slope" if method == "slope++" else "mse",
                use_bias_upper_bound=method == "mse",
                delta=DELTA,
            )
            value = float(estimator.estimate_policy_value(**given))
            scores = getattr(estimator, "estimated_mse_score_dict", {})
            found.append(
                {
                    "estimator": name,
                    "grid": grid,
                    "method": method,
                    "chosen": estimator.best_hyperparam,
                    "value": value,
                    "scores": [float(scores[candidate]) for candidate in TUNING[grid]]
                    if scores
                    else None,
                }
            )
    return found


def main() -> None:
    """Write the file named by the first argument."""
    ope = importlib.import_module("obp.ope")
    version = importlib.import_module("obp").__version__
    logs = {
        "softmax to softmax, clicks": synthetic_log(
            1, uniform=False, deterministic=False, binary=True
        ),
        "softmax to deterministic, fractions": synthetic_log(
            2, uniform=False, deterministic=True, binary=False
        ),
        "uniform to deterministic, clicks": synthetic_log(
            3, uniform=True, deterministic=True, binary=True
        ),
        "uniform to softmax, fractions": synthetic_log(
            4, uniform=True, deterministic=False, binary=False
        ),
    }
    cases = [
        {"name": name, "log": log, "values": values(ope, log), "tuned": tuned(ope, log)}
        for name, log in logs.items()
    ]
    told = {"peer": "obp", "version": version, "delta": DELTA, "grids": TUNING, "cases": cases}
    Path(sys.argv[1]).write_text(json.dumps(told, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
