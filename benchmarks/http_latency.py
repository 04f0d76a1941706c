"""Latency below saturation: each server at a quarter, half and three quarters of its own peak."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from benchmarks.figures import Board
from benchmarks.figures import Target as Wanted
from benchmarks.http_rounds import (
    OPEN_CONNECTIONS,
    Contender,
    Field,
    latency_ratio,
    middle_ms,
)
from benchmarks.http_throughput import STOCK
from benchmarks.load import LoadResult

LOADS: Final = {"quarter": 0.25, "half": 0.5, "three_quarter": 0.75}
PERCENTILES: Final = {"p50": 50.0, "p99": 99.0, "p999": 99.9}
RATIO_WANTED: Final = Wanted("<", 3.0)

HOW: Final = (
    f"open loop, requests evenly spaced, {OPEN_CONNECTIONS} connections dealt out evenly to the "
    "workers, from when each request was due to its whole answer"
)


def add_page_latencies(
    field: Field, contenders: Mapping[str, Contender], peaks: Mapping[str, float]
) -> None:
    """Measure and add the latencies of pages, as curves and, at half load, as figures."""
    compared = {name: contenders[name] for name in field.size.latency_of}
    highest = max(LOADS.values()) * max(peaks[name] for name in compared)
    _add_self_test(field, contenders["page_http_floor_our_worker"], highest)
    lines: dict[str, list[tuple[float, float]]] = {}
    for load, share in LOADS.items():
        rates = {name: share * peaks[name] for name in compared}
        found = field.latencies(compared, rates)
        for name, rounds in found.items():
            if load == "half":
                add_latencies(field.board, name, load, rounds, rates[name])
            for label, percent in PERCENTILES.items():
                point = (100 * share, middle_ms(rounds, percent))
                lines.setdefault(f"{name} {label}", []).append(point)
        field.board.add(
            f"page_http_p99_ratio_floor_{load}_load",
            latency_ratio(found["page_http"], found["page_http_floor"], 99),
            "×",
            f"99th percentile of page_http by page_http_floor's ({STOCK}), each at {share:.0%} of "
            f"its own saturation; median of the rounds' ratios; {generator_note(field.board)}",
            RATIO_WANTED if load == "half" else None,
        )
    _add_same_rate(field, contenders, peaks["page_http"] / 2)
    field.board.curve(
        "page_http_latency",
        "load, % of the server's own saturation",
        "latency of a page, ms",
        lines,
        HOW,
        "y",
    )


def add_latencies(
    board: Board, name: str, load: str, rounds: list[LoadResult], rate: float
) -> None:
    """Add the percentiles of one server at one load."""
    requests = sum(one.requests for one in rounds)
    work = (
        f"{name} at {LOADS[load]:.0%} of its own saturation, {rate:.0f}/s: {HOW}; {requests} "
        f"requests in {len(rounds)} rounds, 0 errors"
    )
    for label, percent in PERCENTILES.items():
        board.add(f"{name}_{label}_ms_{load}_load", middle_ms(rounds, percent), "ms", work)


def _add_same_rate(field: Field, contenders: Mapping[str, Contender], rate: float) -> None:
    """Measure ours and the floor by turns at one and the same rate."""
    pair = {name: contenders[name] for name in ("page_http", "page_http_floor")}
    found = field.latencies(pair, dict.fromkeys(pair, rate))
    work = (
        f"{STOCK}, at {rate:.0f}/s, the very rate at which page_http is at half load: {HOW}; "
        f"{generator_note(field.board)}"
    )
    floor_ms = middle_ms(found["page_http_floor"], 99)
    field.board.add("page_http_p99_ms_floor_same_rate", floor_ms, "ms", work)
    field.board.add(
        "page_http_p99_ratio_floor_same_rate",
        latency_ratio(found["page_http"], found["page_http_floor"], 99),
        "×",
        f"99th percentile of page_http by that of {work}; median of the rounds' ratios",
    )


def generator_note(board: Board) -> str:
    """Tell the generator's own part in latencies, once it was measured."""
    own_ms = board.figures["generator_p99_ms"].value
    return f"the generator's own 99th percentile, {own_ms:g} ms (generator_p99_ms), is in both"


def _add_self_test(field: Field, contender: Contender, rate: float) -> None:
    """Measure what the generator costs, and what it measures where next to nothing is done."""
    result = field.latencies({"self-test": contender}, {"self-test": rate})["self-test"][0]
    work = (
        f"the load generator, one process, asks an empty endpoint under our worker class for "
        f"{rate:.0f} pages/s, the highest rate of page_http_latency: {HOW}"
    )
    board = field.board
    board.add("generator_cpu_share", result.cpu_share, "of a core", work)
    board.add("generator_cpu_us", result.cpu_s / result.requests * 1e6, "µs/request", work)
    board.add("generator_p50_ms", result.percentile_ms(50), "ms", f"{work}; in all latencies")
    board.add("generator_p99_ms", result.percentile_ms(99), "ms", f"{work}; in all latencies")
    board.add(
        "generator_late_p99_ms",
        float(np.percentile(result.late_s, 99) * 1e3),
        "ms",
        f"{work}: how long requests were due with a connection free before they were sent",
    )
