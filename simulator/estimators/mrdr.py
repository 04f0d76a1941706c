"""MRDR: doubly robust with a model that was fitted to make its variance small."""

from __future__ import annotations

from simulator.estimators.dr import dr
from simulator.estimators.inputs import Inputs
from simulator.terms import Terms


def mrdr(inputs: Inputs, *, clip: float | None = None) -> Terms:
    """Return DR's terms, for predictions of a reward model that was fitted with MRDR's weights.

    What is new lies in the fit: rounds count by their part in DR's variance
    (``simulator.reward_models``), which the registry asks for by ``model_weighting``. Source:
    Farajtabar, Chow and Ghavamzadeh, 2018, "More robust doubly robust off-policy evaluation".

    Raises:
        EstimationError: there are no predictions, or ``clip`` is NaN or negative.
    """
    return dr(inputs, clip=clip)
