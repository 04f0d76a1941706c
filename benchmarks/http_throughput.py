"""Pages a second at saturation: ours, the naive server, and what a Flask request costs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from statistics import median
from typing import Final

from benchmarks.figures import Board
from benchmarks.figures import Target as Wanted
from benchmarks.http_rounds import CONNECTIONS, middle_rate, rate_ratio, rate_spread
from benchmarks.http_work import PAGE_WORK
from benchmarks.stock_servers import THREADS, WORKERS
from benchmarks.wrk import UNEVEN, Saturation, generator_name

MORE_CONNECTIONS: Final = 48

SERVERS: Final = (
    f"{WORKERS} workers × {THREADS} threads, load generator and all on {os.cpu_count()} cores"
)
DEFAULTS: Final = "default config, learner running, visits with feedback beside"
FLOOR: Final = (
    "an empty endpoint of Flask that returns the bytes of our answer with status 201 and looks at "
    "nothing"
)

# By name: what it is, after the work and how it was measured.
_WORK: Final = {
    "page_http": f"ours on gunicorn, MessagePack, {DEFAULTS}",
    f"page_http_{MORE_CONNECTIONS}_connections": "the same with more connections",
    "page_http_json": "as page_http_per_s, JSON",
    "page_http_granian": f"ours on granian, MessagePack, {DEFAULTS}",
    "page_http_naive": "Flask around VW, VW's text for each title, logs nothing, MessagePack",
    "page_http_floor": f"{FLOOR}, gunicorn gthread, ours idle",
    "page_http_floor_reading": f"{FLOOR} but reads the request, gunicorn gthread, ours idle",
    "page_http_floor_our_worker": f"{FLOOR}, gunicorn with our worker class, ours idle",
    "page_http_floor_granian": f"{FLOOR}, granian (wsgi), ours idle",
}

_RATIOS: Final = (
    (
        "page_http_ratio_naive",
        ("page_http", "page_http_naive"),
        "page_http_per_s by page_http_naive_per_s",
        Wanted("≥", 12.0),
    ),
    (
        "page_http_ratio_floor",
        ("page_http", "page_http_floor"),
        "page_http_per_s by page_http_floor_per_s",
        Wanted("≥", 0.5),
    ),
    (
        "page_http_json_ratio_msgpack",
        ("page_http_json", "page_http"),
        "page_http_json_per_s by page_http_per_s",
        Wanted("≥", 0.6),
    ),
    (
        "page_http_granian_ratio_floor",
        ("page_http_granian", "page_http_floor"),
        "page_http_granian_per_s by page_http_floor_per_s",
        None,
    ),
)


def add_page_rates(board: Board, found: Mapping[str, list[Saturation]]) -> None:
    """Add each server's pages a second, and the ratios."""
    for name, rounds in found.items():
        connections = MORE_CONNECTIONS if name.endswith("_connections") else CONNECTIONS
        work = f"{_WORK[name]}: {PAGE_WORK}; {how(len(rounds), connections)}"
        board.add(f"{name}_per_s", middle_rate(rounds), "pages/s", work, spread=rate_spread(rounds))
    for name, (own, other), work, wanted in _RATIOS:
        if own in found and other in found:
            of = f"{work}, median of the rounds' ratios"
            board.add(name, rate_ratio(found[own], found[other]), "×", of, wanted)
    for name in ("page_http", "page_http_naive", "page_http_floor"):
        work = f"latency while {name}_per_s was measured: always {CONNECTIONS} requests under way"
        for key, value in (("p50", _p50), ("p99", _p99)):
            board.add(f"{name}_{key}_ms_saturation", value(found[name]), "ms", work)


def how(rounds: int, connections: int) -> str:
    """Say how a saturation was measured."""
    return (
        f"{generator_name(connections)}, begun anew where a worker got more than {UNEVEN:g} × its "
        f"share of connections, {SERVERS}; median of {rounds} rounds by turns, each after "
        f"all servers were idle, 0 errors"
    )


def _p50(rounds: list[Saturation]) -> float:
    return median(one.p50_ms for one in rounds)


def _p99(rounds: list[Saturation]) -> float:
    return median(one.p99_ms for one in rounds)
