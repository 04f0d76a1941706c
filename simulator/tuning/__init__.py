"""The data's own choice of an estimator's parameter: how far to clip or to shrink weights.

Less modified weights make an estimate less biased and more variable. :func:`tune` weighs the two
by the mean squared error, estimated or bounded, or by SLOPE, which compares estimates.
Everything here is a pure function of the rounds it is given: a parameter belongs to one estimator
of one policy on one log, and none is kept for the next.

Which method (``tests/simulator/test_tuning.py`` shows it in seeded worlds): ``mse-direct`` helps
where weights are wild and does little harm elsewhere, so it is the default. ``mse`` adds the same
deviation to the bias of every candidate, which punishes each bias so hard that weights are left
almost alone. Both SLOPEs do best by far where the reward model is right, and worse than no
modification where it is poor or missing, as with IPS, whose clipping pulls to zero.

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
