"""Time as an argument: wall clocks for shells, a clock that stands still for tests and replays.

All instants in Marquee are integers: microseconds since the Unix epoch, in UTC.
"""

from __future__ import annotations

import os
import time
from typing import Protocol

MICROSECONDS = 1_000_000
"""Microseconds in a second."""

OFFSET_VARIABLE = "MARQUEE_CLOCK_OFFSET_S"
"""Environment variable that shifts a process's wall clock, in seconds, to rehearse skewed nodes."""

RATE_VARIABLE = "MARQUEE_CLOCK_RATE"
"""Environment variable that makes a process's wall clock run faster, to rehearse days in minutes.

It is ``RATE@SINCE``: from the instant SINCE, in seconds since the Unix epoch, RATE seconds pass in
each. Processes given the same value agree on the time. Waits stay as long as they are.
"""


class Clock(Protocol):
    """Anything that tells the time."""

    def now_us(self) -> int:
        """Return the present instant in microseconds since the Unix epoch."""
        ...


class WallClock:
    """The machine's clock, shifted by ``offset_s`` seconds and running ``rate`` times as fast.

    A rate other than 1 counts from the instant ``since_s``, at which the clock was right.
    """

    def __init__(self, offset_s: float = 0.0, *, rate: int = 1, since_s: int = 0) -> None:
        # The running time is rate * (now - since) + since + offset, in whole microseconds.
        self._rate = rate
        self._shift_us = round(offset_s * MICROSECONDS) - (rate - 1) * since_s * MICROSECONDS

    @classmethod
    def from_environment(cls) -> WallClock:
        """Build the process's clock from ``MARQUEE_CLOCK_OFFSET_S`` and ``MARQUEE_CLOCK_RATE``.

        Raises:
            ValueError: one of them is set to something else than it takes.
        """
        rate, _, since_s = os.environ.get(RATE_VARIABLE, "1@0").partition("@")
        offset_s = float(os.environ.get(OFFSET_VARIABLE, "0"))
        return cls(offset_s, rate=int(rate), since_s=int(since_s))

    def now_us(self) -> int:
        """Return the machine's time, shifted."""
        return time.time_ns() // 1000 * self._rate + self._shift_us


class ManualClock:
    """A clock that moves only when told to.

    >>> clock = ManualClock(5)
    >>> clock.advance_s(1.5)
    >>> clock.now_us()
    1500005
    """

    def __init__(self, start_us: int = 0) -> None:
        self._now_us = start_us

    def now_us(self) -> int:
        """Return the instant it was last set to."""
        return self._now_us

    def advance_s(self, seconds: float) -> None:
        """Move by ``seconds``, which may be negative: clocks do step back."""
        self._now_us += round(seconds * MICROSECONDS)


def to_us(seconds: float) -> int:
    """Convert a span in seconds to microseconds."""
    return round(seconds * MICROSECONDS)
