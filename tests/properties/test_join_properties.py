"""Joining depends on the log alone: not on batches, nor on when it was read, nor on restarts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from bandit import merge
from bandit.eventlog.protocol import Learned, SpoolBatch
from bandit.events import (
    ActivationRecord,
    DecisionRecord,
    FeedbackRecord,
    LoggedRecord,
    Record,
)
from bandit.joiner import Joiner, JoinerMemo, Outcome
from bandit.merge import LogMerge, MergePosition
from bandit.reward import RewardRule
from bandit.types import FeedbackType, TitleChoice

RULE = RewardRule(window_s=20e-6, clock_leeway_s=5e-6, close_after_play_s=3e-6, quick_abandon_s=30)
"""A window of 25 instants: generated logs span several of them."""
SPOOLS = ("a", "b", "c")
END_US = 1000


class ListedLog:
    """A log of lists, of which a reader sees what had happened by ``seen_us`` in each spool."""

    def __init__(self, records: dict[str, list[LoggedRecord]]) -> None:
        self.records = records
        self.seen_us = dict.fromkeys(records, 0)

    def spools(self) -> list[str]:
        return sorted(self.records)

    def read(self, spool: str, after: int, limit: int) -> SpoolBatch:
        seen = [one for one in self.records[spool][after:] if one.at_us <= self.seen_us[spool]]
        batch = seen[:limit]
        horizon_us = batch[-1].at_us if len(seen) > limit else self.seen_us[spool]
        return SpoolBatch(batch, horizon_us, [], batch[-1].sequence if batch else after)

    def sequence_before(self, spool: str, at_us: int) -> int:
        return sum(one.at_us < at_us for one in self.records[spool])

    def first_at_us(self, spool: str) -> int | None:
        return next((one.at_us for one in self.records[spool]), None)

    def release(self, learned: dict[str, Learned]) -> None:
        raise NotImplementedError

    def released(self) -> dict[str, Learned]:
        return {}

    def last_sequence(self, spool: str) -> int:
        return len(self.records[spool])

    def find_decision(self, decision_id: str) -> DecisionRecord | None:
        raise NotImplementedError

    def known_keys(self, keys: Sequence[str]) -> set[str]:
        raise NotImplementedError

    def close(self) -> None:
        pass


class Happening(NamedTuple):
    spool: str
    at_us: int
    record: Record


IDS = st.sampled_from("PQRSTUV")


def _decision(name: str, body: bytes, deferred: bool) -> DecisionRecord:
    return DecisionRecord(
        decision_id=name,
        decided_at_us=0,
        body_digest=body,
        catalog="c",
        policy="p",
        shares={},
        titles=[TitleChoice("t", "a", 1.0)],
        deferred=deferred,
    )


def _feedback(name: str, event: int, seconds: float | None) -> FeedbackRecord:
    kind: FeedbackType = "impression" if seconds is None else "play"
    return FeedbackRecord(
        event_id=f"{name}{event}",
        decision_id=name,
        type=kind,
        title="t",
        seconds=seconds,
    )


RECORDS: st.SearchStrategy[Record] = st.one_of(
    st.builds(_decision, IDS, st.sampled_from([b"1", b"1", b"2"]), st.booleans()),
    st.builds(_feedback, IDS, st.integers(0, 5), st.sampled_from([None, None, 3.0, 90.0])),
    st.builds(ActivationRecord, decision_id=IDS),
)
HAPPENINGS = st.lists(
    st.builds(Happening, st.sampled_from(SPOOLS), st.integers(1, 150), RECORDS), max_size=60
)


def _log(happenings: Sequence[Happening]) -> ListedLog:
    records: dict[str, list[LoggedRecord]] = {name: [] for name in SPOOLS}
    for spool, at_us, record in sorted(happenings, key=lambda one: one.at_us):
        stored = records[spool]
        later_us = max(at_us, stored[-1].at_us + 1) if stored else at_us
        stored.append(LoggedRecord(spool, len(stored) + 1, later_us, record))
    return ListedLog(records)


class Run(NamedTuple):
    outcomes: list[Outcome]
    counts: dict[str, int]
    memo: JoinerMemo
    position: MergePosition


def _run(
    log: ListedLog,
    open_max: int,
    *,
    batch: int = 10_000,
    views: Sequence[dict[str, int]] = (),
    restart_every: int = 0,
    events_max: int = 100,
) -> Run:
    """Join a log as it becomes visible in steps, restarted every so many of them."""
    taken = LogMerge(log, batch)
    joiner = Joiner(RULE, open_max, events_max)
    outcomes: list[Outcome] = []
    end = dict.fromkeys(SPOOLS, END_US)
    for step, view in enumerate([*views, *[end] * (60 // batch + 2)], start=1):
        log.seen_us = {name: max(view[name], log.seen_us[name]) for name in SPOOLS}
        records, _, _ = taken.poll()
        for logged, at_us, late in records:
            outcomes += joiner.take(logged.record, at_us, late=late)
        outcomes += joiner.advance(taken.clock_us)
        if restart_every and step % restart_every == 0:
            memo = joiner.memo()
            position = taken.position(memo.replay_from_us)
            again = (
                []
                if memo.replay_from_us is None
                else merge.replay(log, position, memo.replay_from_us, batch)
            )
            joiner = Joiner.rebuild(RULE, open_max, memo, again, events_max)
            assert joiner.memo() == memo
            taken = LogMerge(log, batch, position)
    memo = joiner.memo()
    assert taken.clock_us >= END_US
    log.seen_us = dict.fromkeys(log.seen_us, 0)
    return Run(outcomes, joiner.counts, memo, taken.position(memo.replay_from_us))


VIEWS = st.lists(st.fixed_dictionaries({name: st.integers(0, 180) for name in SPOOLS}), max_size=8)


@settings(max_examples=150, deadline=None)
@given(HAPPENINGS, VIEWS, st.integers(1, 7), st.sampled_from([2, 4, 100]))
def test_batches_and_moments_of_reading_change_nothing(
    happenings: list[Happening], views: list[dict[str, int]], batch: int, open_max: int
) -> None:
    log = _log(happenings)
    assert _run(log, open_max, batch=batch, views=views) == _run(log, open_max)


@settings(max_examples=250, deadline=None)
@given(
    HAPPENINGS,
    VIEWS,
    st.integers(1, 7),
    st.integers(1, 3),
    st.sampled_from([2, 4, 100]),
    st.sampled_from([1, 2, 100]),
)
def test_restarts_change_nothing(
    happenings: list[Happening],
    views: list[dict[str, int]],
    batch: int,
    restart_every: int,
    open_max: int,
    events_max: int,
) -> None:
    log = _log(happenings)
    restarted = _run(
        log,
        open_max,
        batch=batch,
        views=views,
        restart_every=restart_every,
        events_max=events_max,
    )
    assert restarted == _run(log, open_max, events_max=events_max)


@settings(max_examples=150, deadline=None)
@given(HAPPENINGS, VIEWS, st.integers(1, 50), st.integers(1, 3))
def test_restarts_change_nothing_when_clocks_step_back(
    happenings: list[Happening], views: list[dict[str, int]], back_us: int, restart_every: int
) -> None:
    """Spool ``c`` breaks its promise: its records turn up after its horizon had passed them."""

    class Broken(ListedLog):
        def read(self, spool: str, after: int, limit: int) -> SpoolBatch:
            seen_us = self.seen_us[spool]
            if spool == "c":
                self.seen_us[spool] = seen_us - back_us
            batch = super().read(spool, after, limit)
            self.seen_us[spool] = seen_us
            return batch._replace(horizon_us=max(seen_us, batch.horizon_us))

    log = Broken(_log(happenings).records)
    ever = dict.fromkeys(SPOOLS, END_US + back_us)
    plain = _run(log, 4, views=[*views, ever])
    assert _run(log, 4, views=[*views, ever], restart_every=restart_every) == plain
    assert plain.position.sequences == {name: len(log.records[name]) for name in SPOOLS}


@settings(max_examples=150, deadline=None)
@given(HAPPENINGS)
def test_every_shown_decision_closes_once_and_every_event_joins_at_most_once(
    happenings: list[Happening],
) -> None:
    log = _log(happenings)
    run = _run(log, 100)
    counts = run.counts
    assert run.memo.replay_from_us is None
    assert counts["closed"] == len(run.outcomes) == counts["opened"] + counts["activated"]
    assert counts["deferred"] == counts["activated"] + counts["expired"]
    joined = Counter(
        (outcome.decision.decision_id, outcome.decided_at_us, event.event_id)
        for outcome in run.outcomes
        for event in outcome.events
    )
    assert all(times == 1 for times in joined.values())
    assert counts["joined"] == joined.total()


@settings(max_examples=150, deadline=None)
@given(HAPPENINGS)
def test_no_window_closes_early_and_none_stays_open(happenings: list[Happening]) -> None:
    records = [logged for spool in _log(happenings).records.values() for logged in spool]
    joiner = Joiner(RULE, 100)
    for at_us in range(END_US):
        for logged in records:
            if logged.at_us == at_us:
                assert joiner.take(logged.record, at_us) == []
        for outcome in joiner.advance(at_us):
            assert outcome.closed_by == "play" or at_us >= outcome.decided_at_us + 25
    assert joiner.waiting == 0
