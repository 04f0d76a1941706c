"""Pages a second at saturation: ours, the naive server, and what a Flask request costs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from statistics import median
from typing import Final, NamedTuple

from benchmarks.figures import Board
from benchmarks.figures import Target as Wanted
from benchmarks.http_rounds import CONNECTIONS, Rounds, middle_rate, rate_ratio, rate_spread
from benchmarks.http_work import PAGE_WORK
from benchmarks.servers import VISITS_PER_S
from benchmarks.stock_servers import THREADS, WORKERS
from benchmarks.wrk import UNEVEN, Saturation, generator_name

MORE_CONNECTIONS: Final = 48

SERVERS: Final = (
    f"{WORKERS} workers × {THREADS} threads, load generator and all on {os.cpu_count()} cores"
)
DEFAULTS: Final = (
    "default config, learner running, visits with feedback beside "
    f"({VISITS_PER_S:g}/s, closed loop)"
)
STOCK: Final = (
    f"an empty Flask endpoint on stock gunicorn gthread, {WORKERS} workers × {THREADS} threads"
)
"""What a Flask request costs in the stock worker."""
ONE_THREAD: Final = (
    f"an empty Flask endpoint on stock gunicorn gthread, {WORKERS} workers × 1 thread, its best "
    "setting"
)
OURS: Final = (
    f"an empty Flask endpoint on gunicorn with our worker class, {WORKERS} workers × {THREADS} "
    "threads"
)
ON_GRANIAN: Final = (
    f"an empty Flask endpoint on granian (wsgi), {WORKERS} workers × {THREADS} threads"
)
EMPTY: Final = "it returns the bytes of our answer with status 201 and looks at nothing; ours idle"

# By name: what it is, after the work and how it was measured.
_WORK: Final = {
    "page_http": f"ours on gunicorn, MessagePack, {DEFAULTS}",
    f"page_http_{MORE_CONNECTIONS}_connections": "the same with more connections",
    "page_http_json": "as page_http_per_s, JSON",
    "page_http_granian": f"ours on granian, MessagePack, {DEFAULTS}",
    "page_http_naive": "Flask around VW, VW's text for each title, logs nothing, MessagePack",
    "page_http_floor": f"{STOCK}; {EMPTY}",
    "page_http_floor_one_thread": f"{ONE_THREAD}; {EMPTY}",
    "page_http_floor_reading": f"{STOCK}; {EMPTY}, but reads the request first",
    "page_http_floor_our_worker": f"{OURS}; {EMPTY}",
    "page_http_floor_granian": f"{ON_GRANIAN}; {EMPTY}",
}


class Ratio(NamedTuple):
    """The median over rounds of one server's rate by another's."""

    name: str
    own: str
    other: str
    what: str = ""
    """What the other is, in words."""
    wanted: Wanted | None = None


_RATIOS: Final = (
    Ratio("page_http_ratio_naive", "page_http", "page_http_naive", wanted=Wanted("≥", 12.0)),
    Ratio("page_http_ratio_floor", "page_http", "page_http_floor", STOCK, Wanted("≥", 0.5)),
    Ratio(
        "page_http_ratio_floor_one_thread", "page_http", "page_http_floor_one_thread", ONE_THREAD
    ),
    Ratio(
        "page_http_ratio_floor_our_worker",
        "page_http",
        "page_http_floor_our_worker",
        f"{OURS}: the distance to the limit",
    ),
    Ratio("page_http_json_ratio_msgpack", "page_http_json", "page_http", wanted=Wanted("≥", 0.6)),
    Ratio(
        "page_http_granian_ratio_floor_granian",
        "page_http_granian",
        "page_http_floor_granian",
        ON_GRANIAN,
    ),
)


def add_page_rates(board: Board, found: Rounds) -> None:
    """Add each server's pages a second, and the ratios."""
    for name, rounds in found.of.items():
        connections = MORE_CONNECTIONS if name.endswith("_connections") else CONNECTIONS
        work = f"{_WORK[name]}: {PAGE_WORK}; {how(found, connections)}"
        board.add(f"{name}_per_s", middle_rate(rounds), "pages/s", work, spread=rate_spread(rounds))
    add_ratios(board, found, _RATIOS)
    for name in ("page_http", "page_http_naive", "page_http_floor"):
        work = f"latency while {name}_per_s was measured: always {CONNECTIONS} requests under way"
        for key, value in (("p50", _p50), ("p99", _p99)):
            board.add(f"{name}_{key}_ms_saturation", value(found.of[name]), "ms", work)


def add_ratios(board: Board, found: Rounds, ratios: Sequence[Ratio]) -> None:
    """Add the ratios of those servers that were measured."""
    for one in ratios:
        if one.own in found.of and one.other in found.of:
            what = f" ({one.what})" if one.what else ""
            board.add(
                one.name,
                rate_ratio(found.of[one.own], found.of[one.other]),
                "×",
                f"{one.own}_per_s by {one.other}_per_s{what}; median of the rounds' ratios; "
                f"{found.note}",
                one.wanted,
            )


def how(found: Rounds, connections: int) -> str:
    """Say how a saturation was measured."""
    rounds = len(next(iter(found.of.values())))
    return (
        f"{generator_name(connections)}, begun anew where a worker got more than {UNEVEN:g} × its "
        f"share of connections ({found.note}), {SERVERS}; median of {rounds} rounds by turns, "
        "each after all servers were idle, 0 errors"
    )


def _p50(rounds: list[Saturation]) -> float:
    return median(one.p50_ms for one in rounds)


def _p99(rounds: list[Saturation]) -> float:
    return median(one.p99_ms for one in rounds)
