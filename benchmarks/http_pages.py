"""Pages over HTTP, ours beside the naive server's, in rounds that take turns.

Ours does more for a page: it logs every decision durably before it answers, while a learner learns
and publishes and viewers send feedback. The naive server only answers, and is left alone meanwhile.
"""

from __future__ import annotations

import os
from statistics import median
from typing import Final, NamedTuple

from bandit.types import Page
from benchmarks.figures import Board
from benchmarks.figures import Target as Wanted
from benchmarks.load import LoadResult, Pace, Target, run_load
from benchmarks.memory import add_memory
from benchmarks.pages import (
    ARTWORKS_A_TITLE,
    CONTEXT_FEATURES,
    ROWS_A_PAGE,
    TITLES_A_PAGE,
    standard_catalog,
    standard_pages,
)
from benchmarks.servers import (
    THREADS,
    WORKERS,
    Visitors,
    naive_server,
    our_server,
    port_of,
    rank_target,
    train,
)
from server.local import LocalServer

TITLES: Final = 2500
CONNECTIONS: Final = 16
VISITS_PER_S: Final = 4.0
RATIO_WANTED: Final = Wanted("≥", 4.0)

WORK: Final = (
    f"{TITLES_A_PAGE} titles × {ARTWORKS_A_TITLE} artworks in {ROWS_A_PAGE} rows, "
    f"{CONTEXT_FEATURES} context features, catalog of {TITLES} titles"
)
SERVERS: Final = (
    f"{WORKERS} workers × {THREADS} threads, load generator and all on {os.cpu_count()} cores"
)


class Size(NamedTuple):
    """How much to run."""

    rounds: int
    seconds: float
    training_pages: int


FULL: Final = Size(rounds=3, seconds=8.0, training_pages=200)
QUICK: Final = Size(rounds=1, seconds=2.0, training_pages=30)


class Rounds(NamedTuple):
    """What the rounds came to, ours and the naive server's by turns."""

    ours: list[LoadResult]
    naive: list[LoadResult]

    @property
    def ratio(self) -> float:
        """The median over rounds of our pages a second by the naive server's."""
        pairs = zip(self.ours, self.naive, strict=True)
        return median(own.per_second / other.per_second for own, other in pairs)


def measure_http(board: Board, *, quick: bool) -> None:
    """Measure peak and half load, ours and the naive server's."""
    size = QUICK if quick else FULL
    document = standard_catalog(TITLES)
    pages = standard_pages(document, 64)
    with our_server(document) as server, naive_server(document) as naive_port:
        train(server, standard_pages(document, size.training_pages, seed=2))
        ours = rank_target(port_of(server), "/v1/rank", pages, "msgpack")
        naive = rank_target(naive_port, "/rank", pages, "msgpack")
        for target in (ours, naive):
            run_load(target, Pace(CONNECTIONS, 1.0))
        _add_ceiling(board, port_of(server), size)
        peak = _rounds(board, server, pages, (ours, naive), size, None)
        _add_peak(board, peak)
        rates = tuple(median(r.per_second for r in results) / 2 for results in peak)
        _add_half(board, _rounds(board, server, pages, (ours, naive), size, rates))
        _add_json(board, server, pages, size)
        add_memory(board, server, TITLES * ARTWORKS_A_TITLE)


def _rounds(
    board: Board,
    server: LocalServer,
    pages: list[Page],
    targets: tuple[Target, Target],
    size: Size,
    rates: tuple[float, ...] | None,
) -> Rounds:
    rounds = Rounds([], [])
    for number in range(size.rounds):
        for place, target in enumerate(targets):
            pace = Pace(CONNECTIONS, size.seconds, None if rates is None else rates[place])
            if place == 0:
                with Visitors(server, pages, VISITS_PER_S):
                    result = _checked(run_load(target, pace))
            else:
                result = _checked(run_load(target, pace))
            rounds[place].append(result)
            board.say(
                f"{'ours ' if place == 0 else 'naive'} {number + 1}: {result.per_second:.0f}/s, "
                f"p50 {result.percentile_ms(50):.1f} ms, p99 {result.percentile_ms(99):.1f} ms"
            )
    return rounds


def _checked(result: LoadResult) -> LoadResult:
    """Return the result; a benchmark of errors is worth nothing."""
    if result.errors:
        raise RuntimeError(f"{result.errors} of {result.requests} requests failed")
    return result


def _middle(results: list[LoadResult], percent: float) -> float:
    return median(result.percentile_ms(percent) for result in results)


def _add_peak(board: Board, peak: Rounds) -> None:
    both = f"{WORK}; MessagePack, {CONNECTIONS} connections, {SERVERS}"
    how = f"{both}; median of {len(peak.ours)} rounds by turns, 0 errors"
    background = f"learner running, {VISITS_PER_S:g} visits/s with feedback beside"
    own = [result.per_second for result in peak.ours]
    other = [result.per_second for result in peak.naive]
    board.add("page_http_per_s", median(own), "pages/s", f"{how}; {background}")
    board.add("page_http_naive_per_s", median(other), "pages/s", f"naive server: {how}")
    board.add("page_http_ratio_naive", peak.ratio, "×", "of the two above", RATIO_WANTED)
    for percent in (50, 99):
        name = f"page_http_p{percent}_ms_peak"
        board.add(name, _middle(peak.ours, percent), "ms", "latency at that peak, closed loop")
    for percent in (50, 99):
        name = f"page_http_naive_p{percent}_ms_peak"
        board.add(name, _middle(peak.naive, percent), "ms", "naive server, at its own peak")


def _add_half(board: Board, half: Rounds) -> None:
    rate = median(result.per_second for result in half.ours)
    for percent in (50, 99):
        board.add(
            f"page_http_p{percent}_ms_half_load",
            _middle(half.ours, percent),
            "ms",
            f"the same, open loop at half the peak ({rate:.0f}/s), from when each request was due",
        )
    rate = median(result.per_second for result in half.naive)
    for percent in (50, 99):
        board.add(
            f"page_http_naive_p{percent}_ms_half_load",
            _middle(half.naive, percent),
            "ms",
            f"naive server, open loop at half its own peak ({rate:.0f}/s)",
        )


def _add_json(board: Board, server: LocalServer, pages: list[Page], size: Size) -> None:
    target = rank_target(port_of(server), "/v1/rank", pages, "json")
    with Visitors(server, pages, VISITS_PER_S):
        result = _checked(run_load(target, Pace(CONNECTIONS, size.seconds)))
    work = "as page_http_per_s, with JSON; one round"
    board.add("page_http_json_per_s", result.per_second, "pages/s", work)


def _add_ceiling(board: Board, port: int, size: Size) -> None:
    target = Target(port, "GET", "/livez", {}, (), 200)
    result = _checked(run_load(target, Pace(CONNECTIONS, min(4.0, size.seconds))))
    work = f"GET /livez, {CONNECTIONS} connections: the generator can ask for at least so much"
    board.add("generator_livez_per_s", result.per_second, "requests/s", work)
