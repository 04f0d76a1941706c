"""kill -9 of workers and learner under load: nothing acknowledged is lost, nothing learned twice.

Real processes, real kills, clients with their own ledger. In the end the ledger is in the log, the
learner's counts are those of the log, and the models are, bit for bit, those of a learner that
read the same log without ever being disturbed.
"""

from __future__ import annotations

import functools
import os
import signal
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path

import msgspec
import numpy as np
import pytest

from bandit.catalog import CatalogDocument, CatalogStore
from bandit.clock import WallClock
from bandit.config import Config, load_config
from bandit.eventlog.journal import journal_spools
from bandit.eventlog.sqlite_reader import SqliteEventReader
from bandit.eventlog.sqlite_slots import spool_names, unclaimed
from bandit.events import DecisionRecord, FeedbackRecord, Record
from bandit.learner import Learner
from bandit.metrics import NoMetrics
from bandit.secret_keys import snapshot_keys
from bandit.snapshots import FileSnapshotStore, MemorySnapshotStore
from bandit.types import SURFACES, Artwork, Row, Title
from server.client import Client
from server.local import LocalServer, children_of, state_overrides, wait_until
from tests.faults.ledger import Crowd, Ledger
from tests.waiting import wait_until_closed

pytestmark = pytest.mark.processes

TITLES = [f"t{title}" for title in range(12)]
DOCUMENT = CatalogDocument(
    [
        Title(name, [Artwork(f"{name}.{art}", {"mood": f"mood{art}"}) for art in range(3)])
        for name in TITLES
    ],
    [Row(f"row{row}", {"kind": f"kind{row}"}) for row in range(2)],
)
SETTINGS = {
    "MARQUEE__REWARD__WINDOW_S": "1",
    "MARQUEE__REWARD__CLOCK_LEEWAY_S": "0",
    "MARQUEE__LEARNER__CHECKPOINT_INTERVAL_S": "0.3",
    "MARQUEE__SERVER__RESTART_BACKOFF_S": "0.1",
    "MARQUEE__SURFACES__ARTWORK__MODEL__BITS": "14",
    "MARQUEE__SURFACES__ROWS__MODEL__BITS": "14",
}
PAGES_BETWEEN_KILLS = 25
KILLS = 6


def gunicorn_and_learner(server: LocalServer) -> tuple[int, int]:
    commands = {
        pid: Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
        for pid in children_of(server.pid)
    }
    gunicorn = next(pid for pid, command in commands.items() if "gunicorn" in command)
    learner = next(pid for pid, command in commands.items() if "learner_process" in command)
    return gunicorn, learner


def kill_and_wait(server: LocalServer, victim: str, workers: int, which: int) -> None:
    """Kill a worker or the learner, and wait until another process stands in its place."""
    gunicorn, learner = gunicorn_and_learner(server)
    if victim == "learner":
        os.kill(learner, signal.SIGKILL)
        wait_until(lambda: _learner_or_none(server) not in (None, learner), 60, "a new learner")
        return
    pids = children_of(gunicorn)
    os.kill(pids[which % len(pids)], signal.SIGKILL)
    gone = pids[which % len(pids)]
    wait_until(
        lambda: gone not in children_of(gunicorn) and len(children_of(gunicorn)) == workers,
        60,
        "a new worker",
    )


def _learner_or_none(server: LocalServer) -> int | None:
    try:
        return gunicorn_and_learner(server)[1]
    except (StopIteration, FileNotFoundError):
        return None


def all_records(reader: SqliteEventReader) -> list[Record]:
    records: list[Record] = []
    for spool in reader.spools():
        after = 0
        while True:
            batch = reader.read(spool, after, 1000)
            assert not batch.damaged
            records += [logged.record for logged in batch.records]
            if batch.last_sequence == after:
                break
            after = batch.last_sequence
    return records


def settled_records(directory: Path) -> list[Record]:
    """Wait until every spool has a writer again which has nothing left to commit; read them all."""
    clock = WallClock()
    with closing(SqliteEventReader(directory, clock)) as reader:
        wait_until(lambda: not idle_spools(directory, reader.spools()), 60, "a writer a spool")
        since_us = clock.now_us()
        for spool in reader.spools():
            wait_until(functools.partial(is_settled, reader, spool, since_us), 60, "a heartbeat")
        return all_records(reader)


def is_settled(reader: SqliteEventReader, spool: str, since_us: int) -> bool:
    """Tell whether a spool's writer, which moves its horizon only when idle, did so since then."""
    return reader.read(spool, reader.last_sequence(spool), 100_000).horizon_us >= since_us


def idle_spools(directory: Path, spools: list[str]) -> list[str]:
    with unclaimed(directory, spools) as idle:
        return idle


def decisions_in(records: list[Record]) -> set[str]:
    return {record.decision_id for record in records if isinstance(record, DecisionRecord)}


def check_ledger(ledger: Ledger, records: list[Record]) -> None:
    """Everything acknowledged is in the log, and no feedback twice.

    A decision may be: its worker died before it answered, and while the next one took over what it
    left, the client asked another.
    """
    counted = Counter(record.key for record in records if isinstance(record, FeedbackRecord))
    assert max(counted.values()) == 1
    events = {one.event_id for one in records if isinstance(one, FeedbackRecord)}
    assert ledger.decisions <= decisions_in(records)
    assert ledger.events <= events


def check_counts(client: Client, records: list[Record]) -> None:
    """The learner's books are those of the log."""
    logged = sum(isinstance(record, DecisionRecord) for record in records)
    decisions = len(decisions_in(records))
    feedback = sum(isinstance(record, FeedbackRecord) for record in records)
    learner = client.status()["learner"]
    join = learner["join"]
    assert join["opened"] == decisions
    assert sum(learner["outcomes"].values()) == decisions
    assert join["joined"] + join["late"] + join["orphan"] == feedback
    assert join["duplicate"] + join["conflict"] == logged - decisions
    assert learner["dead_letters"] == 0


def undisturbed(config: Config, directory: Path) -> Learner:
    """Let a new learner read the same log from the start, in one go."""
    settings = msgspec.structs.replace(config.learner, directory=str(directory))
    config = msgspec.structs.replace(config, learner=settings)
    reader = SqliteEventReader(config.log.directory, WallClock())
    catalogs = CatalogStore(config.catalog.directory, config.limits)
    snapshots = MemorySnapshotStore()
    learner = Learner(config, reader, snapshots, catalogs, WallClock(), NoMetrics())
    while not learner.step(WallClock().now_us()).idle:
        pass
    reader.close()
    return learner


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
            records = settled_records(Path(config.log.directory))
            check_ledger(ledger, records)
            wait_until_closed(client, len(decisions_in(records)))
            check_counts(client, records)
        assert server.stop() == 0
    assert len(ledger.decisions) > KILLS * PAGES_BETWEEN_KILLS
    reference = undisturbed(config, tmp_path / "reference")
    store = FileSnapshotStore(config.snapshots.directory, snapshot_keys(config))
    for surface in SURFACES:
        newest = store.versions(surface)[0]
        served = store.load(surface, newest.version).arrays
        expected = reference.engines.arrays(surface)
        assert np.array_equal(served.weights, expected.weights)
        assert np.array_equal(served.variances, expected.variances)


def has_no_writer(directory: Path) -> bool:
    spools = spool_names(directory)
    return idle_spools(directory, spools) == spools


def has_writers(directory: Path, count: int) -> bool:
    spools = spool_names(directory)
    return len(spools) == count and not idle_spools(directory, spools)


def kill_from_the_top(server: LocalServer) -> None:
    """Kill supervisor, gunicorn and workers, in the order that lets none be started anew."""
    gunicorn, _ = gunicorn_and_learner(server)
    workers = children_of(gunicorn)
    for pid in [server.pid, gunicorn, *workers]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    server.kill()


def test_killing_everything_and_starting_with_fewer_workers_loses_nothing(tmp_path: Path) -> None:
    state = tmp_path / "server"
    settings = {**SETTINGS, "MARQUEE__SERVER__WORKERS": "3"}
    directory = Path(load_config(None, {**state_overrides(state), **settings}).log.directory)
    acknowledged = Ledger()
    left: set[str] = set()
    for _ in range(3):
        server = LocalServer(state, settings=settings).start()
        wait_until(functools.partial(has_writers, directory, 3), 60, "a writer each worker")
        with Client(server.url, deadline_s=20) as client:
            client.put_catalog(DOCUMENT)
        crowd = Crowd(server.url, TITLES, viewers=12)
        crowd.wait_for(PAGES_BETWEEN_KILLS)
        kill_from_the_top(server)
        ledger = crowd.leave()
        acknowledged.decisions |= ledger.decisions
        acknowledged.events |= ledger.events
        wait_until(functools.partial(has_no_writer, directory), 60, "the end of all workers")
        left |= set(journal_spools(directory))
    assert left > {"spool-000"}
    with LocalServer(state, settings={**settings, "MARQUEE__SERVER__WORKERS": "1"}) as server:
        assert journal_spools(directory) in ([], ["spool-000"])
    with closing(SqliteEventReader(directory, WallClock())) as reader:
        assert len(reader.spools()) == 3
        check_ledger(acknowledged, all_records(reader))
    assert journal_spools(directory) == []
