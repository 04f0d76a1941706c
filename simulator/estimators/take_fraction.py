"""Netflix's take fraction: plays per accepted impression."""

from __future__ import annotations

import numpy as np

from simulator.estimators.inputs import Inputs
from simulator.estimators.replay import accepted
from simulator.terms import Terms


def take_fraction(
    inputs: Inputs, *, played_above: float = 0.0, ceiling: float | None = None, seed: int = 0
) -> Terms:
    """Return terms for the share of accepted impressions that led to a play.

    Rounds are accepted as in :func:`simulator.estimators.replay.replay`; a round is a play where
    its reward exceeds ``played_above``, so that the share does not depend on how plays are valued.
    Give the reward that an impression without more earns, where that is not 0. Source:
    Chandrashekar, Amat, Basilico and Jebara, 2017, "Artwork personalization at Netflix", figure 1.

    Raises:
        EstimationError: ``ceiling`` is NaN, negative or below some weight.
        NoOverlapError: on :meth:`Terms.value` and :meth:`Terms.influence`, when none is accepted.
    """
    kept = accepted(inputs, ceiling=ceiling, seed=seed)
    played = kept & (inputs.reward > played_above)
    return Terms(played.astype(np.float64), denominator=kept.astype(np.float64))
