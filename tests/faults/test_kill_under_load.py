"""kill -9 of workers and learner under load: nothing acknowledged is lost, nothing learned twice.

Real processes, real kills, clients with their own ledger. In the end the ledger is in the log, the
learner's counts are those of the log, and the models are, bit for bit, those of a learner that
read the same log without ever being disturbed.
"""

from __future__ import annotations

import functools
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from bandit.clock import WallClock
from bandit.config import load_config
from bandit.eventlog.journal import journal_spools
from bandit.eventlog.sqlite_reader import SqliteEventReader
from bandit.eventlog.sqlite_slots import spool_names
from server.client import Client
from server.local import LocalServer, state_overrides, wait_until
from tests.faults.ledger import Crowd, Ledger, Pace
from tests.faults.torture.books import (
    LogBook,
    all_records,
    check_learner,
    check_log,
    idle_spools,
    settled_records,
)
from tests.faults.torture.processes import kill, processes_of
from tests.faults.torture.reference import check_models
from tests.faults.torture.world import DOCUMENT, SETTINGS, TITLES
from tests.waiting import wait_until_closed

pytestmark = pytest.mark.processes

PAGES_BETWEEN_KILLS = 25
KILLS = 6


def kill_and_wait(server: LocalServer, victim: str, workers: int, which: int) -> None:
    """Kill a worker or the learner, and wait until another process stands in its place."""
    before = processes_of(server)
    if victim == "learner":
        assert before.learner is not None
        kill(before.learner)
        wait_until(
            lambda: processes_of(server).learner not in (None, before.learner), 60, "a new learner"
        )
        return
    gone = before.workers[which % len(before.workers)]
    kill(gone)

    def is_replaced() -> bool:
        now = processes_of(server).workers
        return gone not in now and len(now) == workers

    wait_until(is_replaced, 60, "a new worker")


@pytest.mark.parametrize("workers", [1, 3])
def test_kills_lose_nothing_and_repeat_nothing(tmp_path: Path, workers: int) -> None:
    state = tmp_path / "server"
    settings = {**SETTINGS, "MARQUEE__SERVER__WORKERS": str(workers)}
    random = np.random.default_rng(workers)
    with LocalServer(state, settings=settings) as server:
        with Client(server.url, deadline_s=20) as client:
            client.put_catalog(DOCUMENT)
            crowd = Crowd(server.url, TITLES, viewers=4)
            for kill in range(KILLS):
                crowd.wait_for(PAGES_BETWEEN_KILLS)
                victim = "learner" if kill % 2 else "worker"
                kill_and_wait(server, victim, workers, int(random.integers(8)))
            ledger = crowd.leave()
            config = load_config(None, {**state_overrides(state), **settings})
            book = LogBook.of(settled_records(Path(config.log.directory), WallClock()))
            assert check_log(ledger, book) == []
            wait_until_closed(client, len(book.decisions))
            assert check_learner(client.status()["learner"], book) == []
        assert server.stop() == 0
    assert len(ledger.decisions) > KILLS * PAGES_BETWEEN_KILLS
    assert check_models(config, tmp_path / "reference", WallClock()) == []


def has_no_writer(directory: Path) -> bool:
    spools = spool_names(directory)
    return idle_spools(directory, spools) == spools


def has_writers(directory: Path, count: int) -> bool:
    spools = spool_names(directory)
    return len(spools) == count and not idle_spools(directory, spools)


def kill_from_the_top(server: LocalServer) -> None:
    """Kill supervisor, gunicorn and workers, in the order that lets none be started anew."""
    now = processes_of(server)
    for pid in now.all():
        if pid != now.learner:
            kill(pid)
    server.kill()


def test_killing_everything_and_starting_with_fewer_workers_loses_nothing(tmp_path: Path) -> None:
    state = tmp_path / "server"
    settings = {**SETTINGS, "MARQUEE__SERVER__WORKERS": "3"}
    directory = Path(load_config(None, {**state_overrides(state), **settings}).log.directory)
    ledgers: list[Ledger] = []
    left: set[str] = set()
    for _ in range(3):
        server = LocalServer(state, settings=settings).start()
        wait_until(functools.partial(has_writers, directory, 3), 60, "a writer each worker")
        with Client(server.url, deadline_s=20) as client:
            client.put_catalog(DOCUMENT)
        crowd = Crowd(server.url, TITLES, viewers=12, pace=Pace(give_up_s=2.0))
        crowd.wait_for(PAGES_BETWEEN_KILLS)
        kill_from_the_top(server)
        ledgers.append(crowd.leave())
        wait_until(functools.partial(has_no_writer, directory), 60, "the end of all workers")
        left |= set(journal_spools(directory))
    assert left > {"spool-000"}
    with LocalServer(state, settings={**settings, "MARQUEE__SERVER__WORKERS": "1"}) as server:
        assert journal_spools(directory) in ([], ["spool-000"])
    with closing(SqliteEventReader(directory, WallClock())) as reader:
        assert len(reader.spools()) == 3
        assert check_log(Ledger.of(ledgers), LogBook.of(all_records(reader))) == []
    assert journal_spools(directory) == []
