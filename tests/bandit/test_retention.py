"""Old records are removed from spools' fronts, only what is learned, and nothing else changes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bandit.clock import ManualClock, to_us
from bandit.config.schema import Config, LogConfig
from bandit.eventlog.journal import Journal, Row, journal_spools
from bandit.eventlog.learned import KEEPING, LearnedFile
from bandit.eventlog.protocol import Learned
from bandit.eventlog.removal import can_give_back, give_back, remove
from bandit.eventlog.retention import BATCH_RECORDS, BEAT_S, BEHIND_S, OTHERS_S, Retention
from bandit.eventlog.sqlite_reader import SqliteEventReader
from bandit.eventlog.sqlite_schema import spool_path
from bandit.eventlog.sqlite_slots import Slot
from bandit.eventlog.sqlite_spool import SpoolFile
from bandit.eventlog.sqlite_writer import SqliteEventWriter
from bandit.eventlog.takeover import take_over
from bandit.events import FeedbackRecord, encode_record
from bandit.learner import Learner
from bandit.merge import LogMerge, MergePosition, is_whole, replay
from bandit.metrics import MetricName, NoMetrics
from bandit.releasing import learned_at, of_both
from bandit.snapshots import MemorySnapshotStore
from tests import learning_world as world

FOREVER_US = 2**62
RETENTION_S = 100.0
SPOOL = "spool-000"


class Seen(NoMetrics):
    def __init__(self) -> None:
        self.removed = 0.0
        self.gauges: dict[str, float] = {}

    def count(self, name: MetricName, *labels: str, by: float = 1) -> None:
        if name == "marquee_log_removed_records_total":
            self.removed += by

    def set(self, name: MetricName, *labels: str, to: float) -> None:
        self.gauges[name] = to


class Kept:
    """A spool of which no thread takes care."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(exist_ok=True)
        self.directory = directory
        self.clock = ManualClock(to_us(1000))
        self.seen = Seen()
        self.elapsed_s = 0.0
        self.slot = Slot.claim(directory)
        self.journal, _ = take_over(directory, self.slot.name)
        self.file = SpoolFile(directory, self.slot.name, self.clock)
        self.reader = SqliteEventReader(directory, self.clock)
        self.retention = self.keeper(RETENTION_S)

    def keeper(self, retention_s: float | None) -> Retention:
        return Retention(
            self.directory,
            self.file,
            self.journal,
            LogConfig(retention_s=retention_s),
            self.clock,
            self.seen,
            lambda: self.elapsed_s,
        )

    def store(self, *names: str) -> list[bool]:
        return self.file.store([row(name) for name in names])

    def release(self, through: int, before_us: int = FOREVER_US, spool: str = SPOOL) -> None:
        file_id = self.reader.read(spool, 0, 1).file_id
        learned = self.reader.released() | {spool: Learned(file_id, through, before_us)}
        self.reader.release(learned)

    def tend(self, after_s: float = BEAT_S) -> None:
        self.elapsed_s += after_s
        self.retention.tend(SPOOL)

    def sequences(self, spool: str = SPOOL) -> list[int]:
        return [logged.sequence for logged in self.reader.read(spool, 0, 10_000).records]

    def close(self) -> None:
        self.reader.close()
        self.file.close()
        self.journal.close(emptied=False)
        self.slot.release()


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    with closing(Kept(tmp_path / "log")) as opened:
        yield opened


def row(name: str) -> Row:
    record = FeedbackRecord(event_id=name, decision_id="d", type="click", title="film")
    return Row(record.key, encode_record(record))


def test_only_what_is_old_and_learned_goes_and_sequences_go_on(kept: Kept) -> None:
    kept.store("a", "b")
    kept.clock.advance_s(60)
    kept.store("c", "d")
    kept.release(3)
    kept.clock.advance_s(60)
    kept.tend()
    assert kept.sequences() == [3, 4]
    kept.clock.advance_s(60)
    kept.tend()
    assert kept.sequences() == [4]
    assert kept.seen.removed == 3
    assert kept.seen.gauges["marquee_log_oldest_record_seconds"] == pytest.approx(120, abs=1)
    assert kept.store("d", "e") == [False, True]
    assert kept.sequences() == [4, 5]
    assert kept.store("a") == [True]


@pytest.mark.parametrize("told", ["nothing", "another file", "still needed", "damaged"])
def test_nothing_goes_that_is_not_known_to_be_learned(kept: Kept, told: str) -> None:
    kept.store("a", "b")
    if told == "another file":
        kept.reader.release({SPOOL: Learned("another", 2, FOREVER_US)})
    elif told == "still needed":
        kept.release(2, before_us=to_us(1000))
    elif told == "damaged":
        kept.release(2)
        (path,) = (kept.directory / KEEPING).iterdir()
        path.write_bytes(path.read_bytes()[:-4])
    kept.clock.advance_s(1e6)
    kept.tend()
    assert kept.sequences() == [1, 2]


def test_the_last_record_is_emptied_and_its_number_not_given_again(kept: Kept) -> None:
    kept.store("a", "b")
    kept.release(2)
    kept.clock.advance_s(RETENTION_S + 1)
    kept.tend()
    kept.tend()
    assert kept.sequences() == []
    assert kept.seen.removed == 2
    assert kept.reader.read(SPOOL, 0, 10).damaged == []
    assert kept.reader.first_at_us(SPOOL) is None
    assert kept.reader.last_sequence(SPOOL) == 2
    assert kept.store("b", "c") == [False, True]
    assert kept.sequences() == [3]


def test_what_goes_is_overwritten_in_the_file(kept: Kept) -> None:
    kept.store("SECRET-A", "SECRET-B", "kept")
    kept.release(2)
    kept.clock.advance_s(RETENTION_S + 1)
    kept.tend()
    kept.reader.close()
    kept.file.close()
    for path in kept.directory.glob("*"):
        assert path.is_dir() or b"SECRET" not in path.read_bytes()


def test_a_batch_is_bounded_and_the_next_follows_soon(kept: Kept) -> None:
    kept.store(*(f"f{number}" for number in range(2 * BATCH_RECORDS + 10)))
    kept.release(2 * BATCH_RECORDS + 10)
    kept.clock.advance_s(RETENTION_S + 1)
    kept.tend()
    assert len(kept.sequences()) == BATCH_RECORDS + 10
    kept.tend(BEHIND_S)
    assert len(kept.sequences()) == 10
    kept.tend(BEHIND_S)
    assert len(kept.sequences()) == 0
    kept.store("new")
    kept.release(10_000)
    kept.clock.advance_s(RETENTION_S + 1)
    kept.tend(BEHIND_S)
    assert len(kept.sequences()) == 1, "it waits for its beat where it was not behind"


def test_records_that_an_idle_journal_could_bring_back_stay_until_it_let_go(
    kept: Kept, tmp_path: Path
) -> None:
    frame = kept.journal.write([row("a")])
    kept.store("a", "b")
    kept.release(2)
    kept.tend()
    kept.clock.advance_s(RETENTION_S + 1)
    kept.tend()
    assert kept.sequences() == [1, 2], "its commit is not known"
    kept.journal.committed(frame)
    kept.tend()
    assert kept.sequences() == []
    assert kept.journal.size() == 0
    kept.journal.close(emptied=False)
    assert Journal.open(kept.directory, SPOOL)[1] == []


def test_spools_that_nobody_writes_are_tended_too(kept: Kept) -> None:
    with closing(SpoolFile(kept.directory, "spool-001", kept.clock)) as other:
        other.store([row("a"), row("b")])
    kept.release(2, spool="spool-001")
    kept.clock.advance_s(RETENTION_S + 1)
    kept.tend(OTHERS_S + BEAT_S)
    assert kept.sequences("spool-001") == []
    assert kept.seen.removed == 2


@pytest.mark.parametrize("retention_s", [None, RETENTION_S])
def test_what_a_writer_left_that_died_later_than_we_opened_is_stored(
    kept: Kept, retention_s: float | None
) -> None:
    slot = Slot.claim(kept.directory, 1)
    journal, _ = take_over(kept.directory, slot.name)
    with closing(SpoolFile(kept.directory, slot.name, kept.clock)):
        journal.write([row("a")])
        keeper = kept.keeper(retention_s)
        kept.elapsed_s += OTHERS_S + BEAT_S
        keeper.tend(SPOOL)
        assert kept.sequences(slot.name) == [], "its writer may still store it"
    journal.close(emptied=False)
    slot.release()
    kept.elapsed_s += OTHERS_S + BEAT_S
    keeper.tend(SPOOL)
    assert kept.sequences(slot.name) == [1]
    assert journal_spools(kept.directory) == []


def big_row(name: str) -> Row:
    record = FeedbackRecord(event_id=name, decision_id="d", type="click", title="film" * 5000)
    return Row(record.key, encode_record(record))


def fill(file: SpoolFile, count: int = 6 * BATCH_RECORDS) -> None:
    """Store records of 20 kB: five pages of the file each."""
    file.store([big_row(f"{number}") for number in range(count)])


def size_of(kept: Kept, spool: str) -> int:
    """Return how large a spool's file is, once what stands in its write-ahead log is in it."""
    path = spool_path(kept.directory, spool)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return path.stat().st_size


@pytest.mark.parametrize("spool", [SPOOL, "spool-001"])
def test_a_file_gives_back_what_it_has_no_more_use_for(kept: Kept, spool: str) -> None:
    if spool == SPOOL:
        fill(kept.file)
    else:
        with closing(SpoolFile(kept.directory, spool, kept.clock)) as other:
            fill(other)
    full = size_of(kept, spool)
    kept.release(6 * BATCH_RECORDS, spool=spool)
    kept.clock.advance_s(RETENTION_S + 1)
    looks = 0
    while size_of(kept, spool) > full // 5:
        kept.tend(OTHERS_S + BEAT_S if looks == 0 else BEAT_S)
        looks += 1
        assert looks < 60, "it never became smaller"
    assert kept.seen.removed == 6 * BATCH_RECORDS
    assert kept.sequences(spool) == []
    with closing(sqlite3.connect(spool_path(kept.directory, spool))) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_file_of_an_earlier_release_keeps_what_it_has(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "old", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE filling (body BLOB)")
        connection.executemany("INSERT INTO filling VALUES (?)", [(b"x" * 20_000,)] * 400)
        connection.execute("DELETE FROM filling")
        assert not can_give_back(connection)
        assert not give_back(connection)


def test_spools_that_another_writes_are_left_to_it(kept: Kept) -> None:
    slot = Slot.claim(kept.directory, 1)
    with closing(SpoolFile(kept.directory, slot.name, kept.clock)) as other:
        other.store([row("a"), row("b")])
        kept.release(2, spool=slot.name)
        kept.clock.advance_s(RETENTION_S + 1)
        kept.tend(OTHERS_S + BEAT_S)
        assert kept.sequences(slot.name) == [1, 2]
    slot.release()


def test_finding_a_time_and_replaying_begin_where_the_spool_does(kept: Kept) -> None:
    times = []
    for name in "abcdef":
        kept.clock.advance_s(10)
        times.append(kept.clock.now_us())
        kept.store(name)
    position = MergePosition(times[-1], {SPOOL: 6}, {SPOOL: kept.reader.read(SPOOL, 0, 1).file_id})
    whole = list(replay(kept.reader, position, times[3], 2))
    assert is_whole(kept.reader, position)
    kept.release(3)
    kept.clock.advance_s(RETENTION_S)
    kept.tend()
    assert kept.sequences() == [4, 5, 6]
    assert [kept.reader.sequence_before(SPOOL, at) for at in (0, times[0], times[3])] == [3, 3, 3]
    assert kept.reader.sequence_before(SPOOL, times[4]) == 4
    assert kept.reader.first_at_us(SPOOL) == times[3]
    assert list(replay(kept.reader, position, times[3], 2)) == whole
    assert not is_whole(kept.reader, position)
    merge = LogMerge(kept.reader, 100)
    assert [item.logged.sequence for item in merge.poll().records] == [4, 5, 6]
    assert merge.holds_from_us() == times[3]


def test_both_checkpoints_count_and_what_came_late_is_kept() -> None:
    position = MergePosition(500, {"a": 10, "b": 4}, {"a": "x", "b": "y"}, [])
    assert learned_at(position, 300) == {"a": Learned("x", 10, 300), "b": Learned("y", 4, 300)}
    one, other = learned_at(position, 300), {"a": Learned("x", 7, 400), "b": Learned("z", 9, 9)}
    assert of_both(one, other) == {"a": Learned("x", 7, 300)}


def _learner(config: Config, reader: SqliteEventReader, clock: ManualClock) -> Learner:
    catalogs, _ = world.store_catalog(Path(config.catalog.directory).parent)
    return Learner(config, reader, MemorySnapshotStore(), catalogs, clock, NoMetrics())


def _finish(learner: Learner, clock: ManualClock) -> Learner:
    for _ in range(2000):
        if learner.step(clock.now_us()).idle:
            return learner
    raise AssertionError("the learner found no end")


def test_a_learner_releases_what_both_checkpoints_have_and_learns_a_pruned_log_anew(
    tmp_path: Path,
) -> None:
    clock = ManualClock(to_us(1000))
    _, version = world.store_catalog(tmp_path)
    config = world.config(tmp_path)
    log = Path(config.log.directory)
    writer = SqliteEventWriter.open(
        log, clock, LogConfig(heartbeat_s=0.01, retention_s=None), NoMetrics()
    )
    with closing(writer), closing(SqliteEventReader(log, clock)) as reader:
        world.write([writer], clock, world.chunks(30, version, spools=1))
        clock.advance_s(1000)
        writer.append([FeedbackRecord(event_id="x", decision_id="-", type="click", title="t0")])
    with closing(SqliteEventReader(log, clock)) as reader:
        learner = _finish(_learner(config, reader, clock), clock)
        learner.checkpoint(clock.now_us())
        assert reader.released() == {}, "the checkpoint before it knows nothing"
        learner.checkpoint(clock.now_us())
        (learned,) = reader.released().values()
        assert learned.through == reader.last_sequence(SPOOL)
        learned_examples = dict(learner.counts.examples)
        assert learner.status(clock.now_us()).log_holds_from_us == reader.first_at_us(SPOOL)

        # A lost checkpoint takes the release back: nothing goes that is to be learned again.
        for path in Path(config.learner.directory).glob("checkpoint*"):
            path.unlink()
        again = _learner(config, reader, clock)
        assert LearnedFile(log).read() == {}
        assert dict(_finish(again, clock).counts.examples) == learned_examples
        for _ in range(2):
            again.checkpoint(clock.now_us())

    half_us = to_us(1000) + (clock.now_us() - to_us(2000)) // 2
    with closing(SqliteEventReader(log, clock)) as reader:
        middle = reader.sequence_before(SPOOL, half_us)
        assert middle > 0
    with closing(SpoolFile(log, SPOOL, clock)) as file:
        assert file.tend(lambda c, position: remove(c, position, middle, 10_000)) == middle
    with closing(SqliteEventReader(log, clock)) as reader:
        went_on = _finish(_learner(config, reader, clock), clock)
        assert dict(went_on.counts.examples) == learned_examples, "nothing twice, nothing lost"
        for path in Path(config.learner.directory).glob("checkpoint*"):
            path.unlink()
        anew = _finish(_learner(config, reader, clock), clock)
        assert 0 < sum(anew.counts.examples.values()) < sum(learned_examples.values())
