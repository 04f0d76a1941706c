"""Print what the Open Bandit Pipeline says of the Open Bandit Dataset, small version.

Run in an environment of its own, for the peer needs Python 3.9 or 3.10 and an old NumPy::

    python3.9 -m venv /tmp/obp && /tmp/obp/bin/pip install obp 'matplotlib<3.8'
    /tmp/obp/bin/python tests/peers/obp_open_bandit.py DIRECTORY_OF_OBD

What it prints stands in simulator/experiments/open_bandit_peer.py. The target's probabilities are
those that our experiment takes: uniform for the random policy; for Thompson sampling how often its
own log chose each item at each position, every item counted half a time more than it was. The
reward model is the peer's, a logistic regression over its own features, cross-fitted in 3 folds.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

SEED = 12345
FOLDS = 3
CAMPAIGNS = ("men", "women")
DIRECTIONS = (("random", "bts"), ("bts", "random"))


def feedback(directory: Path, policy: str, campaign: str) -> dict[str, Any]:
    """Return a log as the peer reads it."""
    dataset = importlib.import_module("obp.dataset")
    found = dataset.OpenBanditDataset(policy, campaign, data_path=directory)
    logged: dict[str, Any] = found.obtain_batch_bandit_feedback()
    return logged


def target(log: dict[str, Any], own: dict[str, Any], judged: str) -> Any:
    """Return (n, items, positions) the judged policy's probabilities on the rounds of a log."""
    items, positions = log["n_actions"], int(log["position"].max()) + 1
    if judged == "random":
        shares = np.full((items, positions), 1 / items)
    else:
        counts = np.full((items, positions), 0.5)
        np.add.at(counts, (own["action"], own["position"]), 1.0)
        shares = counts / counts.sum(axis=0)
    return np.repeat(shares[None], log["n_rounds"], axis=0)


def rewards(log: dict[str, Any], shares: Any, *, mrdr: bool) -> Any:
    """Return (n, items, positions) predictions of the peer's reward model."""
    ope = importlib.import_module("obp.ope")
    linear = importlib.import_module("sklearn.linear_model")
    model = ope.RegressionModel(
        n_actions=log["n_actions"],
        len_list=shares.shape[2],
        action_context=log["action_context"],
        base_model=linear.LogisticRegression(max_iter=10_000, random_state=SEED),
        fitting_method="mrdr" if mrdr else "normal",
    )
    return model.fit_predict(
        context=log["context"],
        action=log["action"],
        reward=log["reward"],
        pscore=log["pscore"],
        position=log["position"],
        action_dist=shares,
        n_folds=FOLDS,
        random_state=SEED,
    )


def values(log: dict[str, Any], shares: Any) -> dict[str, float]:
    """Return each estimator's value, under our names."""
    ope = importlib.import_module("obp.ope")
    plans = {
        "ips": ope.InverseProbabilityWeighting(),
        "snips": ope.SelfNormalizedInverseProbabilityWeighting(),
        "dm": ope.DirectMethod(),
        "dr": ope.DoublyRobust(),
        "sndr": ope.SelfNormalizedDoublyRobust(),
        "switch-dr=10": ope.SwitchDoublyRobust(lambda_=10.0),
        "dros=100": ope.DoublyRobustWithShrinkage(lambda_=100.0),
        "mrdr": ope.DoublyRobust(),
    }
    predicted = {False: rewards(log, shares, mrdr=False), True: rewards(log, shares, mrdr=True)}
    return {
        name: float(
            estimator.estimate_policy_value(
                reward=log["reward"],
                action=log["action"],
                pscore=log["pscore"],
                action_dist=shares,
                position=log["position"],
                estimated_rewards_by_reg_model=predicted[name == "mrdr"],
            )
        )
        for name, estimator in plans.items()
    }


def main() -> None:
    """Print the values for every campaign and direction of the directory named first."""
    directory = Path(sys.argv[1])
    for campaign in CAMPAIGNS:
        logs = {name: feedback(directory, name, campaign) for name in ("random", "bts")}
        for logging, judged in DIRECTIONS:
            shares = target(logs[logging], logs[judged], judged)
            found = values(logs[logging], shares)
            print(f'("{campaign}", "{judged}"): {json.dumps(found, indent=4)},')


if __name__ == "__main__":
    main()
