"""Errors that last: what was acknowledged is kept, what hangs holds up nobody else."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import pytest

from bandit.clock import WallClock
from bandit.config.schema import LogConfig
from bandit.errors import LogUnavailableError
from bandit.eventlog import commit_queue, journal
from bandit.eventlog.journal import Row, journal_spools
from bandit.eventlog.refusal import refused_path
from bandit.eventlog.sqlite_reader import SqliteEventReader
from bandit.eventlog.sqlite_slots import announce_if_idle, unclaimed
from bandit.eventlog.sqlite_writer import LONE_FAILURES_MAX, SqliteEventWriter
from bandit.events import DecisionRecord, FeedbackRecord, decode_record
from bandit.metrics import MetricName, NoMetrics

WAIT_S = 30.0
IDLE = 3600.0
SPOOL = "spool-000"


class Patched:
    """Stands in front of a function and raises, as long as it is to, what is due for its rows."""

    def __init__(self, real: Callable[..., list[bool]]) -> None:
        self._real = real
        self.failures = threading.Semaphore(0)
        self.raises: Callable[[Sequence[Row]], Exception | None] = lambda _rows: None

    def __call__(self, rows: Sequence[Row] = ()) -> list[bool]:
        error = self.raises(rows)
        if error is not None:
            self.failures.release()
            raise error
        return self._real(rows) if rows else self._real()

    def has_failed(self, times: int) -> bool:
        return all(self.failures.acquire(timeout=WAIT_S) for _ in range(times))


@pytest.fixture(autouse=True)
def no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit_queue, "RETRY_S", 0.001)
    monkeypatch.setattr(commit_queue, "GATHER_S", 0.001)


def open_writer(
    directory: Path, metrics: NoMetrics | None = None, **settings: object
) -> SqliteEventWriter:
    config = LogConfig(**{"heartbeat_s": IDLE, **settings})  # type: ignore[arg-type]
    return SqliteEventWriter.open(directory, WallClock(), config, metrics or NoMetrics())


def with_store(writer: SqliteEventWriter, monkeypatch: pytest.MonkeyPatch) -> Patched:
    patched = Patched(writer._file.store)
    monkeypatch.setattr(writer._file, "store", patched)
    return patched


def decision(name: str, decided_at_us: int = 0) -> DecisionRecord:
    return DecisionRecord(
        decision_id=name,
        decided_at_us=decided_at_us,
        body_digest=b"",
        catalog="c",
        policy="p",
        shares={},
        titles=[],
    )


def feedback(name: str) -> FeedbackRecord:
    return FeedbackRecord(event_id=name, decision_id="d", type="click", title="film")


def stored(directory: Path, spool: str = SPOOL) -> list[str]:
    with closing(SqliteEventReader(directory, WallClock())) as reader:
        return [logged.record.key for logged in reader.read(spool, 0, 1000).records]


@pytest.mark.parametrize(
    "error",
    [MemoryError(), OSError(28, "No space left"), LogUnavailableError("full", hint="wait")],
    ids=["memory", "disk", "log"],
)
def test_nothing_acknowledged_is_lost_however_long_memory_or_disk_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    writer = open_writer(tmp_path)
    store = with_store(writer, monkeypatch)
    store.raises = lambda _rows: error
    handed = [writer.hand_over([decision(str(number))]).pending for number in range(5)]
    assert store.has_failed(4 * LONE_FAILURES_MAX)
    handed += [writer.hand_over([decision(str(number))]).pending for number in range(5, 10)]
    assert store.has_failed(4 * LONE_FAILURES_MAX)
    with pytest.raises(LogUnavailableError):
        writer.append([feedback("f")]).wait(WAIT_S)

    store.raises = lambda _rows: None
    assert [one.wait(WAIT_S) for one in handed] == [[True]] * 10
    writer.close()
    assert stored(tmp_path) == [f"d:{number}" for number in range(10)]
    assert not refused_path(tmp_path, SPOOL).exists()


def test_only_the_record_that_fails_by_itself_is_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = open_writer(tmp_path)
    store = with_store(writer, monkeypatch)
    store.raises = lambda rows: (
        ValueError("poison") if any(row.key == "d:poison" for row in rows) else None
    )
    batch = [decision("b"), decision("poison"), decision("c")]
    handed = [writer.hand_over(one).pending for one in ([decision("a")], batch, [decision("d")])]
    assert [one.wait(WAIT_S) for one in handed] == [[True], [True, False, True], [True]]
    writer.close()

    assert stored(tmp_path) == ["d:a", "d:b", "d:c", "d:d"]
    assert journal_spools(tmp_path) == []
    (line,) = refused_path(tmp_path, SPOOL).read_bytes().splitlines()
    refused = msgspec.json.decode(line, type=dict[str, str])
    assert (refused["key"], refused["why"]) == ("d:poison", "ValueError: poison")
    payload = msgspec.convert(refused["payload"], bytes)
    assert decode_record(payload) == decision("poison")


def test_what_cannot_be_set_aside_either_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused_path(tmp_path, SPOOL).mkdir()
    writer = open_writer(tmp_path)
    store = with_store(writer, monkeypatch)
    store.raises = lambda _rows: ValueError("poison")
    writer.hand_over([decision("a")])
    assert store.has_failed(3 * LONE_FAILURES_MAX)
    writer.close()
    assert stored(tmp_path) == []

    open_writer(tmp_path).close()
    assert stored(tmp_path) == ["d:a"]


def test_an_unforeseen_error_of_the_whole_log_is_no_record_s_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = open_writer(tmp_path)
    store, beat = with_store(writer, monkeypatch), Patched(list)
    monkeypatch.setattr(writer._file, "beat", beat)
    store.raises = beat.raises = lambda _rows: RuntimeError("broken")
    handed = [writer.hand_over([decision(name)]).pending for name in "abc"]
    assert beat.has_failed(3)
    store.raises = beat.raises = lambda _rows: None
    assert [one.wait(WAIT_S) for one in handed] == [[True]] * 3
    writer.close()
    assert not refused_path(tmp_path, SPOOL).exists()


class Unwritable(NoMetrics):
    def set(self, name: MetricName, *labels: str, to: float) -> None:
        raise OSError(28, "No space left on device")


def test_metrics_that_cannot_be_written_cost_no_record(tmp_path: Path) -> None:
    writer = open_writer(tmp_path, Unwritable())
    assert writer.hand_over([decision("a")]).pending.wait(WAIT_S) == [True]
    assert writer.append([feedback("f")]).wait(WAIT_S) == [True]
    writer.close()
    assert stored(tmp_path) == ["d:a", "f:f"]


@contextmanager
def hanging_journal(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[threading.Event, ...]]:
    """Let every write to a journal hang until the second event is set; the first tells of one."""
    reached, go_on = threading.Event(), threading.Event()
    pwrite = os.pwrite

    def hang(handle: int, data: bytes, offset: int) -> int:
        reached.set()
        assert go_on.wait(WAIT_S)
        return pwrite(handle, data, offset)

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", hang)
        try:
            yield reached, go_on
        finally:
            go_on.set()


def test_a_journal_write_that_hangs_holds_up_neither_feedback_nor_pages_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = open_writer(tmp_path, rank_commit_timeout_s=0.02)
    before = writer.hand_over([decision("before")]).pending
    assert before.wait(WAIT_S) == [True]
    assert writer.takes_at_once()
    with ThreadPoolExecutor(1) as threads, hanging_journal(monkeypatch) as (reached, go_on):
        hung = threads.submit(writer.hand_over, [decision("hung")])
        assert reached.wait(WAIT_S)
        for number in range(3):
            assert writer.append([feedback(str(number))]).wait(WAIT_S) == [True]
            with pytest.raises(LogUnavailableError, match="in time") as raised:
                writer.hand_over([decision("behind")])
            assert raised.value.hint
        assert writer.queue_depth() == 1
        monkeypatch.setattr(commit_queue, "HUNG_S", 0.0)
        monkeypatch.setattr(commit_queue, "HELD_UP_S", 0.0)
        assert not writer.takes_at_once()
        assert "journal" in (writer.held_up() or "")
        go_on.set()
        assert hung.result(WAIT_S).pending.wait(WAIT_S) == [True]
    assert writer.takes_at_once()
    assert writer.held_up() is None
    writer.close()
    assert stored(tmp_path) == ["d:before", "f:0", "f:1", "f:2", "d:hung"]


def test_a_writer_that_closes_while_its_journal_hangs_leaves_what_is_being_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "CLOSE_S", 0.01)
    writer = open_writer(tmp_path, rank_commit_timeout_s=0.01)
    with ThreadPoolExecutor(1) as threads, hanging_journal(monkeypatch) as (reached, go_on):
        hung = threads.submit(writer.hand_over, [decision("hung")])
        assert reached.wait(WAIT_S)
        writer.close()
        go_on.set()
        with pytest.raises(LogUnavailableError, match="closed"):
            hung.result(WAIT_S)
    writer._journal.close(emptied=False)
    assert stored(tmp_path) == []
    open_writer(tmp_path).close()
    assert stored(tmp_path) == ["d:hung"]


@pytest.mark.parametrize("queue_full", ["block", "drop"])
def test_near_a_full_queue_only_who_may_wait_hands_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, queue_full: str
) -> None:
    writer = open_writer(tmp_path, queue_max=10, queue_full=queue_full)
    store = with_store(writer, monkeypatch)
    store.raises = lambda _rows: LogUnavailableError("full", hint="wait")
    monkeypatch.setattr(commit_queue, "HELD_UP_S", 0.0)
    for number in range(9):
        assert writer.takes_at_once()
        assert writer.held_up() is None
        writer.hand_over([decision(str(number))])
    while queue_full == "drop" and writer.held_up() is None:
        number += 1
        assert number < 10_000
        writer.hand_over([decision(str(number))])
    if queue_full == "block":
        writer.hand_over([decision("last")])
    assert writer.takes_at_once() is (queue_full == "drop")
    assert "full" in (writer.held_up() or "")

    store.raises = lambda _rows: None
    writer.close()
    assert writer.held_up() is None


@pytest.mark.parametrize("earlier", [True, False])
def test_of_two_decisions_of_one_id_a_journal_s_is_kept_if_it_was_made_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, earlier: bool
) -> None:
    first = open_writer(tmp_path)
    second = open_writer(tmp_path)
    with_store(first, monkeypatch).raises = lambda _rows: LogUnavailableError("gone", hint="")
    first.hand_over([decision("a", 100)])
    again = second.hand_over([decision("a", 200 if earlier else 100)])
    assert again.pending.wait(WAIT_S) == [True]
    first.close()
    second.close()

    open_writer(tmp_path).close()
    assert stored(tmp_path) == (["d:a"] if earlier else [])
    assert journal_spools(tmp_path) == []


def test_readers_do_not_wait_for_a_recovery(tmp_path: Path) -> None:
    open_writer(tmp_path).close()
    before = announce_if_idle(tmp_path, SPOOL, 5)
    with unclaimed(tmp_path, ["spool-001"]):
        assert announce_if_idle(tmp_path, SPOOL, before + 10) == before
    assert announce_if_idle(tmp_path, SPOOL, before + 10) == before + 10
