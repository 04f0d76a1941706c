"""Write what the Open Bandit Pipeline says of seeded rankings, for a test to compare with.

Run in an environment of its own, for the peer needs Python 3.9 or 3.10 and an old NumPy::

    python3.9 -m venv /tmp/obp && /tmp/obp/bin/pip install obp 'matplotlib<3.8'
    /tmp/obp/bin/python tests/peers/obp_rankings.py tests/peers/obp_rankings.json

The file holds the peer's version, the rankings, and the numbers it gives for them; nothing of its
source. obp is licensed under Apache-2.0.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

ROUNDS, POSITIONS, ITEMS, SEED = 60, 3, 5, 20260101


def conditional(logits: Any, items: Any) -> Any:
    """Return (n, L, R) Plackett-Luce probabilities of what may follow at each position."""
    left = logits.copy()
    result = np.zeros((len(logits), POSITIONS, ITEMS))
    for position in range(POSITIONS):
        weights = np.exp(left)
        result[:, position] = weights / weights.sum(axis=1, keepdims=True)
        left[np.arange(len(logits)), items[:, position]] = -np.inf
    return result


def main() -> None:
    rng = np.random.default_rng(SEED)
    logged_logits = rng.normal(size=(ROUNDS, ITEMS))
    target_logits = logged_logits + rng.normal(size=(ROUNDS, ITEMS))
    noisy = logged_logits + rng.gumbel(size=(ROUNDS, ITEMS))
    items = np.argsort(-noisy, axis=1)[:, :POSITIONS]
    logged_pmf, target_pmf = conditional(logged_logits, items), conditional(target_logits, items)
    logged = np.take_along_axis(logged_pmf, items[:, :, None], axis=2)[:, :, 0]
    target = np.take_along_axis(target_pmf, items[:, :, None], axis=2)[:, :, 0]
    # obp takes any probabilities for marginals
    logged_marginal = rng.uniform(0.1, 0.9, size=logged.shape)
    target_marginal = rng.uniform(0.0, 0.9, size=logged.shape)
    reward = rng.binomial(1, 0.4, size=logged.shape).astype(float)
    q_hat = rng.uniform(size=(ROUNDS, POSITIONS, ITEMS))

    whole = np.ones(POSITIONS)
    common = {
        "slate_id": np.repeat(np.arange(ROUNDS), POSITIONS),
        "reward": reward.ravel(),
        "position": np.tile(np.arange(POSITIONS), ROUNDS),
        "action": items.ravel(),
        "pscore": (logged.prod(axis=1)[:, None] * whole).ravel(),
        "evaluation_policy_pscore": (target.prod(axis=1)[:, None] * whole).ravel(),
        "pscore_item_position": logged_marginal.ravel(),
        "evaluation_policy_pscore_item_position": target_marginal.ravel(),
        "pscore_cascade": logged.cumprod(axis=1).ravel(),
        "evaluation_policy_pscore_cascade": target.cumprod(axis=1).ravel(),
        "q_hat": q_hat.ravel(),
        "evaluation_policy_action_dist": target_pmf.ravel(),
    }
    ope = importlib.import_module("obp.ope")
    peers = {
        "sips": ope.SlateStandardIPS(len_list=POSITIONS),
        "iips": ope.SlateIndependentIPS(len_list=POSITIONS),
        "rips": ope.SlateRewardInteractionIPS(len_list=POSITIONS),
        "cascade-dr": ope.SlateCascadeDoublyRobust(len_list=POSITIONS, n_unique_action=ITEMS),
        "snsips": ope.SelfNormalizedSlateStandardIPS(len_list=POSITIONS),
        "sniips": ope.SelfNormalizedSlateIndependentIPS(len_list=POSITIONS),
        "snrips": ope.SelfNormalizedSlateRewardInteractionIPS(len_list=POSITIONS),
    }
    golden = {
        "obp": importlib.import_module("obp").__version__,
        "inputs": {
            "items": items.tolist(),
            "reward": reward.tolist(),
            "logged": logged.tolist(),
            "target": target.tolist(),
            "logged_marginal": logged_marginal.tolist(),
            "target_marginal": target_marginal.tolist(),
            "q_hat": q_hat.tolist(),
            "target_pmf": target_pmf.tolist(),
        },
        "values": {
            name: float(peer.estimate_policy_value(**common)) for name, peer in peers.items()
        },
    }
    Path(sys.argv[1]).write_text(json.dumps(golden, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
