"""What is particular to spools in SQLite: queues, metrics, failing disks, damage, slots."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bandit.clock import ManualClock, WallClock
from bandit.config.schema import LogConfig
from bandit.errors import LogDamagedError, LogUnavailableError
from bandit.eventlog.sqlite_reader import SqliteEventReader
from bandit.eventlog.sqlite_slots import SLOTS_MAX, Listing, Slot, announce_if_idle
from bandit.eventlog.sqlite_spool import SpoolFile
from bandit.eventlog.sqlite_writer import SqliteEventWriter
from bandit.events import DecisionRecord, FeedbackRecord
from bandit.metrics import MetricName, NoMetrics

WAIT_S = 30.0
IDLE = 3600.0


class Counted(NoMetrics):
    def __init__(self) -> None:
        self.counts: dict[str, float] = {}
        self.gauges: dict[str, list[float]] = {}
        self.observed: dict[str, list[float]] = {}

    def count(self, name: MetricName, *labels: str, by: float = 1) -> None:
        self.counts[name] = self.counts.get(name, 0) + by

    def set(self, name: MetricName, *labels: str, to: float) -> None:
        self.gauges.setdefault(name, []).append(to)

    def observe(self, name: MetricName, *labels: str, value: float) -> None:
        self.observed.setdefault(name, []).append(value)


class GatedClock:
    """A clock that stops whoever asks, the writer's thread above all, while the gate is shut."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.asked = threading.Semaphore(0)

    def now_us(self) -> int:
        self.asked.release()
        assert self.gate.wait(WAIT_S)
        return WallClock().now_us()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1_000_000)


@pytest.fixture
def open_writer(tmp_path: Path, clock: ManualClock) -> Iterator[Callable[[], SqliteEventWriter]]:
    opened: list[SqliteEventWriter] = []

    def make() -> SqliteEventWriter:
        config = LogConfig(heartbeat_s=IDLE)
        opened.append(SqliteEventWriter.open(tmp_path, clock, config, NoMetrics()))
        return opened[-1]

    yield make
    for writer in opened:
        writer.close()


@pytest.fixture
def reader(tmp_path: Path, clock: ManualClock) -> Iterator[SqliteEventReader]:
    with closing(SqliteEventReader(tmp_path, clock)) as opened:
        yield opened


def feedback(name: str, seconds: float = 1.0) -> FeedbackRecord:
    return FeedbackRecord(
        event_id=name, decision_id="d", type="play", title="film", seconds=seconds
    )


def append(writer: SqliteEventWriter, *names: str) -> list[bool]:
    return writer.append([feedback(name) for name in names]).wait(WAIT_S)


def test_the_file_is_in_wal_mode_and_synced_at_every_commit(
    tmp_path: Path, open_writer: Callable[[], SqliteEventWriter]
) -> None:
    writer = open_writer()
    append(writer, "a")

    with closing(sqlite3.connect(f"file:{tmp_path / 'spool-000.sqlite'}?mode=ro", uri=True)) as c:
        assert c.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    held = writer._file._connection
    assert held is not None
    assert held.execute("PRAGMA synchronous").fetchone() == (2,)


def test_a_full_queue_refuses_and_takes_again_once_it_drained(tmp_path: Path) -> None:
    clock = GatedClock()
    config = LogConfig(queue_max=5, heartbeat_s=IDLE)
    writer = SqliteEventWriter.open(tmp_path, clock, config, NoMetrics())
    assert clock.asked.acquire(timeout=WAIT_S)
    clock.gate.clear()
    held = writer.append([feedback("a")])
    assert clock.asked.acquire(timeout=WAIT_S)
    queued = writer.append([feedback(name) for name in "bcde"])

    assert writer.queue_depth() == 5
    with pytest.raises(LogUnavailableError) as raised:
        writer.append([feedback("f")])
    assert "queue_max" in raised.value.hint
    with pytest.raises(LogUnavailableError, match="not durable within"):
        held.wait(0.001)

    clock.gate.set()
    assert held.wait(WAIT_S) == [True]
    assert queued.wait(WAIT_S) == [True] * 4
    assert append(writer, "f") == [True]
    assert writer.queue_depth() == 0
    writer.close()


def test_what_gathers_during_a_commit_is_committed_together_up_to_the_limit(
    tmp_path: Path,
) -> None:
    clock, metrics = GatedClock(), Counted()
    config = LogConfig(commit_records_max=10, heartbeat_s=IDLE)
    writer = SqliteEventWriter.open(tmp_path, clock, config, metrics)
    assert clock.asked.acquire(timeout=WAIT_S)
    clock.gate.clear()
    pending = [writer.append([feedback("first")])]
    assert clock.asked.acquire(timeout=WAIT_S)
    pending += [writer.append([feedback(f"f{number}")]) for number in range(25)]
    clock.gate.set()
    for one in pending:
        assert one.wait(WAIT_S) == [True]
    writer.close()

    assert len(metrics.observed["marquee_log_commit_seconds"]) == 4
    assert metrics.counts["marquee_log_committed_records_total"] == 26
    assert max(metrics.gauges["marquee_log_queue_records"]) == 25
    assert metrics.gauges["marquee_log_queue_records"][-1] == 0


def test_a_full_disk_fails_what_waits_and_the_log_recovers_by_itself(
    open_writer: Callable[[], SqliteEventWriter], reader: SqliteEventReader
) -> None:
    writer = open_writer()
    append(writer, "before")
    held = writer._file._connection
    assert held is not None
    (pages,) = held.execute("PRAGMA page_count").fetchone()
    held.execute(f"PRAGMA max_page_count={pages}")
    big = [feedback(f"{number}-{'x' * 200}") for number in range(500)]

    with pytest.raises(LogUnavailableError, match="full") as raised:
        writer.append(big).wait(WAIT_S)

    assert "disk" in raised.value.hint
    assert reader.last_sequence(writer.spool) == 1
    assert append(writer, "after", "before") == [True, False]
    assert writer.append(big).wait(WAIT_S) == [True] * 500
    batch = reader.read(writer.spool, 0, 1000)
    assert [one.sequence for one in batch.records] == list(range(1, 503))
    assert batch.damaged == []


def test_a_record_that_cannot_be_read_is_passed_over_and_listed(
    tmp_path: Path, open_writer: Callable[[], SqliteEventWriter], reader: SqliteEventReader
) -> None:
    writer = open_writer()
    append(writer, "a", "b", "c")
    writer.close()
    with closing(sqlite3.connect(tmp_path / "spool-000.sqlite")) as connection, connection:
        connection.execute("UPDATE records SET payload = x'c1' WHERE sequence = 2")
        connection.execute("UPDATE records SET payload = x'c1', key = 'd:x' WHERE sequence = 3")

    batch = reader.read("spool-000", 0, 10)

    assert [one.sequence for one in batch.records] == [1]
    assert [sequence for sequence, _ in batch.damaged] == [2, 3]
    assert all(reason for _, reason in batch.damaged)
    assert batch.last_sequence == 3
    assert reader.read("spool-000", 0, 2).last_sequence == 2
    assert reader.find_decision("x") is None


@pytest.mark.parametrize("content", [b"this is no database" * 100, b""])
def test_a_file_that_is_no_spool_is_left_alone_and_the_next_spool_is_written(
    tmp_path: Path,
    open_writer: Callable[[], SqliteEventWriter],
    reader: SqliteEventReader,
    content: bytes,
) -> None:
    damaged = tmp_path / "spool-000.sqlite"
    damaged.write_bytes(content)

    writers = [open_writer(), open_writer()]

    assert [writer.spool for writer in writers] == ["spool-001", "spool-002"]
    assert append(writers[0], "a") == [True]
    assert damaged.read_bytes() == content
    with pytest.raises(LogDamagedError) as raised:
        reader.read("spool-000", 0, 1)
    assert raised.value.hint


def test_lookups_pass_over_a_spool_that_cannot_be_read(
    tmp_path: Path, open_writer: Callable[[], SqliteEventWriter], reader: SqliteEventReader
) -> None:
    first, second = open_writer(), open_writer()
    append(first, "a")
    append(second, "b")
    decision = DecisionRecord(
        decision_id="d",
        decided_at_us=0,
        body_digest=b"",
        catalog="c",
        policy="p",
        shares={},
        titles=[],
    )
    assert second.append([decision]).wait(WAIT_S) == [True]
    first.close()
    (tmp_path / "spool-000.sqlite").write_bytes(b"this is no database" * 1000)

    assert reader.find_decision("d") == decision
    assert reader.known_keys(["f:a", "f:b"]) == {"f:b"}


def test_lookups_leave_an_unreadable_spool_alone_for_a_while_and_find_it_again(
    tmp_path: Path,
    open_writer: Callable[[], SqliteEventWriter],
    reader: SqliteEventReader,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    writer = open_writer()
    append(writer, "a")
    writer.close()
    spool = tmp_path / "spool-000.sqlite"
    whole = spool.read_bytes()
    spool.write_bytes(b"this is no database" * 1000)
    assert reader.known_keys(["f:a"]) == set()

    spool.write_bytes(whole)
    monkeypatch.setattr("bandit.eventlog.sqlite_reader.RETRY_S", 3600.0)
    assert reader.known_keys(["f:a"]) == set()
    monkeypatch.setattr("bandit.eventlog.sqlite_reader.RETRY_S", 0.0)
    assert reader.known_keys(["f:a"]) == {"f:a"}


def test_a_spool_of_another_format_is_refused_and_not_written(
    tmp_path: Path, open_writer: Callable[[], SqliteEventWriter], reader: SqliteEventReader
) -> None:
    open_writer().close()
    with closing(sqlite3.connect(tmp_path / "spool-000.sqlite")) as connection:
        connection.execute("PRAGMA user_version=99")

    with pytest.raises(LogDamagedError, match="format 99"):
        reader.read("spool-000", 0, 1)
    assert open_writer().spool == "spool-001"


def test_a_damaged_neighbour_does_not_stop_a_new_writer(
    tmp_path: Path, open_writer: Callable[[], SqliteEventWriter]
) -> None:
    first = open_writer()
    (tmp_path / "spool-007.sqlite").write_bytes(b"this is no database" * 100)

    second = open_writer()

    assert (first.spool, second.spool) == ("spool-000", "spool-001")
    assert append(second, "a") == [True]


def test_a_torn_tail_leaves_the_records_before_it(
    tmp_path: Path, open_writer: Callable[[], SqliteEventWriter], clock: ManualClock
) -> None:
    writer = open_writer()
    for name in "abcdef":
        append(writer, name)
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for suffix in ("", "-wal"):
        whole = (tmp_path / f"spool-000.sqlite{suffix}").read_bytes()
        keep = len(whole) - 2000 if suffix else len(whole)
        (crashed / f"spool-000.sqlite{suffix}").write_bytes(whole[:keep])

    again = SqliteEventWriter.open(crashed, clock, LogConfig(), NoMetrics())
    append(again, "g")
    with closing(SqliteEventReader(crashed, clock)) as reader:
        records = reader.read("spool-000", 0, 100).records
    again.close()

    keys = [one.record.key for one in records]
    assert keys[-1] == "f:g"
    assert keys[:-1] == [f"f:{name}" for name in "abcdef"[: len(keys) - 1]]
    assert len(keys) >= 5
    assert [one.sequence for one in records] == list(range(1, len(keys) + 1))


def test_what_an_interrupted_creation_left_is_made_anew(
    tmp_path: Path, open_writer: Callable[[], SqliteEventWriter]
) -> None:
    (tmp_path / "spool-000.building").write_bytes(b"half a spool")
    (tmp_path / "spool-000.building-journal").write_bytes(b"half a journal")

    assert append(open_writer(), "a") == [True]
    assert not list(tmp_path.glob("*.building*"))


def test_a_directory_that_cannot_be_used_is_an_error_with_a_hint(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_text("not a directory")

    with pytest.raises(LogUnavailableError) as raised:
        SqliteEventWriter.open(place, WallClock(), LogConfig(), NoMetrics())

    assert raised.value.hint


def test_a_failed_opening_lets_the_slot_go(
    tmp_path: Path, open_writer: Callable[[], SqliteEventWriter]
) -> None:
    (tmp_path / "spool-000.sqlite").mkdir()
    with pytest.raises(LogUnavailableError):
        open_writer()
    (tmp_path / "spool-000.sqlite").rmdir()

    assert open_writer().spool == "spool-000"


def test_a_test_for_a_writer_never_looks_like_one(tmp_path: Path) -> None:
    stop = threading.Event()

    def test_again_and_again() -> None:
        while not stop.is_set():
            announce_if_idle(tmp_path, "spool-000", 5)

    testers = [threading.Thread(target=test_again_and_again) for _ in range(3)]
    for tester in testers:
        tester.start()
    names = []
    for _ in range(200):
        slot = Slot.claim(tmp_path)
        names.append(slot.name)
        slot.release()
    stop.set()
    for tester in testers:
        tester.join(WAIT_S)

    assert set(names) == {"spool-000"}


def test_a_kept_listing_shows_every_spool_as_soon_as_it_is_there(tmp_path: Path) -> None:
    directory = tmp_path / "log"
    listing = Listing(directory)
    assert listing.names() == []
    directory.mkdir()
    for number in range(200):
        (directory / f"spool-{number:03}.sqlite").touch()
        assert len(listing.names()) == number + 1


def test_a_directory_that_did_not_change_is_not_listed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "spool-000.sqlite").touch()
    os.utime(tmp_path, (1, 1))
    listing = Listing(tmp_path)
    assert listing.names() == ["spool-000"]
    monkeypatch.setattr("bandit.eventlog.sqlite_slots.spool_names", lambda _: ["listed again"])
    assert listing.names() == ["spool-000"]
    os.utime(tmp_path, (2, 2))
    assert listing.names() == ["listed again"]


def test_what_was_announced_while_idle_is_kept_and_never_lowered(tmp_path: Path) -> None:
    assert announce_if_idle(tmp_path, "spool-000", 50) == 50
    assert announce_if_idle(tmp_path, "spool-000", 20) == 50
    (tmp_path / "spool-000.lock").write_bytes(b"\0" * 20)
    assert announce_if_idle(tmp_path, "spool-000", 20) == 20

    slot = Slot.claim(tmp_path)
    assert announce_if_idle(tmp_path, "spool-000", 90) == 20
    slot.release()


def test_slots_run_out_with_a_hint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert SLOTS_MAX == 1000
    monkeypatch.setattr("bandit.eventlog.sqlite_slots.SLOTS_MAX", 2)
    slots = [Slot.claim(tmp_path), Slot.claim(tmp_path)]

    with pytest.raises(LogUnavailableError) as raised:
        Slot.claim(tmp_path)

    assert raised.value.hint
    for slot in slots:
        slot.release()


def test_the_writer_s_close_leaves_one_file_without_a_log_beside_it(
    tmp_path: Path, open_writer: Callable[[], SqliteEventWriter]
) -> None:
    writer = open_writer()
    append(writer, "a")
    writer.close()

    wal = tmp_path / "spool-000.sqlite-wal"
    assert not wal.exists() or wal.stat().st_size == 0


def test_readers_use_one_connection_a_spool_from_many_threads(
    open_writer: Callable[[], SqliteEventWriter], reader: SqliteEventReader
) -> None:
    writer = open_writer()
    append(writer, *(f"f{number}" for number in range(50)))
    found: list[int] = []
    opened: set[int] = set()

    def look() -> None:
        for number in range(50):
            found.append(len(reader.known_keys([f"f:f{number}", "f:none"])))
            opened.add(id(reader._files["spool-000"]._connection))

    threads = [threading.Thread(target=look) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)

    assert found == [1] * 300
    assert len(opened) == 1


def test_a_closed_reader_refuses(
    open_writer: Callable[[], SqliteEventWriter], reader: SqliteEventReader
) -> None:
    writer = open_writer()
    reader.close()

    with pytest.raises(LogUnavailableError, match="closed"):
        reader.read(writer.spool, 0, 1)


def test_an_unforeseen_error_fails_its_group_and_the_writer_goes_on(
    open_writer: Callable[[], SqliteEventWriter],
    reader: SqliteEventReader,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    writer = open_writer()
    store = writer._file.store

    def broken(rows: object) -> list[bool]:
        raise MemoryError("no more")

    monkeypatch.setattr(writer._file, "store", broken)
    with pytest.raises(LogUnavailableError, match="MemoryError: no more") as raised:
        append(writer, "lost")
    assert raised.value.hint
    assert writer.is_alive()
    assert writer.queue_depth() == 0

    monkeypatch.setattr(writer._file, "store", store)
    assert append(writer, "lost", "found") == [True, True]
    assert reader.last_sequence(writer.spool) == 2


def test_an_unforeseen_error_while_idle_does_not_end_the_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = threading.Event()

    def broken(self: SpoolFile) -> None:
        failed.set()
        raise RuntimeError("unforeseen")

    monkeypatch.setattr(SpoolFile, "beat", broken)
    config = LogConfig(heartbeat_s=0.001)
    writer = SqliteEventWriter.open(tmp_path, WallClock(), config, NoMetrics())
    assert failed.wait(WAIT_S)
    assert append(writer, "a") == [True]
    assert writer.is_alive()
    writer.close()
    assert not writer.is_alive()
