"""Servers side by side: rounds in which they take turns, medians over rounds, ratios of a round."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

import numpy as np

from benchmarks.figures import Board
from benchmarks.load import LoadResult, Pace, Target, run_load
from benchmarks.wrk import Saturation, saturate
from server.local import children_of

CONNECTIONS: Final = 16
OPEN_CONNECTIONS: Final = 32
"""Of the open loop: more than are ever under way below saturation."""

IDLE_SHARE: Final = 0.15
"""Servers that take less than this part of one core are idle: ours poll their stores."""
_LOOK_S: Final = 0.2
_TICKS_A_SECOND: Final = 100


class Size(NamedTuple):
    """How much to run."""

    rounds: int
    seconds: float
    """Of each measurement."""
    latency_rounds: int
    latency_seconds: float
    latency_of: tuple[str, ...]
    """Whose pages' latency is measured below saturation."""
    training_pages: int
    idle_within_s: float
    """How long idleness is waited for before each measurement."""
    warm_up_s: float


FULL: Final = Size(
    rounds=3,
    seconds=2.0,
    latency_rounds=3,
    latency_seconds=4.0,
    latency_of=("page_http", "page_http_floor", "page_http_naive"),
    training_pages=200,
    idle_within_s=30.0,
    warm_up_s=1.0,
)
QUICK: Final = Size(
    rounds=1,
    seconds=1.0,
    latency_rounds=1,
    latency_seconds=0.8,
    latency_of=("page_http", "page_http_floor"),
    training_pages=20,
    idle_within_s=3.0,
    warm_up_s=0.2,
)


class Contender(NamedTuple):
    """One server and what it is asked for."""

    target: Target
    connections: int = CONNECTIONS
    beside: Callable[[], AbstractContextManager[object]] = nullcontext
    """What goes on meanwhile."""


class Rounds(NamedTuple):
    """What was measured by turns."""

    of: dict[str, list[Saturation]]
    """By contender, in the order of rounds."""
    note: str
    """How many rounds were uneven, for a figure's work."""


def even_rounds(found: Mapping[str, list[Saturation]]) -> Rounds:
    """Leave out, for all contenders, the rounds in which some server's connections stayed uneven.

    If none remains, all stay, and the note says so.
    """
    rounds = list(zip(*found.values(), strict=True))
    kept = [number for number, every in enumerate(rounds) if all(one.even for one in every)]
    uneven = len(rounds) - len(kept)
    if not kept:
        note = f"all {len(rounds)} rounds had a server with uneven connections, and are kept"
        return Rounds(dict(found), note)
    note = f"{uneven} of {len(rounds)} rounds left out for all, as one server's stayed uneven"
    return Rounds({name: [own[number] for number in kept] for name, own in found.items()}, note)


class Field:
    """The servers that run side by side; only one of them works at a time."""

    def __init__(self, board: Board, size: Size, pids: Sequence[int]) -> None:
        self.board = board
        self.size = size
        self._pids = pids

    def saturations(self, contenders: Mapping[str, Contender]) -> Rounds:
        """Measure each contender's throughput in every round; uneven rounds are left out."""
        found: dict[str, list[Saturation]] = {name: [] for name in contenders}
        for number in range(self.size.rounds):
            for name, contender in contenders.items():
                self._wait_until_idle(name)
                with contender.beside():
                    result = saturate(contender.target, contender.connections, self.size.seconds)
                found[name].append(result)
                self.board.say(
                    f"{name} {number + 1}: {result.per_second:.0f}/s, p50 {result.p50_ms:.1f} ms, "
                    f"p99 {result.p99_ms:.1f} ms, connections of workers {result.spread}"
                )
        return even_rounds(found)

    def latencies(
        self, contenders: Mapping[str, Contender], rates: Mapping[str, float]
    ) -> dict[str, list[LoadResult]]:
        """Measure each contender's latency at a rate of its own, in every round."""
        found: dict[str, list[LoadResult]] = {name: [] for name in contenders}
        for number in range(self.size.latency_rounds):
            for name, contender in contenders.items():
                self._wait_until_idle(name)
                pace = Pace(OPEN_CONNECTIONS, self.size.latency_seconds, rates[name])
                with contender.beside():
                    result = run_load(contender.target, pace).checked()
                found[name].append(result)
                self.board.say(
                    f"{name} {number + 1} at {rates[name]:.0f}/s: "
                    f"p50 {result.percentile_ms(50):.2f} ms, p99 {result.percentile_ms(99):.2f} ms,"
                    f" p99.9 {result.percentile_ms(99.9):.2f} ms; generator "
                    f"{result.cpu_share:.0%} of a core"
                )
        return found

    def _wait_until_idle(self, before: str) -> None:
        """Wait until all servers are done with what was asked before; tell if they are not."""
        end = time.monotonic() + self.size.idle_within_s
        while (busy := busy_share(self._pids, _LOOK_S)) > IDLE_SHARE:
            if time.monotonic() > end:
                self.board.say(f"before {before} servers still take {busy:.0%} of a core")
                return


def busy_share(pids: Sequence[int], seconds: float) -> float:
    """Return the part of one core that processes and all their descendants take (Linux)."""
    before = _ticks(pids)
    time.sleep(seconds)
    after = _ticks(pids)
    spent = sum(ticks - before.get(pid, 0) for pid, ticks in after.items())
    return spent / _TICKS_A_SECOND / seconds


def _ticks(pids: Sequence[int]) -> dict[int, int]:
    found: dict[int, int] = {}
    left = list(pids)
    while left:
        pid = left.pop()
        try:
            words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            left += children_of(pid)
        except (FileNotFoundError, ProcessLookupError):
            continue
        found[pid] = int(words[11]) + int(words[12])
    return found


def middle_rate(rounds: Sequence[Saturation]) -> float:
    """Return the median of the rounds' requests a second."""
    return median(one.per_second for one in rounds)


def rate_spread(rounds: Sequence[Saturation]) -> tuple[float, float]:
    """Return the 10th and the 90th percentile of the rounds' requests a second."""
    low, high = np.percentile([one.per_second for one in rounds], [10, 90])
    return float(low), float(high)


def rate_ratio(ours: Sequence[Saturation], theirs: Sequence[Saturation]) -> float:
    """Return the median over rounds of our requests a second by theirs."""
    pairs = zip(ours, theirs, strict=True)
    return median(own.per_second / other.per_second for own, other in pairs)


def middle_ms(rounds: Sequence[LoadResult], percent: float) -> float:
    """Return a percentile of latency: the rounds' median, past the 99th that of all together.

    One round has too few requests to tell one in a thousand.
    """
    if percent > 99:
        together = np.concatenate([one.latencies_s for one in rounds])
        return float(np.percentile(together, percent) * 1e3)
    return median(one.percentile_ms(percent) for one in rounds)


def latency_ratio(
    ours: Sequence[LoadResult], theirs: Sequence[LoadResult], percent: float
) -> float:
    """Return the median over rounds of a percentile of ours by theirs."""
    pairs = zip(ours, theirs, strict=True)
    return median(own.percentile_ms(percent) / other.percentile_ms(percent) for own, other in pairs)
