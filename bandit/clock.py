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


class Clock(Protocol):
    """Anything that tells the time."""

    def now_us(self) -> int:
        """Return the present instant in microseconds since the Unix epoch."""
        ...


class WallClock:
    """The machine's clock, shifted by ``offset_s`` seconds."""

    def __init__(self, offset_s: float = 0.0) -> None:
        self._offset_us = round(offset_s * MICROSECONDS)

    @classmethod
    def from_environment(cls) -> WallClock:
        """Build the process's clock, shifted by ``MARQUEE_CLOCK_OFFSET_S`` where that is set."""
        return cls(float(os.environ.get(OFFSET_VARIABLE, "0")))

    def now_us(self) -> int:
        """Return the machine's time, shifted."""
        return time.time_ns() // 1000 + self._offset_us


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
