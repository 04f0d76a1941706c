"""Feedback found in a log and joined: what is told is what the learner makes of the same log."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bandit.catalog import empty_catalog
from bandit.clock import ManualClock, to_us
from bandit.config import Config
from bandit.errors import LogUnavailableError
from bandit.eventlog.memory import MemoryEventLog, MemoryEventReader
from bandit.eventlog.protocol import SpoolBatch, in_log_order
from bandit.events import ActivationRecord, DecisionRecord, FeedbackRecord
from bandit.joined_so_far import Found, find, join, rewards
from bandit.joiner import Joiner, Outcome
from bandit.lifecycle import Disposition
from bandit.reward import RewardRule
from bandit.training import Trainer
from bandit.types import Artwork, FeedbackType, RowChoice, Title, TitleChoice

START_US = 1_800_000_000_000_000
RULE = RewardRule(window_s=60.0, clock_leeway_s=5.0)
CONFIG = Config(reward=RULE)
EVENTS_MAX = 6


def decision(decision_id: str = "d", **more: Any) -> DecisionRecord:
    return DecisionRecord(
        decision_id=decision_id,
        decided_at_us=START_US,
        body_digest=b"",
        catalog="empty",
        policy="p",
        shares={"artwork": "learned", "rows": "learned"},
        titles=[TitleChoice(name, "a", 0.5) for name in ("t0", "t1", "t2")],
        rows=[
            RowChoice("r0", 0, 1.0, True, ["t0", "t1"]),
            RowChoice("r1", 1, 0.5, False, ["t1", "t2"]),
        ],
        row_candidates=["r0", "r1"],
        inline_titles=[Title(name, [Artwork("a")]) for name in ("t0", "t1", "t2")],
        **more,
    )


def feedback(number: int, kind: FeedbackType = "click", title: str = "t0", **more: Any) -> Any:
    fields = {"decision_id": "d", **more}
    return FeedbackRecord(event_id=f"e{number}", type=kind, title=title, **fields)


def never() -> bool:
    return False


class Scene:
    """A log of two spools, and a clock."""

    def __init__(self) -> None:
        self.clock = ManualClock(START_US)
        self.log = MemoryEventLog(self.clock)
        self.writers = [self.log.writer(), self.log.writer()]
        self.reader = self.log.reader()

    def add(self, record: Any, after_s: float = 0.0, spool: int = 0) -> None:
        self.clock.advance_s(after_s)
        self.writers[spool].append([record])

    def found(self, about: DecisionRecord, **more: Any) -> Found:
        return find(self.reader, about, RULE, never, **more)


def test_all_spools_are_read_from_a_little_before_the_decision() -> None:
    scene = Scene()
    scene.add(feedback(0, decision_id="other"))
    scene.add(feedback(1), spool=1)
    scene.add(decision(), 1.0)
    scene.add(feedback(2, decision_id="other"), 1.0)
    scene.add(feedback(3, "play", seconds=90.0), 1.0, spool=1)
    found = scene.found(decision())
    assert found.complete
    joined = join(decision(), found, RULE, EVENTS_MAX)
    assert [(one.event.event_id, one.taken_as) for one in joined.events] == [
        ("e1", Disposition.HELD),
        ("e3", Disposition.JOINED),
    ]
    assert joined.state.startswith("closing")
    assert joined.closes_at_us is not None
    assert 0 < joined.closes_at_us - scene.clock.now_us() <= to_us(0.5)


def test_what_lies_past_the_window_is_not_looked_for() -> None:
    scene = Scene()
    scene.add(decision())
    scene.add(feedback(1), 1.0)
    scene.add(feedback(2), 100.0)
    found = scene.found(decision())
    assert found.complete
    assert [logged.record for logged in found.records] == [decision(), feedback(1)]
    joined = join(decision(), found, RULE, EVENTS_MAX)
    assert joined.state == "closed: its window is over"
    assert joined.closes_at_us is None


def test_a_decision_that_is_not_committed_is_open() -> None:
    joined = join(decision(), Scene().found(decision()), RULE, EVENTS_MAX)
    assert joined.state.startswith("open")
    assert joined.closes_at_us == START_US + to_us(65)
    assert joined.outcome is not None
    assert (joined.outcome.decision, joined.outcome.events) == (decision(), ())


def test_the_bound_is_on_all_spools_together() -> None:
    scene = Scene()
    scene.add(decision())
    for number in range(10):
        scene.add(feedback(number), 0.1, spool=number % 2)
    for most in (3, 6, 9):
        found = scene.found(decision(), records_max=most)
        assert len(found.records) == most
        assert not found.complete
    assert scene.found(decision(), records_max=12).complete


def test_reading_is_bounded_and_says_so() -> None:
    scene = Scene()
    scene.add(decision())
    for number in range(10):
        scene.add(feedback(number), 0.1)
    few = scene.found(decision(), records_max=4)
    assert not few.complete
    assert [logged.record for logged in few.records] == [
        decision(), *(feedback(number) for number in range(3))
    ]  # fmt: skip
    assert scene.found(decision(), records_max=100).complete
    late = find(scene.reader, decision(), RULE, lambda: True)
    assert not late.complete
    assert late.records == []


def test_a_spool_that_cannot_be_read_leaves_the_rest_and_is_told() -> None:
    class Torn(MemoryEventReader):
        def about(self, spool: str, decision_id: str, after: int, limit: int) -> SpoolBatch:
            if spool == "spool-001":
                raise LogUnavailableError("torn", hint="mend it")
            return super().about(spool, decision_id, after, limit)

    scene = Scene()
    scene.add(decision())
    scene.reader.__class__ = Torn
    found = scene.found(decision())
    assert not found.complete
    assert [logged.record for logged in found.records] == [decision()]


_SECONDS = st.sampled_from([None, 5.0, 120.0])
_RECORDS = st.one_of(
    st.builds(
        feedback,
        st.integers(0, 9),
        st.sampled_from(["impression", "click", "play"]),
        st.sampled_from(["t0", "t1", "t2", "stranger"]),
        row=st.sampled_from([None, "r0", "r1"]),
        seconds=_SECONDS,
    ),
    st.just(ActivationRecord(decision_id="d")),
    st.builds(feedback, st.integers(20, 29), decision_id=st.just("other")),
)


@settings(max_examples=150, deadline=None)
@given(
    deferred=st.booleans(),
    before=st.lists(_RECORDS, max_size=2),
    after=st.lists(st.tuples(_RECORDS, st.floats(0.001, 40.0), st.integers(0, 1)), max_size=8),
)
def test_it_is_what_the_learner_makes_of_it(
    deferred: bool, before: list[Any], after: list[tuple[Any, float, int]]
) -> None:
    scene, made = Scene(), decision(deferred=deferred)
    for record in before:
        scene.add(record, 0.001, spool=1)
    scene.add(made, 0.001)
    for record, wait_s, spool in after:
        scene.add(record, wait_s, spool)
    scene.clock.advance_s(300.0)
    joined = join(made, scene.found(made), RULE, EVENTS_MAX)
    outcome = learned(scene)
    assert joined.outcome == outcome
    assert joined.closes_at_us is None
    if outcome is not None:
        _same_rewards(outcome)


def learned(scene: Scene) -> Outcome | None:
    """Return what the learner's joiner makes of the whole log for the decision."""
    reader = scene.reader
    records = [logged for name in reader.spools() for logged in reader.read(name, 0, 100).records]
    joiner = Joiner(RULE, 1000, EVENTS_MAX)
    outcomes = [
        outcome
        for logged in sorted(records, key=in_log_order)
        for outcome in joiner.take(logged.record, logged.at_us)
    ]
    outcomes += joiner.advance(scene.clock.now_us())
    found = [outcome for outcome in outcomes if outcome.decision.decision_id == "d"]
    return found[0] if found else None


def _same_rewards(outcome: Outcome) -> None:
    """Check rewards against the examples that are learned."""
    examples = Trainer(CONFIG, lambda _version: empty_catalog()).train(outcome).examples
    told = rewards(CONFIG, outcome)
    assert [one.reward for one in told.titles.values()] == [
        example.reward for example in examples.get("artwork", [])
    ]
    # A pinned row earns, and is not learned from.
    learned_from = [one.reward for one in told.rows.values() if "pinned" not in one.why]
    assert learned_from == [example.reward for example in examples.get("rows", [])]
    assert {row for row, one in told.rows.items() if "pinned" in one.why} <= {"r0"}
