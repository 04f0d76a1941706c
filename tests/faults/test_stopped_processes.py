"""Workers and the learner stopped by SIGSTOP, as by a hanging machine: the others serve on.

What is stopped and goes on has lost nothing; a worker that is silent for too long is replaced, and
a learner that is silent is told of by the status.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import urllib3

from bandit.clock import RATE_VARIABLE, WallClock
from server.client import Client
from server.local import LocalServer, wait_until
from tests.faults.callers import PAGE, WAIT_S, Books, Callers
from tests.faults.torture.books import LogBook, check_learner, settled_records
from tests.faults.torture.processes import processes_of
from tests.waiting import wait_until_closed

pytestmark = pytest.mark.processes

SETTINGS = {
    "MARQUEE__SERVER__WORKERS": "2",
    "MARQUEE__SERVER__DRAIN_S": "0",
    "MARQUEE__REWARD__WINDOW_S": "1",
    "MARQUEE__REWARD__CLOCK_LEEWAY_S": "0",
    "MARQUEE__SURFACES__ARTWORK__MODEL__BITS": "10",
    "MARQUEE__SURFACES__ROWS__MODEL__BITS": "10",
}
NEWCOMERS = 20
FASTER = 10
"""How much faster a clock runs where a test would otherwise wait for it."""


def check_books(books: Books, server: LocalServer) -> None:
    """Nothing acknowledged is lost, nothing is there twice, and the learner took all of it."""
    logged = LogBook.of(settled_records(server.directory / "log", WallClock.from_environment()))
    assert set(logged.decisions.values()) == set(logged.events.values()) == {1}
    assert books.decisions <= logged.decisions.keys()
    assert books.events <= logged.events.keys()
    with Client(server.url, deadline_s=20) as client:
        wait_until_closed(client, len(logged.decisions))
        assert check_learner(client.status()["learner"], logged) == []


def stop(pid: int) -> None:
    """Stop a process and wait until no thread of it runs: a signal takes a moment to arrive."""
    os.kill(pid, signal.SIGSTOP)

    def stands_still() -> bool:
        threads = Path(f"/proc/{pid}/task").glob("*/stat")
        return all(one.read_text().rpartition(")")[2].split()[0] == "T" for one in threads)

    wait_until(stands_still, WAIT_S, f"the stop of {pid}")


def served_by_the_other(server: LocalServer) -> None:
    """Have pages ranked over new connections, which nobody takes who is stopped."""
    for _ in range(NEWCOMERS):
        with urllib3.PoolManager(retries=False, timeout=WAIT_S) as newcomer:
            assert newcomer.request("POST", f"{server.url}/v1/rank", json=PAGE).status == 201


def test_a_worker_that_is_stopped_for_a_while_loses_nothing(tmp_path: Path) -> None:
    with LocalServer(tmp_path, settings=SETTINGS) as server:
        with Callers(server.url, callers=8) as callers:
            callers.wait_for("/v1/rank", 201, 100)
            for worker in processes_of(server).workers:
                stop(worker)
                served_by_the_other(server)
                os.kill(worker, signal.SIGCONT)
                callers.wait_for("/v1/rank", 201, 50)
        assert set(callers.books.of("/v1/rank")) == {201}
        assert set(callers.books.of("/v1/feedback")) == {202}
        check_books(callers.books, server)


def test_a_worker_that_stays_stopped_is_replaced_while_the_other_serves(tmp_path: Path) -> None:
    settings = {**SETTINGS, "MARQUEE__SERVER__REQUEST_TIMEOUT_S": "2"}
    with LocalServer(tmp_path, settings=settings) as server:
        with Callers(server.url, callers=8) as callers:
            callers.wait_for("/v1/rank", 201, 100)
            stopped, other = processes_of(server).workers
            stop(stopped)

            def is_replaced() -> bool:
                workers = processes_of(server).workers
                return len(workers) == 2 and stopped not in workers

            served_by_the_other(server)
            wait_until(is_replaced, WAIT_S, "another worker")
            assert other in processes_of(server).workers
            callers.wait_for("/v1/rank", 201, 100)
        # Whoever was with the stopped one is cut off when it is killed, and comes again.
        assert callers.books.of("/v1/rank").get(0, 0) <= 8
        assert set(callers.books.of("/v1/rank")) <= {201, 0}
        assert set(callers.books.of("/v1/feedback")) <= {202, 0}
        check_books(callers.books, server)


def test_a_stopped_learner_is_told_of_and_catches_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RATE_VARIABLE, f"{FASTER}@{int(time.time())}")
    with LocalServer(tmp_path, settings=SETTINGS) as server:

        def status() -> Any:
            return urllib3.request("GET", f"{server.url}/v1/status", retries=False).json()

        with Callers(server.url) as callers:
            wait_until(lambda: status()["learning"], WAIT_S, "learning")
            learner = processes_of(server).learner
            assert learner is not None
            stop(learner)
            wait_until(lambda: not status()["learning"], WAIT_S, "the status telling")
            assert "the learner has been silent for" in status()["verdict"]
            callers.wait_for("/v1/rank", 201, 100)
            os.kill(learner, signal.SIGCONT)
            wait_until(lambda: status()["learning"], WAIT_S, "learning again")
            assert processes_of(server).learner == learner
        assert set(callers.books.of("/v1/rank")) == {201}
        assert set(callers.books.of("/v1/feedback")) == {202}
        check_books(callers.books, server)
