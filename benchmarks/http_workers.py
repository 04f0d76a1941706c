"""Throughput against the number of workers, for pages and for small decisions."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from bandit.catalog import write_catalog_file
from benchmarks.figures import Board
from benchmarks.http_rounds import CONNECTIONS, IDLE_SHARE, busy_share
from benchmarks.http_work import DECISION_WORK, PAGE_WORK, standard_work
from benchmarks.load import Pace
from benchmarks.load_generator import generate
from benchmarks.memory import worker_pids
from benchmarks.pages import standard_pages
from benchmarks.servers import port_of, rank_target, settings_of, train
from benchmarks.wrk import generator_name, saturate
from server.local import LocalServer, wait_until

_IDLE_WITHIN_S: Final = 30.0


class Size(NamedTuple):
    """How much to run."""

    workers: Sequence[int]
    rounds: int
    seconds: float
    training_pages: int


FULL: Final = Size((1, 2, 3, 4), 3, 2.0, 100)
QUICK: Final = Size((1, 3), 1, 1.0, 20)


def measure_workers(board: Board, *, quick: bool) -> None:
    """Measure pages and decisions a second with some numbers of workers, one after the other."""
    size = QUICK if quick else FULL
    work = standard_work()
    asked = {"pages": work.pages, "decisions": work.decisions}
    lines: dict[str, list[tuple[float, float]]] = {name: [] for name in asked}
    with tempfile.TemporaryDirectory(prefix="marquee-bench-workers-") as name:
        catalog, state = Path(name) / "catalog.msgpack", Path(name) / "state"
        write_catalog_file(catalog, work.document)
        for workers in size.workers:
            with LocalServer(state, settings=settings_of(catalog, workers=workers)) as server:
                if workers == size.workers[0]:
                    # The models stay in the state directory for the others.
                    train(server, standard_pages(work.document, size.training_pages, seed=2))
                for what, pages in asked.items():
                    pids = worker_pids(server)
                    target = rank_target(port_of(server), "/v1/rank", pages, "msgpack", pids)
                    generate(target, Pace(CONNECTIONS, size.seconds / 4)).checked()
                    rates = []
                    for _ in range(size.rounds):
                        _wait_until_idle(server)
                        rates.append(saturate(target, CONNECTIONS, size.seconds).per_second)
                    lines[what].append((workers, median(rates)))
    how = f"{generator_name(CONNECTIONS)} on the same {os.cpu_count()} cores, learner idle"
    board.curve(
        "http_workers",
        "workers",
        "requests a second at saturation",
        lines,
        f"MessagePack, median of {size.rounds} rounds, {how}; a page is {PAGE_WORK}; a decision "
        f"{DECISION_WORK}",
    )
    for what, points in lines.items():
        (fewest, least), (most, rate) = points[0], points[-1]
        board.add(
            f"http_{what}_workers_ratio_{fewest:g}_to_{most:g}",
            rate / least,
            "×",
            f"{what} a second with {most:g} workers by those with {fewest:g}; {how}",
        )


def _wait_until_idle(server: LocalServer) -> None:
    wait_until(lambda: busy_share([server.pid], 0.3) < IDLE_SHARE, _IDLE_WITHIN_S, "an idle server")
