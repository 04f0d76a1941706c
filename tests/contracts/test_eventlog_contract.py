"""What every event log must do, run against each of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandit.clock import ManualClock
from bandit.config.schema import LogConfig
from bandit.errors import LogUnavailableError
from bandit.eventlog.memory import MemoryEventLog
from bandit.eventlog.protocol import EventReader, EventWriter
from bandit.eventlog.sqlite_reader import SqliteEventReader
from bandit.eventlog.sqlite_writer import SqliteEventWriter
from bandit.events import (
    ActivationRecord,
    DecisionRecord,
    FeedbackRecord,
    LoggedRecord,
    Record,
    decision_key,
    feedback_key,
)
from bandit.metrics import NoMetrics
from bandit.types import TitleChoice

START_US = 1_700_000_000_000_000
WAIT_S = 30.0


class Log(Protocol):
    clock: ManualClock

    def writer(self) -> EventWriter: ...

    def reader(self) -> EventReader: ...


class SqliteLog:
    def __init__(self, directory: Path) -> None:
        self.clock = ManualClock(START_US)
        self._directory = directory

    def writer(self) -> EventWriter:
        config = LogConfig(heartbeat_s=0.005)
        return SqliteEventWriter.open(self._directory, self.clock, config, NoMetrics())

    def reader(self) -> EventReader:
        return SqliteEventReader(self._directory, self.clock)


class MemoryLog:
    def __init__(self) -> None:
        self.clock = ManualClock(START_US)
        self._log = MemoryEventLog(self.clock)

    def writer(self) -> EventWriter:
        return self._log.writer()

    def reader(self) -> EventReader:
        return self._log.reader()


@contextmanager
def make_log(kind: str) -> Iterator[Log]:
    if kind == "memory":
        yield MemoryLog()
    else:
        with TemporaryDirectory() as directory:
            yield SqliteLog(Path(directory))


@pytest.fixture(params=["sqlite", "memory"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def log(kind: str) -> Iterator[Log]:
    with make_log(kind) as made:
        yield made


@pytest.fixture
def writer(log: Log) -> Iterator[EventWriter]:
    opened = log.writer()
    yield opened
    opened.close()


@pytest.fixture
def reader(log: Log, writer: EventWriter) -> Iterator[EventReader]:
    opened = log.reader()
    yield opened
    opened.close()


def feedback(name: str) -> FeedbackRecord:
    return FeedbackRecord(
        event_id=name, decision_id=f"of-{name}", type="play", title="film", seconds=12.5
    )


def decision(name: str) -> DecisionRecord:
    return DecisionRecord(
        decision_id=name,
        decided_at_us=START_US,
        body_digest=b"\x00\xff",
        catalog="c1",
        policy="p",
        shares={"artwork": "learned"},
        titles=[TitleChoice("film", "poster", 0.25)],
        context={"hour": 21.0, "tags": ["a", "b"]},
    )


def append(writer: EventWriter, *names: str) -> list[bool]:
    return writer.append([feedback(name) for name in names]).wait(WAIT_S)


def everything(reader: EventReader, spool: str) -> list[LoggedRecord]:
    return reader.read(spool, 0, 1_000_000).records


def names(records: list[LoggedRecord]) -> list[str]:
    return [logged.record.key.partition(":")[2] for logged in records]


def test_records_come_back_whole_and_in_order(writer: EventWriter, reader: EventReader) -> None:
    given_records: list[Record] = [
        decision("d1"),
        feedback("f1"),
        ActivationRecord(decision_id="d1"),
        feedback("f2"),
    ]

    assert writer.append(given_records[:1]).wait(WAIT_S) == [True]
    assert writer.append(given_records[1:]).wait(WAIT_S) == [True, True, True]

    logged = everything(reader, writer.spool)
    assert [one.record for one in logged] == given_records
    assert [one.sequence for one in logged] == [1, 2, 3, 4]
    assert {one.spool for one in logged} == {writer.spool}


def test_nothing_appended_is_nothing_stored(writer: EventWriter, reader: EventReader) -> None:
    assert writer.append([]).wait(WAIT_S) == []
    assert reader.last_sequence(writer.spool) == 0
    assert everything(reader, writer.spool) == []


def test_reading_goes_on_from_where_it_stopped(writer: EventWriter, reader: EventReader) -> None:
    append(writer, *(f"f{number}" for number in range(10)))

    first = reader.read(writer.spool, 0, 4)
    second = reader.read(writer.spool, first.last_sequence, 4)
    third = reader.read(writer.spool, second.last_sequence, 4)
    fourth = reader.read(writer.spool, third.last_sequence, 4)

    assert [batch.last_sequence for batch in (first, second, third, fourth)] == [4, 8, 10, 10]
    assert names(first.records + second.records + third.records) == [f"f{n}" for n in range(10)]
    assert fourth.records == []
    assert first.horizon_us == first.records[-1].at_us
    assert second.horizon_us == second.records[-1].at_us


def test_decisions_handed_over_are_stored_in_order_with_what_is_appended(
    writer: EventWriter, reader: EventReader
) -> None:
    pairs = [[decision(f"d{number}"), decision(f"e{number}")] for number in range(5)]
    for number, pair in enumerate(pairs):
        assert writer.hand_over(pair).fates == ["logged", "logged"]
        append(writer, f"f{number}")

    expected = [name for number in range(5) for name in (f"d{number}", f"e{number}", f"f{number}")]
    assert names(everything(reader, writer.spool)) == expected
    assert reader.find_decision("e3") == decision("e3")


def test_the_commit_of_decisions_can_be_waited_for(
    writer: EventWriter, reader: EventReader
) -> None:
    twice = msgspec.structs.replace(decision("d1"), body_digest=b"again")
    assert writer.hand_over([decision("d1")]).pending.wait(WAIT_S) == [True]
    assert writer.hand_over([twice, decision("d2")]).pending.wait(WAIT_S) == [False, True]
    assert writer.hand_over([]).fates == []
    assert writer.hand_over([]).pending.wait(WAIT_S) == []

    assert reader.find_decision("d1") == decision("d1")
    assert reader.last_sequence(writer.spool) == 2


def test_a_decision_can_be_found_from_the_moment_it_was_handed_over(
    writer: EventWriter, reader: EventReader
) -> None:
    for number in range(50):
        name = f"d{number}"
        pending = writer.hand_over([decision(name)]).pending
        found = writer.uncommitted(decision_key(name)) or reader.find_decision(name)
        assert found == decision(name)
        if number % 10 == 0:
            assert pending.wait(WAIT_S) == [True]
            assert writer.uncommitted(decision_key(name)) is None
            assert reader.find_decision(name) == decision(name)


def test_duplicates_are_told_and_use_up_no_sequence(
    writer: EventWriter, reader: EventReader
) -> None:
    assert append(writer, "a", "b", "a") == [True, True, False]
    assert append(writer, "b") == [False]
    assert append(writer, "c", "a", "d", "c") == [True, False, True, False]

    logged = everything(reader, writer.spool)
    assert names(logged) == ["a", "b", "c", "d"]
    assert [one.sequence for one in logged] == [1, 2, 3, 4]


def test_the_first_of_two_records_with_one_key_counts(
    writer: EventWriter, reader: EventReader
) -> None:
    first = decision("d1")
    second = DecisionRecord(
        decision_id="d1",
        decided_at_us=0,
        body_digest=b"",
        catalog="other",
        policy="p",
        shares={},
        titles=[],
    )
    writer.append([first, second]).wait(WAIT_S)
    writer.append([second]).wait(WAIT_S)

    assert reader.find_decision("d1") == first


def test_big_groups_are_stored_whole(writer: EventWriter, reader: EventReader) -> None:
    many = [f"f{number}" for number in range(2500)]

    assert append(writer, *many) == [True] * 2500
    assert append(writer, *many, "new") == [False] * 2500 + [True]

    logged = everything(reader, writer.spool)
    assert names(logged) == [*many, "new"]
    assert [one.sequence for one in logged] == list(range(1, 2502))
    assert reader.known_keys([feedback_key(name) for name in [*many, "none"]]) == {
        feedback_key(name) for name in many
    }


def test_times_strictly_increase_while_the_clock_steps_back(
    log: Log, writer: EventWriter, reader: EventReader
) -> None:
    for number, seconds in enumerate([0, 5, -60, 0, 30, -3600, 1]):
        log.clock.advance_s(seconds)
        append(writer, f"a{number}", f"b{number}")

    times = [one.at_us for one in everything(reader, writer.spool)]
    assert times == sorted(set(times))
    assert times[0] >= START_US
    assert times[2] >= START_US + 5_000_000


def test_times_follow_a_clock_that_goes_forward(
    log: Log, writer: EventWriter, reader: EventReader
) -> None:
    append(writer, "a")
    log.clock.advance_s(3600)
    append(writer, "b")

    assert everything(reader, writer.spool)[-1].at_us == START_US + 3_600_000_000


def test_an_idle_spool_s_horizon_moves_by_heartbeats(
    log: Log, writer: EventWriter, reader: EventReader
) -> None:
    append(writer, "a")
    log.clock.advance_s(10)
    present = log.clock.now_us()

    await_horizon(reader, writer.spool, present)

    append(writer, "b")
    assert everything(reader, writer.spool)[-1].at_us > present


def test_the_horizon_never_moves_back(log: Log, writer: EventWriter, reader: EventReader) -> None:
    append(writer, "a")
    log.clock.advance_s(10)
    before = await_horizon(reader, writer.spool, log.clock.now_us())
    log.clock.advance_s(-100)

    append(writer, "b")

    after = reader.read(writer.spool, 0, 10)
    assert after.horizon_us >= after.records[-1].at_us > before


def await_horizon(reader: EventReader, spool: str, at_us: int) -> int:
    deadline = time.monotonic() + WAIT_S
    while (horizon := reader.read(spool, 0, 1_000_000).horizon_us) < at_us:
        assert time.monotonic() < deadline, "the horizon stands still"
        time.sleep(0.002)
    return horizon


def test_a_spool_without_a_writer_is_complete_up_to_now(
    log: Log, writer: EventWriter, reader: EventReader
) -> None:
    append(writer, "a")
    writer.close()
    log.clock.advance_s(3600)

    batch = reader.read(writer.spool, 0, 10)
    assert batch.horizon_us == log.clock.now_us()
    assert reader.read(writer.spool, 0, 1).horizon_us == batch.records[0].at_us

    log.clock.advance_s(-7200)
    again = log.writer()
    append(again, "b")
    assert again.spool == writer.spool
    assert everything(reader, again.spool)[-1].at_us > batch.horizon_us
    again.close()


def test_a_new_spool_s_records_are_later_than_what_was_announced_before(
    log: Log, writer: EventWriter, reader: EventReader
) -> None:
    log.clock.advance_s(50)
    announced = await_horizon(reader, writer.spool, log.clock.now_us())
    log.clock.advance_s(-1000)

    second = log.writer()
    append(second, "b")

    assert everything(reader, second.spool)[0].at_us > announced
    second.close()


@pytest.mark.parametrize("log_kind", ["sqlite", "memory"])
@settings(max_examples=25)
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("append"), st.integers(1, 5)),
            st.tuples(st.just("hand over"), st.integers(1, 5)),
            st.tuples(st.just("read"), st.integers(1, 6)),
            st.tuples(st.just("clock"), st.integers(-20, 40)),
            st.tuples(st.just("reopen"), st.just(0)),
            st.tuples(st.just("idle read"), st.integers(1, 50)),
        ),
        max_size=20,
    )
)
def test_nothing_at_or_below_an_announced_horizon_appears_later(
    log_kind: str, steps: list[tuple[str, int]]
) -> None:
    with make_log(log_kind) as log:
        writer, reader = log.writer(), log.reader()
        spool, taken, horizon, appended = writer.spool, 0, 0, 0

        def read(limit: int) -> None:
            nonlocal taken, horizon
            batch = reader.read(spool, taken, limit)
            assert all(one.at_us > horizon for one in batch.records)
            assert [one.sequence for one in batch.records] == list(
                range(taken + 1, batch.last_sequence + 1)
            )
            assert batch.horizon_us >= horizon
            taken, horizon = batch.last_sequence, batch.horizon_us

        for action, amount in steps:
            if action == "append":
                append(writer, *(f"f{appended + index}" for index in range(amount)))
                appended += amount
            elif action == "hand over":
                writer.hand_over([decision(f"d{appended + index}") for index in range(amount)])
                appended += amount
            elif action == "read":
                read(amount)
            elif action == "clock":
                log.clock.advance_s(amount / 10)
            else:
                writer.close()
                if action == "idle read":
                    read(amount)
                writer = log.writer()
        writer.close()
        read(1_000_000)
        assert taken == appended
        reader.close()


def test_two_writers_get_two_spools_and_both_are_read(
    log: Log, writer: EventWriter, reader: EventReader
) -> None:
    second = log.writer()
    assert second.spool != writer.spool

    assert append(writer, "a") == [True]
    assert append(second, "b", "a") == [True, True]

    assert reader.spools() == sorted([writer.spool, second.spool])
    assert names(everything(reader, writer.spool)) == ["a"]
    assert names(everything(reader, second.spool)) == ["b", "a"]
    second.close()


def test_a_reopened_spool_goes_on(log: Log, writer: EventWriter, reader: EventReader) -> None:
    append(writer, "a", "b")
    last_us = everything(reader, writer.spool)[-1].at_us
    writer.close()

    again = log.writer()

    assert again.spool == writer.spool
    assert append(again, "b", "c") == [False, True]
    logged = everything(reader, again.spool)
    assert names(logged) == ["a", "b", "c"]
    assert logged[-1].sequence == 3
    assert logged[-1].at_us > last_us
    again.close()


def test_the_first_free_spool_is_taken(log: Log, writer: EventWriter) -> None:
    second, third = log.writer(), log.writer()
    second.close()

    again = log.writer()

    assert again.spool == second.spool
    again.close()
    third.close()


def test_lookups_search_all_spools(log: Log, writer: EventWriter, reader: EventReader) -> None:
    second = log.writer()
    writer.append([decision("d1"), feedback("f1")]).wait(WAIT_S)
    second.append([decision("d2"), feedback("f2")]).wait(WAIT_S)

    assert reader.find_decision("d1") == decision("d1")
    assert reader.find_decision("d2") == decision("d2")
    assert reader.find_decision("f1") is None
    assert reader.known_keys(
        [decision_key("d1"), decision_key("f1"), feedback_key("f1"), feedback_key("f2")]
    ) == {decision_key("d1"), feedback_key("f1"), feedback_key("f2")}
    assert reader.known_keys([]) == set()
    second.close()


def test_of_a_decision_stored_twice_the_earliest_counts(
    log: Log, writer: EventWriter, reader: EventReader
) -> None:
    later, earlier = decision("d"), msgspec.structs.replace(decision("d"), body_digest=b"first")
    second = log.writer()
    second.append([earlier]).wait(WAIT_S)
    log.clock.advance_s(1)
    writer.append([later]).wait(WAIT_S)

    assert writer.spool < second.spool
    assert reader.find_decision("d") == earlier
    second.close()


def test_sequences_are_found_by_time(log: Log, writer: EventWriter, reader: EventReader) -> None:
    for number in range(9):
        append(writer, f"f{number}")
        log.clock.advance_s(1)
    logged = everything(reader, writer.spool)

    assert reader.sequence_before(writer.spool, 0) == 0
    for one in logged:
        assert reader.sequence_before(writer.spool, one.at_us) == one.sequence - 1
        assert reader.sequence_before(writer.spool, one.at_us + 1) == one.sequence
    assert reader.sequence_before(writer.spool, logged[-1].at_us + 10**12) == 9
    assert reader.last_sequence(writer.spool) == 9


def test_threads_append_at_once(writer: EventWriter, reader: EventReader) -> None:
    results: dict[int, list[bool]] = {}

    def work(index: int) -> None:
        results[index] = [append(writer, f"{index}-{step}", "shared")[0] for step in range(25)]

    threads = [threading.Thread(target=work, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)

    assert results == {index: [True] * 25 for index in range(8)}
    logged = everything(reader, writer.spool)
    assert len(logged) == 201
    assert [one.sequence for one in logged] == list(range(1, 202))
    for index in range(8):
        mine = [name for name in names(logged) if name.startswith(f"{index}-")]
        assert mine == [f"{index}-{step}" for step in range(25)]


def test_a_closed_writer_refuses_and_closing_again_does_nothing(writer: EventWriter) -> None:
    assert writer.is_alive()
    writer.close()

    with pytest.raises(LogUnavailableError) as raised:
        writer.append([feedback("a")])
    assert raised.value.hint
    with pytest.raises(LogUnavailableError):
        writer.hand_over([decision("d")])
    writer.close()
    assert not writer.is_alive()


def test_closing_makes_what_is_queued_durable(writer: EventWriter, reader: EventReader) -> None:
    pending = [writer.append([feedback(f"f{number}")]) for number in range(200)]
    handed = [writer.hand_over([decision(f"d{number}")]).pending for number in range(200)]

    writer.close()

    assert [one.wait(0) for one in pending + handed] == [[True]] * 400
    assert reader.last_sequence(writer.spool) == 400
    assert writer.queue_depth() == 0


def test_an_unknown_spool_is_an_error(reader: EventReader) -> None:
    for call in (
        lambda: reader.read("spool-777", 0, 1),
        lambda: reader.last_sequence("spool-777"),
        lambda: reader.sequence_before("spool-777", 1),
    ):
        with pytest.raises(LogUnavailableError) as raised:
            call()
        assert raised.value.hint
    assert "spool-777" not in reader.spools()


def test_a_log_that_nobody_wrote_is_empty(log: Log) -> None:
    reader = log.reader()

    assert reader.spools() == []
    assert reader.find_decision("d1") is None
    assert reader.known_keys(["d:d1"]) == set()
    reader.close()
