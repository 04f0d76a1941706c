"""How a session goes through a carousel's slots, and what of it counts as seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from bandit.types import BoolArray, FloatArray
from simulator.pages import Expected

Behaviour = Literal["as_documented", "as_coded"]


@dataclass(frozen=True, slots=True)
class Browsing:
    """Sessions on ``slots`` slots, ``visible`` of them visible at first."""

    slots: int
    visible: int
    behaviour: Behaviour

    def draw(self, chances: FloatArray, random: np.random.Generator) -> tuple[BoolArray, BoolArray]:
        """Draw (m, slots) what was seen and what was streamed: one slot a session at most.

        Args:
            chances: (m, slots) P(stream | seen).
            random: what it is drawn with.
        """
        count = len(chances)
        turn = np.broadcast_to(np.arange(self.slots), chances.shape)
        if self.behaviour == "as_documented":
            # Ranks of uniforms are a random permutation; two uniforms are never equal in effect:
            # of equal ones the left comes first.
            shuffled = random.random((count, self.visible)).argsort(axis=1).argsort(axis=1)
            turn = np.hstack([shuffled, turn[:, self.visible :]])
        would = random.random(chances.shape) < chances
        first = np.where(would, turn, self.slots).min(axis=1)
        last = np.where(first < self.slots, first, self._seen_in_vain() - 1)
        return turn <= last[:, None], would & (turn == first[:, None])

    def expected(self, chances: FloatArray) -> Expected:
        """Return the chance of a stream, and how many slots count as seen on average.

        With T the turn of the first stream, the slots
        seen are Σₖ P(T ≥ k) over turns k if there is a stream, and as many as the behaviour has
        it if there is none.
        """
        none = 1 - chances
        after = np.cumprod(none, axis=1)
        in_vain = after[:, -1:]
        reached = np.hstack([np.ones((len(none), 1)), after[:, :-1]])
        if self.behaviour == "as_documented":
            reached = np.hstack(
                [_mean_products(none[:, : self.visible]), reached[:, self.visible :]]
            )
        # Turns behind those that count in vain are seen only by sessions with a stream.
        late = np.arange(self.slots) >= self._seen_in_vain()
        seen = np.where(late, reached - in_vain, reached)
        return Expected(np.asarray(1 - in_vain[:, 0]), np.asarray(seen.sum(axis=1)))

    def _seen_in_vain(self) -> int:
        return self.slots if self.behaviour == "as_coded" else self.visible


def _mean_products(none: FloatArray) -> FloatArray:
    """Return (m, v): the mean of Π over k of the v columns, over all choices of k, k = 0 .. v-1.

    It is the chance that nothing was streamed in the first k turns when the columns take turns in
    random order. The sums of products are the elementary symmetric polynomials, by their
    recursion over columns.
    """
    count, columns = none.shape
    sums = np.zeros((count, columns + 1))
    sums[:, 0] = 1
    for at in range(columns):
        sums[:, 1 : at + 2] += sums[:, : at + 1] * none[:, at : at + 1]
    choices = np.ones(columns)
    for k in range(1, columns):
        choices[k] = choices[k - 1] * (columns - k + 1) / k
    return sums[:, :columns] / choices
