"""What each part of the torture suite takes, and what it hands back: one row a case."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Row(NamedTuple):
    """One line of the table: what was done, by which test or part, how it went, its figures."""

    case: str
    test: str
    passed: bool
    figures: dict[str, float | str]


class Options(NamedTuple):
    """How a part is to run: its seed, about how long at most, and a directory of its own.

    ``quick`` asks for the same on little work. A part ends on its own; ``seconds`` is what it may
    take on four idle cores.
    """

    seed: int
    seconds: float
    quick: bool
    directory: Path
    schedule: Path = Path("build/torture-schedule.json")
    """Where the kill storm writes down what it is going to do."""
    replay: Path | None = None
    """A schedule to carry out again instead of drawing one."""
