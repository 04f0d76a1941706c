"""A disk that is full under a running service: pages go on, nothing is torn, all of it by itself.

Failure case 17, with every process real and the disk as well: see :mod:`tests.faults.disks`.
"""

from __future__ import annotations

import functools
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from bandit.clock import WallClock
from server.client import Client
from server.local import LocalServer, wait_until
from tests.faults.callers import WAIT_S, Books, Callers, metrics
from tests.faults.disks import Disk, LimitedProcesses, can_mount, small_disk
from tests.faults.torture.books import LogBook, check_learner, settled_records
from tests.faults.torture.processes import processes_of
from tests.waiting import wait_until_closed

pytestmark = pytest.mark.processes

SETTINGS = {
    "MARQUEE__SERVER__WORKERS": "2",
    "MARQUEE__SERVER__DRAIN_S": "0",
    "MARQUEE__REWARD__WINDOW_S": "1",
    "MARQUEE__REWARD__CLOCK_LEEWAY_S": "0",
    "MARQUEE__LEARNER__CHECKPOINT_INTERVAL_S": "0.3",
    "MARQUEE__SURFACES__ARTWORK__MODEL__BITS": "10",
    "MARQUEE__SURFACES__ROWS__MODEL__BITS": "10",
    "MARQUEE__SNAPSHOTS__KEEP": "2",
    # The disk itself is to refuse, not the guard before it.
    "MARQUEE__LOG__DISK_FREE_BYTES_MIN": "0",
    "MARQUEE__LOG__QUEUE_MAX": "500",
    "MARQUEE__LIMITS__FEEDBACK_EVENTS_MAX": "500",
}
MEGABYTES = 48
DISK = "mounted" if can_mount() else "limited"


class Run(NamedTuple):
    server: LocalServer
    disk: Disk
    state: Path


@pytest.fixture(params=[DISK])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Run]:
    """A service whose whole state is on a disk that can be filled."""
    state = tmp_path / "disk"
    with ExitStack() as stack:
        disk: Disk = LimitedProcesses(lambda: server.pid)
        if request.param == "mounted":
            disk = stack.enter_context(small_disk(state, MEGABYTES))
        server = LocalServer(state, settings=SETTINGS)
        stack.enter_context(server)
        yield Run(server, disk, state)


def check_books(books: Books, run: Run) -> None:
    """Reconcile books, log, learner and metrics: nothing lost, nothing torn, nothing twice."""
    logged = LogBook.of(settled_records(run.state / "log", WallClock()))
    assert set(logged.decisions.values()) == set(logged.events.values()) == {1}
    assert books.decisions <= logged.decisions.keys()
    assert books.events <= logged.events.keys()
    with Client(run.server.url, deadline_s=20) as client:
        wait_until_closed(client, len(logged.decisions))
        assert check_learner(client.status()["learner"], logged) == []
    told = metrics(run.server.url)
    prefix = "marquee_decisions_unlogged_total"
    counted = sum(count for name, count in told.items() if name.startswith(prefix))
    # What a killed process answered last may be lost on its way to the caller.
    assert len(books.unlogged) <= counted <= len(books.unlogged) + books.of("/v1/rank").get(0, 0)


def goes_on(books: Books) -> None:
    """Wait until pages are logged and feedback is stored again."""
    logged, stored = len(books.decisions) + 100, len(books.events) + 100
    wait_until(
        lambda: len(books.decisions) >= logged and len(books.events) >= stored, WAIT_S, "going on"
    )


def test_a_full_disk_costs_no_page_and_no_acknowledged_record(run: Run) -> None:
    with Callers(run.server.url) as callers:
        books = callers.books
        callers.wait_for("/v1/rank", 201, 100)
        assert not books.unlogged
        run.disk.fill()
        wait_until(lambda: books.unlogged, WAIT_S, "an unlogged page")
        callers.wait_for("/v1/feedback", 503, 20)
        callers.wait_for("/v1/rank", 201, 20)
        run.disk.free()
        goes_on(books)
    assert set(books.of("/v1/rank")) == {201}
    assert set(books.of("/v1/feedback")) == {202, 503}
    assert books.without_retry_after == 0
    check_books(books, run)
    assert run.server.stop() == 0


def test_a_worker_killed_while_the_disk_is_full_is_replaced_and_serves(run: Run) -> None:
    with Callers(run.server.url) as callers:
        books = callers.books
        callers.wait_for("/v1/rank", 201, 100)
        run.disk.fill()
        wait_until(lambda: books.unlogged, WAIT_S, "an unlogged page")
        for victim in processes_of(run.server).workers:
            os.kill(victim, signal.SIGKILL)
            is_replaced = functools.partial(works_without, run.server, victim)
            wait_until(is_replaced, WAIT_S, "another worker")
            callers.wait_for("/v1/rank", 201, 20)
        run.disk.free()
        goes_on(books)
    assert set(books.of("/v1/rank")) <= {201, 0}
    assert set(books.of("/v1/feedback")) <= {202, 503, 0}
    check_books(books, run)
    assert run.server.stop() == 0


def works_without(server: LocalServer, victim: int) -> bool:
    workers = processes_of(server).workers
    return victim not in workers and len(workers) == 2
