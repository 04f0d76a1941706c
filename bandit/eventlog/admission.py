"""Which decisions a filling queue lets in: fewer the fuller it is, each with a known probability.

Up to half of the queue all are let in. From there the probability falls in a straight line, to
``PASS_MIN`` where the queue is full. What was let in with probability p stands for 1 / p decisions
(Horvitz and Thompson, 1952), so that counts and estimates weighted by that stay unbiased. Why not
0 at the end of the line: nothing would stand for those left out, and weights just before it would
grow without bound. A queue that is full all the same takes none, and says so apart: those that meet
it are represented by nothing, and estimates hold for the others alone. Whoever offers an id that
was left out a second time, when the probability has risen, gives it two chances: its weight then
comes to more than 1 on average, so what was left out is not to be offered again.

The draw is a hash of the record's key: the same decision meets the same fate under the same
probability, in a replay as in production. Decision ids are hashed for no other purpose this way, so
it is independent of what the decision shows.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

PASS_MIN: Final = 0.05
"""The least probability with which a decision is let in: the largest weight is 20."""

_PURPOSE: Final = b"log queue"
_RANGE: Final = 2.0**64


def pass_probability(waiting: int, queue_max: int) -> float:
    """Return with what probability one more record is let in where so many wait; 0 when full."""
    if waiting >= queue_max:
        return 0.0
    overfill = 2.0 * waiting / queue_max - 1.0
    return 1.0 if overfill <= 0.0 else 1.0 - (1.0 - PASS_MIN) * overfill


def is_let_in(key: str, probability: float) -> bool:
    """Draw by a record's key whether it is let in."""
    digest = blake2b(key.encode(), digest_size=8, person=_PURPOSE).digest()
    return int.from_bytes(digest, "little") / _RANGE < probability
