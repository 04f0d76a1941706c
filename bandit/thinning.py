"""Which of the displays without a reward are learned, and with what weight.

Most of what is shown is not touched, and each such display tells little. With a share s below 1
only that part of them is learned, each with s^-1/2 times the weight of one, and what was touched
with s^1/2: the ratio is 1/s, so that every weighted sum over displays has
the expectation that it has over all of them, up to the one factor s^1/2 (Horvitz and Thompson,
1952). The least squares that a model tends to depend on ratios of weights alone.

Whether a display is learned is drawn by a hash of the decision, the surface, and the title or row:
a replay draws the same. Names are hashed one by one under a key of the page: a twentieth of what
learning them would cost.

Only a display of reward 0 whose feedback is impressions alone, or none, is left out. Who clicked,
or played and abandoned at once, did something; that is always learned, whatever it earned. A rule
whose default reward is not 0 has no display to leave out: all are then learned, with s^1/2.

What is unbiased, and what is not: sums over displays are, exactly. What is learned of them is not:
a step of VW is cut short so that it never passes the label (Karampatziakis and Langford, 2011), and
divided by the root of a sum that is itself drawn. A heavy step at a 0 is cut more than a light one
at a reward, so predictions come out too high; and steps with smaller weights learn more slowly from
nothing, so they come out too low. Bias of the mean prediction against that of a model that learned
all, in per cent of the mean reward, for weights 1 and 1/s, s^1/2 and s^-1/2, s and 1 (regression,
40 salts, standard errors 0.4 to 4 where learning_rate is 0.05, 2 to 8 elsewhere):

=============  ====  ========  ========  ======================  =====
learning_rate  s     displays  1, 1/s    s^1/2, s^-1/2 (taken)   s, 1
=============  ====  ========  ========  ======================  =====
0.05           0.25  300       +8.3      -6.8                    -22.5
0.05           0.25  1,000     +2.4      -2.9                    -8.6
0.05           0.25  3,000     +3.4      +0.9                    -0.7
0.05           0.25  30,000    +1.0      +1.1                    +1.1
0.05           0.1   300       +24.0     -9.5                    -38.8
0.05           0.1   1,000     +10.4     -1.2                    -15.6
0.05           0.1   3,000     +7.5      +2.7                    -0.9
0.05           0.1   30,000    +3.0      +2.4                    +1.5
0.05           0.05  3,000     +11.8     +4.1                    -3.1
0.05           0.02  3,000               +13.6                   -9.0
0.5            0.5   1,000               +10.1
0.5            0.5   3,000     +10       +5.0                    -0.1
0.5            0.25  3,000     +26.3     +11.6                   -1.5
0.5            0.1   3,000     +56.1     +20.2                   -6.0
=============  ====  ========  ========  ======================  =====

The middle is taken because it is right soonest, for what was shown little as well, and its noise
is less than that of 1/s (0.05 at 0.1, 3,000 displays: 9.6 against 12.7 per cent). Its bias goes
with learning_rate / s: up to 1 it was at most 5 per cent from 3,000 displays on (and up to 10 at
1,000), at 2 some 12, at 5 some 20 to 26. So the configuration refuses more than 1. The larger the
learning_rate, the more a model that learned all is off as well: at 0.5 and 3,000 displays by 41 per
cent of the mean reward. No choice of weights takes the rest of the bias away: steps are
not linear in them, and 1/s steps of weight 1 at one display saturate alike by design.
Posterior variances are the larger for the factor s^1/2: fewer displays were seen.
``tests/statistical`` holds the bounds, of ``dr``, ``mtr`` and ``ips`` as well.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import mmh3

from bandit.events import FeedbackRecord
from bandit.sampling import draw_key
from bandit.types import Surface

_SEED_MASK: Final = 0xFFFFFFFF
"""MurmurHash3 (Appleby 2008) takes a seed of 32 bits."""


class Display(NamedTuple):
    """What one seen title or row earned."""

    reward: float
    events: Sequence[FeedbackRecord]
    clicked: bool = False
    played: bool = False
    """It was played, and not abandoned at once."""

    @property
    def is_untouched(self) -> bool:
        """Whether it earned nothing, and nothing is known of it but that it was seen."""
        return self.reward == 0.0 and all(event.type == "impression" for event in self.events)


def untouched_weight(share: float) -> float:
    """Return the weight with which a display that nobody touched is learned, 1 / sqrt(share)."""
    return 1.0 / math.sqrt(share)


def weights(
    displays: Sequence[tuple[str, Display]],
    share: float,
    *,
    salt: str,
    surface: Surface,
    decision_id: str,
) -> list[float]:
    """Return the weight of each display, 0 for those that are not to be learned.

    Args:
        displays: the id of each title or row, and what it earned.
        share: of the untouched displays, in (0, 1].
        salt: mixed into the hash.
        surface: draws for one surface say nothing of those for the other.
        decision_id: the page.
    """
    if share >= 1.0:
        return [1.0] * len(displays)
    seed = draw_key(salt, f"zero rewards of {surface}", decision_id, 0) & _SEED_MASK
    limit = share * 2.0**64
    untouched, touched = untouched_weight(share), math.sqrt(share)
    return [
        (untouched if mmh3.hash64(name, seed, signed=False)[0] < limit else 0.0)
        if display.is_untouched
        else touched
        for name, display in displays
    ]
