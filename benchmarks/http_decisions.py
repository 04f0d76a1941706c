"""Single small decisions over HTTP: one title, ten artworks.

BanditDB, an open bandit server in Rust, publishes about 10,000 such decisions a second and a median
of 0.3 ms on four cores, with five context features. Those are its authors' figures and were not
measured here; they stand in the work of the figures to compare with.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from benchmarks.figures import Board
from benchmarks.figures import Target as Wanted
from benchmarks.http_latency import add_latencies, generator_note
from benchmarks.http_rounds import (
    CONNECTIONS,
    Contender,
    Field,
    Rounds,
    latency_ratio,
    middle_rate,
    rate_spread,
)
from benchmarks.http_throughput import (
    DEFAULTS,
    EMPTY,
    ON_GRANIAN,
    ONE_THREAD,
    OURS,
    STOCK,
    Ratio,
    add_ratios,
    how,
)
from benchmarks.http_work import DECISION_WORK, FEW_FEATURES
from benchmarks.load import Pace, run_load
from benchmarks.pages import CONTEXT_FEATURES

RATIO_WANTED: Final = Wanted("≥", 0.8)
PEER: Final = "(BanditDB's authors publish 10,000/s and p50 0.3 ms on 4 cores; not measured here)"

_ALL: Final = f"{DECISION_WORK}, {CONTEXT_FEATURES} context features"
_FEW: Final = f"{DECISION_WORK}, {FEW_FEATURES} context features"
_WORK: Final = {
    "decision_http": f"ours on gunicorn, MessagePack, {DEFAULTS}: {_ALL}",
    "decision_http_5_features": f"ours on gunicorn, MessagePack, {DEFAULTS}: {_FEW} {PEER}",
    "decision_http_granian": f"ours on granian, MessagePack, {DEFAULTS}: {_ALL}",
    "decision_http_floor": f"{STOCK}; {EMPTY}: {_ALL}",
    "decision_http_floor_one_thread": f"{ONE_THREAD}; {EMPTY}: {_ALL}",
    "decision_http_floor_our_worker": f"{OURS}; {EMPTY}: {_ALL}",
    "decision_http_floor_granian": f"{ON_GRANIAN}; {EMPTY}: {_ALL}",
}

_RATIOS: Final = (
    Ratio("decision_http_ratio_floor", "decision_http", "decision_http_floor", STOCK, RATIO_WANTED),
    Ratio(
        "decision_http_ratio_floor_one_thread",
        "decision_http",
        "decision_http_floor_one_thread",
        ONE_THREAD,
    ),
    Ratio(
        "decision_http_ratio_floor_our_worker",
        "decision_http",
        "decision_http_floor_our_worker",
        f"{OURS}: the distance to the limit",
    ),
    Ratio(
        "decision_http_granian_ratio_floor_granian",
        "decision_http_granian",
        "decision_http_floor_granian",
        ON_GRANIAN,
    ),
)


def measure_decisions(field: Field, contenders: Mapping[str, Contender]) -> dict[str, float]:
    """Measure and add throughput and latencies; returns each server's decisions a second."""
    found = field.saturations(contenders)
    _add_rates(field.board, found)
    peaks = {name: middle_rate(rounds) for name, rounds in found.of.items()}
    pair = {name: contenders[name] for name in ("decision_http", "decision_http_floor")}
    for name, contender in pair.items():
        _add_one_connection(field, name, contender)
    half = field.latencies(pair, {name: peaks[name] / 2 for name in pair})
    for name, rounds in half.items():
        add_latencies(field.board, name, "half", rounds, peaks[name] / 2)
    field.board.add(
        "decision_http_p99_ratio_floor_half_load",
        latency_ratio(half["decision_http"], half["decision_http_floor"], 99),
        "×",
        f"99th percentile of decision_http by decision_http_floor's ({STOCK}), each at half of "
        f"its own saturation; median of the rounds' ratios; {generator_note(field.board)}",
    )
    return peaks


def _add_rates(board: Board, found: Rounds) -> None:
    for name, rounds in found.of.items():
        work = f"{_WORK[name]}; {how(found, CONNECTIONS)}"
        rate = middle_rate(rounds)
        board.add(f"{name}_per_s", rate, "decisions/s", work, spread=rate_spread(rounds))
    add_ratios(board, found, _RATIOS)


def _add_one_connection(field: Field, name: str, contender: Contender) -> None:
    result = run_load(contender.target, Pace(1, field.size.latency_seconds)).checked()
    work = f"{_WORK[name]}; one connection, the next request as soon as the last is answered"
    for percent in (50, 99):
        figure = f"{name}_p{percent}_ms_one_connection"
        field.board.add(figure, result.percentile_ms(percent), "ms", work)
