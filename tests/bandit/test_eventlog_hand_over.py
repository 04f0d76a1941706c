"""Decisions handed over to a spool in SQLite: what becomes of them when all does not go well."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from bandit.clock import ManualClock, WallClock
from bandit.config.schema import LogConfig
from bandit.errors import LogUnavailableError
from bandit.eventlog import commit_queue, journal
from bandit.eventlog.admission import PASS_MIN, is_let_in, pass_probability
from bandit.eventlog.journal import journal_path, journal_spools
from bandit.eventlog.sqlite_reader import SqliteEventReader
from bandit.eventlog.sqlite_slots import Slot
from bandit.eventlog.sqlite_writer import SqliteEventWriter
from bandit.eventlog.takeover import recover_unclaimed
from bandit.events import DecisionRecord, FeedbackRecord, LoggedRecord, decision_key
from bandit.metrics import NoMetrics

WAIT_S = 30.0
IDLE = 3600.0


class GatedClock:
    """A clock that stops whoever asks, the committing thread above all, while the gate is shut."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.asked = threading.Semaphore(0)

    def now_us(self) -> int:
        self.asked.release()
        assert self.gate.wait(WAIT_S)
        return WallClock().now_us()


def decision(name: str, body: bytes = b"") -> DecisionRecord:
    return DecisionRecord(
        decision_id=name,
        decided_at_us=0,
        body_digest=body,
        catalog="c",
        policy="p",
        shares={},
        titles=[],
    )


def feedback(name: str) -> FeedbackRecord:
    return FeedbackRecord(event_id=name, decision_id="d", type="click", title="film")


@contextmanager
def stalled(directory: Path, **settings: object) -> Iterator[tuple[SqliteEventWriter, GatedClock]]:
    """Open a writer whose committing thread stands still, within a commit of record ``first``."""
    clock = GatedClock()
    config = LogConfig(**{"heartbeat_s": IDLE, **settings})  # type: ignore[arg-type]
    writer = SqliteEventWriter.open(directory, clock, config, NoMetrics())
    assert clock.asked.acquire(timeout=WAIT_S)
    clock.gate.clear()
    writer.append([feedback("first")])
    assert clock.asked.acquire(timeout=WAIT_S)
    try:
        yield writer, clock
    finally:
        clock.gate.set()
        writer.close()


def open_writer(directory: Path, **settings: object) -> SqliteEventWriter:
    config = LogConfig(**{"heartbeat_s": IDLE, **settings})  # type: ignore[arg-type]
    return SqliteEventWriter.open(directory, WallClock(), config, NoMetrics())


def stored(directory: Path, spool: str = "spool-000") -> list[LoggedRecord]:
    with closing(SqliteEventReader(directory, WallClock())) as reader:
        return reader.read(spool, 0, 1_000_000).records


def keys(records: list[LoggedRecord]) -> list[str]:
    return [logged.record.key for logged in records]


def left_by_a_dead_writer(alive: Path, dead: Path) -> Path:
    """Copy the files as they stand: what a kill -9 of their writer at this moment leaves."""
    shutil.copytree(alive, dead)
    return dead


def test_what_was_handed_over_outlives_its_writer_and_comes_first(tmp_path: Path) -> None:
    alive = tmp_path / "alive"
    with stalled(alive) as (writer, _):
        for name in "abc":
            assert writer.hand_over([decision(name), decision(name + name)]).fates == ["logged"] * 2
        dead = left_by_a_dead_writer(alive, tmp_path / "dead")
        assert keys(stored(dead)) == []

    again = open_writer(dead)
    assert again.append([feedback("new")]).wait(WAIT_S) == [True]
    assert keys(stored(dead)) == [
        *(f"d:{name}" for name in ("a", "aa", "b", "bb", "c", "cc")),
        "f:new",
    ]
    again.close()
    assert journal_spools(dead) == []
    assert [one.sequence for one in stored(dead)] == list(range(1, 8))


def test_replaying_what_was_committed_stores_nothing_twice(tmp_path: Path) -> None:
    alive = tmp_path / "alive"
    writer = open_writer(alive)
    for name in "abc":
        assert writer.hand_over([decision(name)]).pending.wait(WAIT_S) == [True]
    dead = left_by_a_dead_writer(alive, tmp_path / "dead")
    writer.close()
    assert journal_spools(dead) == ["spool-000"]

    for _ in range(2):
        open_writer(dead).close()
        assert keys(stored(dead)) == ["d:a", "d:b", "d:c"]


def test_recovered_records_are_later_than_every_horizon_announced(tmp_path: Path) -> None:
    alive = tmp_path / "alive"
    with stalled(alive) as (writer, _):
        writer.hand_over([decision("a")])
        dead = left_by_a_dead_writer(alive, tmp_path / "dead")
    ahead = ManualClock(WallClock().now_us() + 3_600_000_000)
    with closing(SqliteEventReader(dead, ahead)) as reader:
        announced = reader.read("spool-000", 0, 10).horizon_us
    assert announced == ahead.now_us()

    assert recover_unclaimed(dead, WallClock()).records == 1

    assert stored(dead)[0].at_us > announced


@pytest.mark.parametrize("by_worker", [True, False])
def test_journals_of_spools_that_nobody_takes_are_stored_by_whoever_opens_the_log(
    tmp_path: Path, by_worker: bool
) -> None:
    alive = tmp_path / "alive"
    with stalled(alive) as (first, _), stalled(alive) as (second, _):
        first.hand_over([decision("a")])
        second.hand_over([decision("b"), decision("c")])
        dead = left_by_a_dead_writer(alive, tmp_path / "dead")

    if by_worker:
        open_writer(dead).close()
    else:
        assert recover_unclaimed(dead, WallClock()).records == 3
    assert keys(stored(dead)) == ["d:a"]
    assert keys(stored(dead, "spool-001")) == ["d:b", "d:c"]
    assert journal_spools(dead) == []
    assert recover_unclaimed(dead, WallClock()).records == 0


@pytest.mark.parametrize("by_worker", [True, False])
def test_a_decision_that_was_repeated_elsewhere_meanwhile_is_left_out(
    tmp_path: Path, by_worker: bool
) -> None:
    alive = tmp_path / "alive"
    with stalled(alive) as (first, _):
        second = open_writer(alive)
        first.hand_over([decision("a", b"first"), decision("b")])
        assert second.hand_over([decision("a", b"again")]).pending.wait(WAIT_S) == [True]
        dead = left_by_a_dead_writer(alive, tmp_path / "dead")
        second.close()

    if by_worker:
        open_writer(dead).close()
    else:
        recover_unclaimed(dead, WallClock())
    assert keys(stored(dead)) == ["d:b"]
    with closing(SqliteEventReader(dead, WallClock())) as reader:
        assert reader.find_decision("a") == decision("a", b"again")
    assert journal_spools(dead) == []


def test_a_living_writer_s_journal_is_left_alone(tmp_path: Path) -> None:
    with stalled(tmp_path) as (writer, _):
        writer.hand_over([decision("a")])
        before = journal_path(tmp_path, "spool-000", 0).read_bytes()
        assert recover_unclaimed(tmp_path, WallClock()) == (0, {})
        assert journal_path(tmp_path, "spool-000", 0).read_bytes() == before


def test_no_slot_is_taken_while_journals_are_looked_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive = tmp_path / "alive"
    with stalled(alive) as (writer, _):
        writer.hand_over([decision("a")])
        dead = left_by_a_dead_writer(alive, tmp_path / "dead")
    clock = GatedClock()
    clock.gate.clear()
    with ThreadPoolExecutor(2) as threads:
        recovering = threads.submit(recover_unclaimed, dead, clock)
        assert clock.asked.acquire(timeout=WAIT_S)
        claiming = threads.submit(Slot.claim, dead)
        assert not claiming.done()
        clock.gate.set()
        assert recovering.result(WAIT_S) == (1, {})
        slot = claiming.result(WAIT_S)
    assert slot.name == "spool-000"
    slot.release()


def test_a_journal_that_cannot_be_stored_now_is_kept(tmp_path: Path) -> None:
    alive = tmp_path / "alive"
    with stalled(alive) as (writer, _):
        writer.hand_over([decision("a")])
        dead = left_by_a_dead_writer(alive, tmp_path / "dead")
    whole = (dead / "spool-000.sqlite").read_bytes()
    (dead / "spool-000.sqlite").write_bytes(b"this is no database" * 100)

    assert recover_unclaimed(dead, WallClock()).left.keys() == {"spool-000"}
    other = open_writer(dead)
    assert other.spool == "spool-001"
    other.close()

    (dead / "spool-000.sqlite").write_bytes(whole)
    assert recover_unclaimed(dead, WallClock()).records == 1


def test_what_was_handed_over_is_found_before_its_commit(tmp_path: Path) -> None:
    with stalled(tmp_path) as (writer, clock):
        handed = writer.hand_over([decision("a", b"first")])
        writer.hand_over([decision("a", b"second")])
        assert writer.uncommitted(decision_key("a")) == decision("a", b"first")
        assert writer.uncommitted(decision_key("b")) is None
        clock.gate.set()
        assert handed.pending.wait(WAIT_S) == [True]
        assert writer.uncommitted(decision_key("a")) is None


def test_a_failing_commit_refuses_feedback_and_keeps_what_was_handed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit_queue, "RETRY_S", 0.001)
    writer = open_writer(tmp_path)
    held = writer._file._connection
    assert held is not None
    with monkeypatch.context() as patched:
        patched.setattr(writer._file, "_connect", lambda: held)
        patched.setattr(writer._file, "_disconnect", lambda: None)
        # Only now: the writer's own thread would close it under our hands once a write failed.
        held.execute("PRAGMA query_only=ON")
        handed = [writer.hand_over([decision(name)]).pending for name in "abc"]
        with pytest.raises(LogUnavailableError):
            writer.append([feedback("f")]).wait(WAIT_S)
        assert writer.queue_depth() == 3
        assert writer.uncommitted(decision_key("b")) == decision("b")
        held.execute("PRAGMA query_only=OFF")
    assert [one.wait(WAIT_S) for one in handed] == [[True]] * 3
    assert keys(stored(tmp_path)) == ["d:a", "d:b", "d:c"]
    writer.close()


def test_feedback_behind_many_decisions_is_refused_as_soon_as_the_disk_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit_queue, "RETRY_S", 0.001)
    with stalled(tmp_path, commit_records_max=2) as (writer, clock):
        handed = [writer.hand_over([decision(str(number))]).pending for number in range(10)]
        behind = writer.append([feedback("behind")])
        store = writer._file.store

        def refuse(rows: list[journal.Row]) -> list[bool]:
            raise LogUnavailableError("no space", hint="free some")

        monkeypatch.setattr(writer._file, "store", refuse)
        clock.gate.set()
        with pytest.raises(LogUnavailableError, match="no space"):
            behind.wait(WAIT_S)
        assert writer.queue_depth() == 10
        monkeypatch.setattr(writer._file, "store", store)
        assert [one.wait(WAIT_S) for one in handed] == [[True]] * 10
    assert "f:behind" not in keys(stored(tmp_path))


def test_a_writer_that_closes_on_a_failing_disk_leaves_its_decisions_to_the_next(
    tmp_path: Path,
) -> None:
    writer = open_writer(tmp_path)
    held = writer._file._connection
    assert held is not None
    # First of all: the writer's own thread would close it under our hands once a write failed.
    writer._file._disconnect = lambda: None  # type: ignore[method-assign]
    held.execute("PRAGMA query_only=ON")
    writer.hand_over([decision("a")])
    writer.close()
    held.close()
    assert stored(tmp_path) == []

    open_writer(tmp_path).close()
    assert keys(stored(tmp_path)) == ["d:a"]


def test_a_journal_that_takes_nothing_refuses_and_recovers_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = open_writer(tmp_path)

    def full(handle: int, data: bytes, offset: int) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", full)
        with pytest.raises(LogUnavailableError, match="No space") as raised:
            writer.hand_over([decision("a")])
        assert raised.value.hint
        assert writer.uncommitted(decision_key("a")) is None
        assert writer.queue_depth() == 0
    assert writer.hand_over([decision("b")]).pending.wait(WAIT_S) == [True]
    writer.close()
    assert keys(stored(tmp_path)) == ["d:b"]


def test_with_waiting_for_commits_nothing_is_written_twice(tmp_path: Path) -> None:
    writer = open_writer(tmp_path, rank_waits_for_commit=True)
    assert writer.hand_over([decision("a")]).pending.wait(WAIT_S) == [True]
    assert journal_spools(tmp_path) == []
    writer.close()


def test_decisions_gather_and_whoever_waits_ends_the_gathering(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit_queue, "GATHER_S", IDLE)
    writer = open_writer(tmp_path)
    handed = [writer.hand_over([decision(str(number))]).pending for number in range(20)]
    with pytest.raises(LogUnavailableError, match="not durable"):
        handed[0].wait(0.05)
    assert writer.queue_depth() == 20

    assert writer.append([feedback("f")]).wait(WAIT_S) == [True]
    assert [one.wait(0) for one in handed] == [[True]] * 20
    writer.close()


def test_a_group_that_is_full_is_committed_though_nobody_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit_queue, "GATHER_S", IDLE)
    writer = open_writer(tmp_path, commit_records_max=10)
    handed = [writer.hand_over([decision(str(number))]).pending for number in range(10)]
    assert [one.wait(WAIT_S) for one in handed] == [[True]] * 10
    writer.close()


def test_block_waits_for_room_and_gives_up_in_time(tmp_path: Path) -> None:
    settings = {"queue_max": 4, "queue_full": "block", "rank_commit_timeout_s": 0.05}
    with stalled(tmp_path, **settings) as (writer, clock):
        writer.hand_over([decision(name) for name in "abc"])
        with pytest.raises(LogUnavailableError) as raised:
            writer.hand_over([decision("d")])
        assert "queue_max" in raised.value.hint
        with pytest.raises(LogUnavailableError):
            writer.append([feedback("f")])
        clock.gate.set()
        assert writer.hand_over([decision("e")]).pending.wait(WAIT_S) == [True]
    assert "d:d" not in keys(stored(tmp_path))


def test_block_goes_on_as_soon_as_there_is_room(tmp_path: Path) -> None:
    settings = {"queue_max": 3, "queue_full": "block", "rank_commit_timeout_s": WAIT_S}
    with stalled(tmp_path, **settings) as (writer, clock), ThreadPoolExecutor(1) as threads:
        writer.hand_over([decision("a"), decision("b")])
        waiting = threads.submit(writer.hand_over, [decision("c")])
        clock.gate.set()
        assert waiting.result(WAIT_S).fates == ["logged"]
        with pytest.raises(LogUnavailableError):
            writer.hand_over([decision(name) for name in "wxyz"])


def test_only_a_few_wait_for_room_and_the_next_page_goes_unlogged_at_once(tmp_path: Path) -> None:
    settings = {"queue_max": 2, "queue_full": "block", "rank_commit_timeout_s": IDLE}
    many = commit_queue.PATIENT_MAX + 1
    with stalled(tmp_path, **settings) as (writer, clock), ThreadPoolExecutor(many) as threads:
        writer.hand_over([decision("a")])
        asked = [threads.submit(writer.hand_over, [decision(f"d{n}")]) for n in range(many)]
        done, waiting = wait(asked, WAIT_S, FIRST_COMPLETED)
        (refused,) = done
        assert isinstance(refused.exception(), LogUnavailableError)
        clock.gate.set()
        assert [one.result(WAIT_S).fates for one in waiting] == [["logged"]] * (many - 1)


def test_drop_never_waits_and_records_what_it_drew(tmp_path: Path) -> None:
    queue_max = 400
    with stalled(tmp_path, queue_max=queue_max, queue_full="drop") as (writer, clock):
        waiting, expected, fates = 1, {}, []
        for number in range(3000):
            one = decision(f"d{number}")
            chance = pass_probability(waiting, queue_max)
            (fate,) = writer.hand_over([one]).fates
            fates.append(fate)
            let_in = chance > 0 and is_let_in(one.key, chance)
            assert fate == ("logged" if let_in else "dropped" if chance else "full")
            if let_in:
                waiting += 1
                expected[one.key] = chance
        assert writer.queue_depth() == waiting
        with pytest.raises(LogUnavailableError):
            writer.append([feedback("f") for _ in range(queue_max)])
        clock.gate.set()
    found = {
        one.record.key: one.record.pass_probability
        for one in stored(tmp_path)
        if isinstance(one.record, DecisionRecord)
    }
    assert found == expected
    assert min(found.values()) < 0.5
    assert {"logged", "dropped"} <= set(fates)


def test_a_batch_is_let_in_one_by_one(tmp_path: Path) -> None:
    batch = [decision(f"d{number}") for number in range(900)]
    with stalled(tmp_path, queue_max=100, queue_full="drop") as (writer, clock):
        fates = writer.hand_over(batch).fates
        assert fates[:49] == ["logged"] * 49
        assert writer.queue_depth() == 1 + fates.count("logged")
        assert writer.queue_depth() <= 100
        clock.gate.set()
    logged = {one.key for one, fate in zip(batch, fates, strict=True) if fate == "logged"}
    assert set(keys(stored(tmp_path))) == logged | {"f:first"}


def test_the_chance_to_pass_falls_from_half_full_to_full() -> None:
    assert [pass_probability(waiting, 1000) for waiting in (0, 499, 500)] == [1, 1, 1]
    chances = [pass_probability(waiting, 1000) for waiting in range(500, 1000)]
    assert chances == sorted(chances, reverse=True)
    assert len(set(chances)) == 500
    assert PASS_MIN < chances[-1] < PASS_MIN + 0.01
    assert pass_probability(1000, 1000) == pass_probability(2000, 1000) == 0
    assert pass_probability(0, 1) == 1
    assert is_let_in("d:a", 1.0)
    assert not is_let_in("d:a", 0.0)


def test_disk_space_comes_back_after_a_stall(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 10_000)
    with stalled(tmp_path) as (writer, clock):
        for number in range(200):
            writer.hand_over([decision(str(number), b"x" * 1000)])
        assert writer._journal.size() > 200_000
        clock.gate.set()
        for number in range(200, 250):
            writer.hand_over([decision(str(number), b"x" * 1000)]).pending.wait(WAIT_S)
        assert writer._journal.size() <= 20_000
    assert len(stored(tmp_path)) == 251
