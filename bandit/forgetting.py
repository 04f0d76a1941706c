"""When what sized a model's steps is forgotten, and how much of it.

AdaGrad divides each step by the root of the sum of all squared gradients so far (Duchi, Hazan and
Singer 2011), so that steps shrink for as long as a model lives, and tastes that change late are
followed slowly. With a half-life the sums fade as an exponential average does, in steps of a 32nd
of it: between two of them at most 2.2 % too much is kept.

Time is the log's: what closes tells it, so that whatever is learned again after a crash is
forgotten again at the same places, bit for bit.
"""

from __future__ import annotations

from typing import Final

from bandit.clock import to_us

STEPS_A_HALF_LIFE: Final = 32


class Fading:
    """The fading of one model's sums.

    ``since_us`` is up to when it has faded already, None before anything was learned, and without
    a half-life: time that passed without one fades nothing once there is one again.
    """

    def __init__(self, half_life_s: float | None, since_us: int | None = None) -> None:
        self._step_us = None if half_life_s is None else to_us(half_life_s / STEPS_A_HALF_LIFE)
        self.since_us = None if half_life_s is None else since_us

    def share_kept(self, at_us: int) -> float:
        """Return what share of the sums is kept now, 1 but at the first outcome past a step."""
        if self._step_us is None:
            return 1.0
        if self.since_us is None:
            self.since_us = at_us
        steps = (at_us - self.since_us) // max(1, self._step_us)
        if steps <= 0:
            return 1.0
        self.since_us += steps * max(1, self._step_us)
        return float(0.5 ** (steps / STEPS_A_HALF_LIFE))
