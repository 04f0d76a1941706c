"""The parts of the torture suite, in the order in which they run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from tests.faults.torture import api, cases, endurance, hostile_bodies, kill_storm, swaps
from tests.faults.torture.rows import Options, Row


class Part(NamedTuple):
    """A part's name, what runs it, and the seconds that it may take of a whole run."""

    name: str
    run: Callable[[Options], Iterable[Row]]
    seconds: float


PARTS: list[Part] = [
    Part("cases", cases.run, 300.0),
    Part("kills", kill_storm.run, 480.0),
    Part("swaps", swaps.run, 180.0),
    Part("api", api.run, 180.0),
    Part("bodies", hostile_bodies.run, 330.0),
    Part("endurance", endurance.run, 420.0),
]
