"""The data's own choice of an estimator's parameter: how far to clip or to shrink weights.

Less modified weights make an estimate less biased and more variable. :func:`tune` weighs the two
by SLOPE, which compares estimates with each other, or by a bound on the mean squared error.
Everything here is a pure function of the rounds it is given: a parameter belongs to one estimator
of one policy on one log, and none is kept for the next.

Rounds that choose the parameter and then yield the estimate make its interval a little too
narrow; where that matters, tune on other rounds.
"""

from simulator.tuning.candidates import default_candidates
from simulator.tuning.choosing import Choice, Method, Tried, Tuned, choose, tune
from simulator.tuning.evidence import Evidence, gather, merged

__all__ = [
    "Choice",
    "Evidence",
    "Method",
    "Tried",
    "Tuned",
    "choose",
    "default_candidates",
    "gather",
    "merged",
    "tune",
]
