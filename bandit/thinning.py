"""Which of the displays without a reward are learned, and for how many each of them stands.

Most of what is shown is not touched, and each such display tells little. With a share s below 1
only that part of them is learned, with the weight 1/s: every sum over displays that a learner
forms, weighted, has the expectation that it has over all of them (Horvitz and Thompson, 1952).
Whether a display is learned is drawn by a hash of the decision, the surface, and the title or row:
a replay draws the same. Names are hashed one by one under a key of the page: a twentieth of what
learning them would cost.

Only a display of reward 0 whose feedback is impressions alone, or none, is left out. Who clicked,
or played and abandoned at once, did something; that is always learned, whatever it earned. A rule
whose default reward is not 0 has no display to leave out.

What stays the same, and what does not: VW's sums of squared gradients, of features' sizes and of
losses are linear in the weight, and so unbiased. A step is not: it is cut short so that it never
passes the label (Karampatziakis and Langford, 2011), and divided by the root of a sum that is
itself drawn. Both make the learned model differ from the whole one's by less than its own noise;
``tests/statistical`` holds the bounds.
"""

from __future__ import annotations

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

    @property
    def is_untouched(self) -> bool:
        """Whether it earned nothing, and nothing is known of it but that it was seen."""
        return self.reward == 0.0 and all(event.type == "impression" for event in self.events)


def weights(
    displays: Sequence[tuple[str, Display]],
    share: float,
    *,
    salt: str,
    surface: Surface,
    decision_id: str,
) -> list[float]:
    """Return for how many displays each one stands, 0 for those that are not to be learned.

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
    learned = 1.0 / share
    return [
        (learned if mmh3.hash64(name, seed, signed=False)[0] < limit else 0.0)
        if display.is_untouched
        else 1.0
        for name, display in displays
    ]
