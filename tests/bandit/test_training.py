from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bandit.catalog import Catalog
from bandit.config.schema import Config
from bandit.engine import TrainingExample
from bandit.errors import CatalogError
from bandit.events import DecisionRecord, FeedbackRecord, InlineRow
from bandit.features import (
    ARTWORK,
    CONTEXT,
    ID,
    POSITION,
    ROW,
    TITLE,
    Encoded,
    encode,
    encode_id,
    encode_position,
)
from bandit.joiner import Outcome
from bandit.reward import RewardRule
from bandit.statistics import LearningCounts
from bandit.training import Learned, Trainer
from bandit.types import Artwork, FeedbackType, RowChoice, Surface, Title, TitleChoice
from tests.learning_world import document

CATALOG = Catalog.build(document())
RULE = RewardRule(click=0.25, play=0.5, play_fraction=0.5)


def _config(surface: Surface = "artwork", cb_type: str | None = None, **changes: Any) -> Config:
    config = Config(reward=RULE)
    settings = getattr(config.surfaces, surface)
    if cb_type is not None:
        changes["model"] = msgspec.structs.replace(settings.model, cb_type=cb_type)
    changed = msgspec.structs.replace(settings, **changes)
    surfaces = msgspec.structs.replace(config.surfaces, **{surface: changed})
    return msgspec.structs.replace(config, surfaces=surfaces)


def _decision(**changes: Any) -> DecisionRecord:
    rows = [
        RowChoice("r1", 0, 1.0, True, ["t1", "t7"]),
        RowChoice("r0", 1, 0.5, False, ["t0", "t6"]),
        RowChoice("r2", 2, 0.25, False, ["t2"]),
    ]
    whole: dict[str, Any] = {
        "decision_id": "d",
        "decided_at_us": 0,
        "body_digest": b"",
        "catalog": CATALOG.version,
        "policy": "p",
        "shares": {"artwork": "learned", "rows": "learned"},
        "titles": [TitleChoice(name, "a2", 0.25) for row in rows for name in row.titles],
        "rows": rows,
        "row_candidates": ["r0", "r1", "r2", "r3"],
        "context": {"age": 3.0},
    }
    return DecisionRecord(**(whole | changes))


def _event(
    kind: FeedbackType,
    title: str,
    row: str | None = None,
    *,
    seconds: float | None = None,
    fraction: float | None = None,
) -> FeedbackRecord:
    return FeedbackRecord(
        event_id=f"{kind}{title}",
        decision_id="d",
        type=kind,
        title=title,
        row=row,
        seconds=seconds,
        fraction=fraction,
    )


def _train(
    config: Config, *events: FeedbackRecord, decision: DecisionRecord | None = None
) -> Learned:
    outcome = Outcome(decision or _decision(), 0, events, "window")
    return Trainer(config, lambda version: CATALOG).train(outcome)


def _assert_encoded(found: Encoded, expected: Encoded) -> None:
    assert sorted(zip(*found, strict=True)) == sorted(zip(*expected, strict=True))


def _rewards(examples: list[TrainingExample]) -> list[float]:
    return [example.reward for example in examples]


def test_a_seen_title_is_one_example_with_what_was_scored() -> None:
    learned = _train(_config(), _event("impression", "t0"), _event("click", "t0"))
    (example,) = learned.examples["artwork"]
    assert (example.reward, example.propensity, example.chosen) == (0.25, 0.25, 0)
    _assert_encoded(example.shared[CONTEXT], encode(CONTEXT, {"age": 3.0}))
    title = document().titles[0]
    (candidate,) = example.candidates
    assert set(candidate.groups) == {TITLE, ARTWORK, ID}
    _assert_encoded(candidate.groups[TITLE], encode(TITLE, title.features))
    _assert_encoded(candidate.groups[ARTWORK], encode(ARTWORK, title.artworks[2].features))
    _assert_encoded(candidate.groups[ID], encode_id("t0/a2"))


def test_exposure_decides_what_is_learned_from() -> None:
    event = _event("play", "t6", "r0", fraction=1.0)
    assert _rewards(_train(_config(), event).examples["artwork"]) == [1.0]
    cascade = _train(_config(exposure="cascade"), event)
    assert _rewards(cascade.examples["artwork"]) == [0, 0, 0, 1]
    everything = _train(_config(exposure="all"), event)
    assert _rewards(everything.examples["artwork"]) == [0, 0, 0, 1, 0]
    assert _train(_config()).examples == {}


@pytest.mark.parametrize("cb_type", ["mtr", "ips", "dr"])
def test_contextual_bandits_get_all_candidates(cb_type: str) -> None:
    learned = _train(_config(cb_type=cb_type), _event("click", "t0"))
    (example,) = learned.examples["artwork"]
    assert (len(example.candidates), example.chosen) == (4, 2)
    ids = [candidate.groups[ID].hashes[0] for candidate in example.candidates]
    assert ids == [encode_id(f"t0/a{index}").hashes[0] for index in range(4)]


def test_a_row_is_one_example_with_its_position_unless_pinned() -> None:
    learned = _train(
        _config("rows"),
        _event("click", "t1", "r1"),
        _event("impression", "t0", "r0"),
        _event("play", "t6", "r0", fraction=0.5),
        _event("impression", "t2", "r2"),
    )
    first, second = learned.examples["rows"]
    assert (first.reward, first.propensity) == (0.75, 0.5)
    assert (second.reward, second.propensity) == (0.0, 0.25)
    (candidate,) = first.candidates
    assert set(candidate.groups) == {ROW, ID, POSITION}
    _assert_encoded(candidate.groups[ROW], encode(ROW, document().rows[0].features))
    _assert_encoded(candidate.groups[ID], encode_id("r0"))
    _assert_encoded(candidate.groups[POSITION], encode_position(1))


def test_rows_compete_with_those_not_yet_placed() -> None:
    learned = _train(_config("rows", cb_type="mtr"), _event("click", "t2", "r2"))
    (example,) = learned.examples["rows"]
    ids = [candidate.groups[ID].hashes[0] for candidate in example.candidates]
    assert ids == [encode_id(name).hashes[0] for name in ("r2", "r3")]
    assert example.chosen == 0


def test_a_row_pinned_out_of_the_page_does_not_compete() -> None:
    decision = _decision(pins={"r1": 0, "r3": 3})
    config = _config("rows", cb_type="mtr")
    (example,) = _train(config, _event("click", "t2", "r2"), decision=decision).examples["rows"]
    ids = [candidate.groups[ID].hashes[0] for candidate in example.candidates]
    assert ids == [encode_id("r2").hashes[0]]


@pytest.mark.parametrize("surface", ["artwork", "rows"])
def test_only_the_configured_shares_are_learned(surface: Surface) -> None:
    event = _event("click", "t0", "r0")
    for share, count in (("learned", 1), ("explore", 1), ("holdout", 0)):
        decision = _decision(shares={"artwork": share, "rows": share})
        learned = _train(_config(), event, decision=decision)
        assert len(learned.examples.get(surface, [])) == count
        assert len(learned.displays[surface]) == 1
    only = _config(surface, learn_from=["holdout"])
    assert surface not in _train(only, event).examples


@pytest.mark.parametrize("surface", ["artwork", "rows"])
def test_log_only_learns_nothing_and_counts(surface: Surface) -> None:
    learned = _train(_config(surface, mode="log_only"), _event("click", "t0", "r0"))
    assert surface not in learned.examples
    assert len(learned.displays[surface]) == 1


def test_an_apprentice_learns_the_baselines_artwork() -> None:
    learned = _train(_config(mode="apprentice"), _event("impression", "t0"))
    examples = learned.examples["artwork"]
    assert [(one.chosen, one.reward, one.propensity) for one in examples] == [
        (0, 0.0, 1.0),
        (1, 0.0, 1.0),
        (2, 1.0, 1.0),
        (3, 0.0, 1.0),
    ]
    assert learned.missing == 0


def test_an_apprentice_learns_the_baselines_order_without_positions() -> None:
    learned = _train(
        _config("rows", mode="apprentice"), _event("click", "t0", "r0"), _event("click", "t2", "r2")
    )
    first, second = learned.examples["rows"]
    assert first.reward > second.reward > 0
    assert set(first.candidates[0].groups) == {ROW, ID}


def test_inline_titles_and_rows_stand_in_place_of_the_catalogs() -> None:
    title = Title("t0", [Artwork("a2", {"new": 2.0})], {"made": "here"})
    decision = _decision(inline_titles=[title], inline_rows=[InlineRow("r0", {"mood": "calm"})])
    learned = _train(_config(), _event("click", "t0", "r0"), decision=decision)
    groups = learned.examples["artwork"][0].candidates[0].groups
    _assert_encoded(groups[ARTWORK], encode(ARTWORK, {"new": 2.0}))
    _assert_encoded(groups[TITLE], encode(TITLE, {"made": "here"}))
    row = learned.examples["rows"][0].candidates[0].groups
    _assert_encoded(row[ROW], encode(ROW, {"mood": "calm"}))


@pytest.mark.parametrize("cb_type", ["regression", "mtr"])
def test_what_no_catalog_knows_is_counted_and_not_learned(cb_type: str) -> None:
    def lost(version: str) -> Catalog:
        raise CatalogError("", f"{version} is lost")

    events = (_event("click", "t0", "r0"), _event("click", "t6", "r0"))
    outcome = Outcome(_decision(), 0, events, "window")
    learned = Trainer(_config(cb_type=cb_type), lost).train(outcome)
    assert learned.missing == 2
    assert learned.examples["artwork"] == []
    assert len(learned.displays["artwork"]) == 2
    gone = _decision(titles=[TitleChoice("t0", "withdrawn", 0.5)])
    assert _train(_config(cb_type=cb_type), _event("click", "t0"), decision=gone).missing == 1


def test_counts_tell_shares_apart() -> None:
    trainer = Trainer(_config(), lambda version: CATALOG)
    counts = LearningCounts()
    for share in ("learned", "holdout", "holdout"):
        decision = _decision(shares={"artwork": share, "rows": share}, greedy_match=0.5)
        events = (
            _event("impression", "t0"),
            _event("click", "t6"),
            _event("play", "t6", seconds=900.0, fraction=1.0),
            _event("play", "t2", seconds=1.0),
            _event("impression", "nowhere"),
        )
        outcome = Outcome(decision, 0, events, "play")
        trainer.count(outcome, trainer.train(outcome), counts)
    holdout = counts.shares["artwork"]["holdout"]
    assert (holdout.displays, holdout.clicks, holdout.plays, holdout.reward) == (6, 2, 2, 2.0)
    assert counts.shares["artwork"]["learned"].displays == 3
    assert counts.shares["artwork"]["explore"].displays == 0
    assert counts.shares["rows"]["holdout"].displays == 4
    assert counts.examples == {"artwork": 3, "rows": 2}
    assert counts.outcomes == {"play": 3}
    assert counts.unplaced_events == 3
    assert (counts.match_pages, counts.match_sum) == (3, 1.5)


def _shown(count: int, *kinds: FeedbackType) -> tuple[FeedbackRecord, ...]:
    return tuple(_event(kind, f"t{index}") for index in range(count) for kind in kinds)


def _wide(decision_id: str = "d", **changes: Any) -> DecisionRecord:
    choices = [TitleChoice(f"t{index}", "a2", 0.25) for index in range(24)]
    loose = [choice.title for choice in choices]
    return _decision(
        decision_id=decision_id, titles=choices, rows=[], loose_titles=loose, **changes
    )


def _titles_learned(config: Config, decision: DecisionRecord, *kinds: FeedbackType) -> list[float]:
    found = _train(config, *_shown(24, *kinds), decision=decision)
    assert len(found.displays["artwork"]) == 24
    return [example.weight for example in found.examples["artwork"]]


def test_a_share_of_what_was_not_touched_is_learned_and_stands_for_the_rest() -> None:
    config = _config(zero_reward_share=0.25)
    weights = [_titles_learned(config, _wide(f"d{number}"), "impression") for number in range(100)]
    assert {weight for several in weights for weight in several} == {2.0}
    learned = sum(map(len, weights))
    # 2,400 draws: 600 expected, standard deviation 21.2; fixed ids
    assert 520 < learned < 680
    assert len({len(several) for several in weights}) > 1


def test_what_is_left_out_is_the_same_in_a_replay_and_another_on_another_page_or_salt() -> None:
    config = _config(zero_reward_share=0.5)
    salted = msgspec.structs.replace(
        config, surfaces=msgspec.structs.replace(config.surfaces, salt="other")
    )

    def learned(settings: Config, decision_id: str) -> list[int]:
        found = _train(settings, *_shown(24, "impression"), decision=_wide(decision_id))
        return [int(one.candidates[0].groups[ID].hashes[0]) for one in found.examples["artwork"]]

    assert learned(config, "d1") == learned(config, "d1")
    assert learned(config, "d1") != learned(config, "d2")
    assert learned(config, "d1") != learned(salted, "d1")


def test_whatever_was_touched_is_always_learned() -> None:
    worthless = msgspec.structs.replace(RULE, click=0.0)
    config = msgspec.structs.replace(_config(zero_reward_share=0.01), reward=worthless)
    assert _titles_learned(config, _wide(), "impression", "click") == pytest.approx([0.1] * 24)
    abandoned = [_event("play", f"t{index}", seconds=1.0) for index in range(24)]
    found = _train(config, *abandoned, decision=_wide())
    assert _rewards(found.examples["artwork"]) == [0.0] * 24
    assert [one.weight for one in found.examples["artwork"]] == pytest.approx([0.1] * 24)


def test_a_default_reward_leaves_nothing_out() -> None:
    worth = msgspec.structs.replace(RULE, default=0.1)
    config = msgspec.structs.replace(_config(zero_reward_share=0.01), reward=worth)
    assert _titles_learned(config, _wide(), "impression") == pytest.approx([0.1] * 24)


def test_an_apprentice_leaves_nothing_out() -> None:
    config = _config(zero_reward_share=0.01, mode="apprentice")
    assert len(_titles_learned(config, _wide(), "impression")) == 24 * 4


def test_rows_are_left_out_by_their_own_share() -> None:
    config = _config("rows", zero_reward_share=0.25)
    learned = 0
    for number in range(200):
        found = _train(
            config,
            _event("impression", "t0"),
            _event("impression", "t2"),
            _event("click", "t6"),
            decision=_decision(decision_id=f"d{number}"),
        )
        assert len(found.examples["artwork"]) == 3
        # r0 holds the click and is always learned; r2 only has an impression
        assert found.examples["rows"][0].weight == 0.5
        learned += len(found.examples["rows"]) - 1
        assert [one.weight for one in found.examples["rows"][1:]] in ([], [2.0])
        assert len(found.displays["rows"]) == 2
    # 200 draws: 50 expected, standard deviation 6.1; fixed ids
    assert 25 < learned < 75


def test_a_decision_that_stands_for_others_weighs_as_many() -> None:
    decision = _wide(pass_probability=0.25)
    assert _titles_learned(_config(), decision, "impression") == [4.0] * 24
    fewer = _titles_learned(_config(zero_reward_share=0.25), decision, "impression")
    assert set(fewer) == {8.0}
    rows = _train(
        _config(), _event("click", "t0"), decision=_decision(pass_probability=0.5)
    ).examples["rows"]
    assert [example.weight for example in rows] == [2.0]


def test_figures_count_what_is_left_out_as_well() -> None:
    trainer = Trainer(_config(zero_reward_share=0.1), lambda version: CATALOG)
    counts = LearningCounts()
    outcome = Outcome(_wide(), 0, _shown(24, "impression"), "window")
    trainer.count(outcome, trainer.train(outcome), counts)
    assert counts.shares["artwork"]["learned"].displays == 24
    assert counts.examples["artwork"] < 12
