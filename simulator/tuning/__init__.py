"""The data's own choice of an estimator's parameter: how far to clip or to shrink weights.

Less modified weights make an estimate less biased and more variable. :func:`tune` weighs the two
by the mean squared error, estimated or bounded, or by SLOPE, which compares estimates.
Everything here is a pure function of the rounds it is given: a parameter belongs to one estimator
of one policy on one log, and none is kept for the next.

Which method (``tests/simulator/test_tuning.py`` shows it in seeded worlds): ``mse-direct`` helps
where weights are wild and does little harm elsewhere to the value, but its interval is far too
narrow. ``mse`` adds the same deviation to the bias of every candidate, which punishes each bias so
hard that weights are left almost alone; its intervals come nearest to what they promise, and so it
is the default. Both SLOPEs do best by far where the reward model is right, and worse than no
modification where it is poor or missing, as with IPS, whose clipping pulls to zero.

Intervals know neither of the choice nor of the bias that it accepts. Nominal 95 % normal ones, by
viewer, held the truth in so many of 60 logs of 1,200 pages of the homepage (plain DR: 90 %; of 60
logs 95 % ± 5.5 are chance):

==========  =====  ============  =======
            mse    mse-direct    slope
==========  =====  ============  =======
ips         95 %   87 %          0 %
switch-dr   83 %   55 %          37 %
dros        87 %   58 %          37 %
sgdr        88 %   90 %          95 %
==========  =====  ============  =======

Why each round's parameter is not chosen on the rounds of other viewers instead: it was tried on the
same logs with three folds, and mends the choice but not the bias (``mse``: 90, 85, 87 and 90 %;
``mse-direct``: 80, 75, 77 and 93 %; ``slope`` as above). Estimates say that they were tuned.
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
