"""Rounds of our own log: the same from its spools and from its export, and right."""

from __future__ import annotations

import gc
from contextlib import closing
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest

from bandit.catalog import CatalogStore
from bandit.clock import ManualClock, WallClock
from bandit.config import Config
from bandit.config.schema import LimitsConfig
from bandit.config.surfaces import ArtworkSurfaceConfig, SurfacesConfig
from bandit.eventlog.sqlite_reader import SqliteEventReader
from bandit.eventlog.sqlite_writer import SqliteEventWriter
from bandit.events import DecisionRecord, FeedbackRecord, InlineRow, Record
from bandit.exposure import seen
from bandit.joiner import Outcome
from bandit.metrics import NoMetrics
from bandit.outcome_files import OutcomeFiles, export_log
from bandit.outcome_files.manifest import read_manifest, write_manifest
from bandit.outcome_files.writing import OutcomeWriter
from bandit.reward import RewardRule
from bandit.types import Artwork, RowChoice, Title, TitleChoice
from simulator.datasets import Source, concatenate, concatenate_rankings, open_source
from simulator.errors import LoggedDataError, MissingDataError, PropensityError
from simulator.logged import LoggedChoices, LoggedRankings
from tests import learning_world as world

START_US = 1_700_000_000_000_000


class Logged(NamedTuple):
    config: Config
    log: Path
    export: Path


def write(root: Path, records: list[Record]) -> Logged:
    """Write records into a log, and export it."""
    config = world.config(root)
    clock = ManualClock(START_US)
    writer = SqliteEventWriter.open(config.log.directory, clock, config.log, NoMetrics())
    for record in records:
        clock.advance_s(0.01)
        writer.append([record]).wait(10)
    writer.close()
    return Logged(config, Path(config.log.directory), export(root, config))


def export(root: Path, config: Config) -> Path:
    clock = WallClock()
    catalogs = CatalogStore(config.catalog.directory, LimitsConfig())
    with closing(SqliteEventReader(config.log.directory, clock)) as reader:
        export_log(reader, catalogs, config, root / "out", clock.now_us())
    return root / "out"


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Logged:
    root = tmp_path_factory.mktemp("own")
    _, version = world.store_catalog(root)
    config = world.config(root)
    clock = ManualClock(START_US)
    writer = SqliteEventWriter.open(config.log.directory, clock, config.log, NoMetrics())
    world.write([writer], clock, world.chunks(150, version))
    writer.close()
    return Logged(config, Path(config.log.directory), export(root, config))


def same(first: LoggedChoices | LoggedRankings, second: LoggedChoices | LoggedRankings) -> None:
    assert type(first) is type(second)
    for field in fields(first):
        one, other = getattr(first, field.name), getattr(second, field.name)
        if isinstance(one, np.ndarray):
            np.testing.assert_array_equal(one, other)
        elif field.name == "origin":
            assert list(one.records) == list(other.records)
            np.testing.assert_array_equal(one.record_of, other.record_of)
            np.testing.assert_array_equal(one.title_of, other.title_of)
        else:
            assert one == other, field.name


def test_spools_and_export_give_the_same_rounds(logged: Logged) -> None:
    spools = open_source(str(logged.log), config=logged.config)
    exported = open_source(str(logged.export))
    assert (spools.kind, exported.kind) == ("both", "both")
    same(concatenate(spools.choices()), concatenate(exported.choices()))
    same(concatenate_rankings(spools.rankings()), concatenate_rankings(exported.rankings()))


def test_the_size_of_batches_makes_no_difference(logged: Logged) -> None:
    source = open_source(logged.export)
    batches = list(source.choices(100))
    assert len(batches) > 3
    same(concatenate(batches), concatenate(source.choices()))
    same(concatenate_rankings(source.rankings(10)), concatenate_rankings(source.rankings()))


def test_rounds_are_seen_titles_with_their_rewards(logged: Logged) -> None:
    files = OutcomeFiles(logged.export)
    rounds = concatenate(open_source(logged.export).choices())
    assert rounds.origin is not None
    expected = []
    for outcome in (one for batch in files.outcomes() for one in batch):
        found = seen(outcome.decision, outcome.events, "reported")
        for choice in outcome.decision.titles:
            if choice.title in found.titles:
                reward = world.RULE.reward(found.titles[choice.title])
                expected.append(
                    (outcome.decision.decision_id, choice.title, choice.artwork, reward)
                )
    records = rounds.origin.records
    items = [rounds.names.items[code].split("/") for code in rounds.items()]
    found_rounds = [
        (records[record].decision_id, title, artwork, reward)
        for record, (title, artwork), reward in zip(
            rounds.origin.record_of, items, rounds.reward.tolist(), strict=True
        )
    ]
    assert found_rounds == expected
    assert any(reward > 0 for *_, reward in expected)
    for number, (record, title) in enumerate(
        zip(rounds.origin.record_of, rounds.origin.title_of, strict=True)
    ):
        choice = records[record].titles[title]
        assert f"{choice.title}/{choice.artwork}" == rounds.names.items[rounds.items()[number]]


def test_columns_say_what_they_are(logged: Logged) -> None:
    rounds = concatenate(open_source(logged.export).choices())
    assert rounds.names.contexts == ("age", *(f"taste={one}" for one in sorted(world.SUBJECTS)))
    assert rounds.names.segments == ["explore", "holdout", "learned"]
    assert rounds.context is not None
    np.testing.assert_array_equal(rounds.context[:, 1:].sum(axis=1), 1)
    assert rounds.item_features is not None
    bright = rounds.names.features.index("artwork.bright")
    code = rounds.names.items.index("t3/a2")
    assert rounds.item_features[code, bright] == np.float32(2 / world.ARTWORKS)
    assert (rounds.action_count, rounds.candidates is not None) == (world.ARTWORKS, True)


def test_rankings_hold_order_chances_and_rewards_by_position(logged: Logged) -> None:
    rankings = concatenate_rankings(open_source(logged.export).rankings())
    assert rankings.item_count == world.ROWS
    assert rankings.origin is not None
    assert rankings.seen is not None
    outcomes = {
        one.decision.decision_id: one
        for batch in OutcomeFiles(logged.export).outcomes()
        for one in batch
    }
    assert rankings.reward.shape == (len(outcomes), 3)
    for number, decision in enumerate(rankings.origin.records):
        outcome = outcomes[decision.decision_id]
        served = [decision.row_candidates[item] for item in rankings.items[number]]
        assert served == [row.id for row in decision.rows]
        rows = seen(decision, outcome.events, "reported").rows
        for at in range(3):
            assert rankings.seen[number, at] == (at in rows)
            rewards = [world.RULE.reward(events) for events in rows.get(at, {}).values()]
            assert rankings.reward[number, at] == (max(rewards) if rewards else 0.0)
    np.testing.assert_array_equal(rankings.propensity, 0.25)


def test_a_context_feature_may_tell_segments_apart(logged: Logged) -> None:
    source = open_source(logged.export, segment="taste")
    rounds = concatenate(source.choices())
    assert rounds.names.segments == sorted(world.SUBJECTS)
    assert rounds.segment is not None
    assert rounds.context is not None
    np.testing.assert_array_equal(rounds.segment, rounds.context[:, 1:].argmax(axis=1))


def test_a_segment_that_no_page_has_is_refused(logged: Logged) -> None:
    with pytest.raises(LoggedDataError, match="country: is a feature that no page's context has"):
        open_source(logged.export, segment="country")


def test_a_configuration_changes_reward_and_exposure(logged: Logged) -> None:
    config = Config(
        reward=RewardRule(default=0.25, window_s=60),
        surfaces=SurfacesConfig(artwork=ArtworkSurfaceConfig(exposure="all")),
    )
    rounds = concatenate(open_source(logged.export, config=config).choices())
    assert len(rounds) == OutcomeFiles(logged.export).manifest.outcomes * 12
    assert rounds.reward.min() < 0.25 <= np.median(rounds.reward)


def test_another_window_than_the_exports_is_noted(logged: Logged) -> None:
    notes = open_source(logged.export, config=Config()).notes
    assert any("joined for 60 s, not the configured 600 s" in note for note in notes)


def test_outcomes_that_a_play_cut_short_are_noted(logged: Logged) -> None:
    manifest = read_manifest(logged.export)
    notes = open_source(logged.export).notes
    played = manifest.closed_by["play"]
    assert any(
        f"{played:,} of {manifest.outcomes:,} outcomes were closed by a play, 1 s" in note
        for note in notes
    )


def decision(name: str, version: str, **given: Any) -> DecisionRecord:
    values: dict[str, Any] = {
        "decision_id": name,
        "decided_at_us": 0,
        "body_digest": name.encode(),
        "catalog": version,
        "policy": "p",
        "shares": {"artwork": "learned", "rows": "learned"},
        "titles": [TitleChoice("t0", "a1", 0.5)],
    }
    return DecisionRecord(**(values | given))


def impression(name: str, title: str = "t0") -> FeedbackRecord:
    return FeedbackRecord(
        event_id=f"{name}-{title}", decision_id=name, type="impression", title=title
    )


def test_what_was_decided_without_chance_is_left_out_and_told(tmp_path: Path) -> None:
    _, version = world.store_catalog(tmp_path)
    rows = [RowChoice("r0", 0, 1.0, False, ["t0"])]
    certain = decision(
        "certain",
        version,
        titles=[TitleChoice("t0", "a0", 1.0)],
        rows=rows,
        row_candidates=["r0", "r1"],
    )
    drawn = decision("drawn", version)
    made = write(tmp_path, [certain, impression("certain"), drawn, impression("drawn")])
    source = open_source(made.export)
    rounds = concatenate(source.choices())
    assert rounds.propensity.tolist() == [0.5]
    assert any("1 of 2 artworks were served without chance" in note for note in source.notes)
    assert any("1 of 1 pages were ordered without chance" in note for note in source.notes)
    with pytest.raises(LoggedDataError, match="there are none"):
        concatenate_rankings(source.rankings())
    everything = open_source(made.export, keep_certain=True)
    assert sorted(concatenate(everything.choices()).propensity.tolist()) == [0.5, 1.0]
    assert len(concatenate_rankings(everything.rankings())) == 1


def test_titles_and_rows_given_with_the_page_are_items_too(tmp_path: Path) -> None:
    _, version = world.store_catalog(tmp_path)
    title = Title("mine", [Artwork("x", {"dark": 1.0}), Artwork("y", {})], {"genre": "own"})
    page = decision(
        "d",
        version,
        titles=[TitleChoice("mine", "y", 0.5)],
        inline_titles=[title],
        inline_rows=[InlineRow("own-row", {"kind": "special"})],
        rows=[RowChoice("own-row", 0, 0.5, False, ["mine"])],
        row_candidates=["r0", "own-row"],
    )
    made = write(tmp_path, [page, impression("d", "mine")])
    rounds = concatenate(open_source(made.export).choices())
    assert list(rounds.names.items) == ["mine/x", "mine/y"]
    assert rounds.item_features is not None
    dark = rounds.names.features.index("artwork.dark")
    assert rounds.item_features[:, dark].tolist() == [1.0, 0.0]
    rankings = concatenate_rankings(open_source(made.export).rankings())
    assert rankings.item_features is not None
    special = rankings.names.features.index("kind=special")
    assert rankings.item_features[rankings.names.items.index("own-row"), special] == 1.0


def refused(directory: Path, error: type[LoggedDataError], told: str) -> Source:
    """Check that opening is refused, and return the source with what is bad left out."""
    with pytest.raises(error, match=told):
        open_source(directory)
    return open_source(directory, skip_bad=True)


def test_zero_propensities_are_refused_with_count_and_ids(tmp_path: Path) -> None:
    _, version = world.store_catalog(tmp_path)
    bad = decision("bad", version, titles=[TitleChoice("t0", "a1", 0.0)])
    records: list[Record] = [bad, impression("bad"), decision("good", version), impression("good")]
    made = write(tmp_path, records)
    source = refused(made.export, PropensityError, r"in 1 of 2 rows .*first: bad")
    assert source.skipped == 1
    assert len(concatenate(source.choices())) == 1


def test_decisions_that_stand_there_twice_are_refused_with_count_and_ids(tmp_path: Path) -> None:
    _, version = world.store_catalog(tmp_path)
    made = write(tmp_path, [decision("d", version), impression("d")])
    files = OutcomeFiles(made.export)
    (outcome,) = (one for batch in files.outcomes() for one in batch)
    writer = OutcomeWriter(made.export)
    for name in ("d", "e", "d"):
        again: Outcome = outcome._replace(decision=decision(name, version))
        writer.write(again)
    manifest = read_manifest(made.export)
    (made.export / "manifest.json").unlink()
    write_manifest(made.export, msgspec.structs.replace(manifest, files=writer.close()))
    source = refused(made.export, LoggedDataError, r"decision: stands there twice in 1 of 3 .* d\)")
    assert source.skipped == 1
    assert len(concatenate(source.choices())) == 2


def test_decisions_let_in_by_chance_are_told_of(tmp_path: Path) -> None:
    _, version = world.store_catalog(tmp_path)
    chances = {"a": 0.25, "b": 0.5, "c": 1.0}
    records: list[Record] = [
        msgspec.structs.replace(decision(name, version), pass_probability=chance)
        for name, chance in chances.items()
    ]
    made = write(tmp_path, [*records, *map(impression, chances)])
    for source in (open_source(made.export), open_source(str(made.log), config=made.config)):
        (told,) = (note for note in source.notes if "pass_probability" in note)
        assert told.startswith("2 of 3 decisions were let into the log")
        assert "stand for 6:" in told
        assert "not weighted" in told
        assert len(concatenate(source.choices())) == 3


def test_artworks_outside_their_catalog_are_refused(tmp_path: Path) -> None:
    _, version = world.store_catalog(tmp_path)
    bad = decision("bad", version, titles=[TitleChoice("t0", "gone", 0.5)])
    made = write(tmp_path, [bad, impression("bad"), decision("good", version), impression("good")])
    source = refused(made.export, LoggedDataError, "t0/gone of c")
    assert len(concatenate(source.choices())) == 1
    assert any("1 choice left out" in note for note in source.notes)


def test_truncated_parquet_is_told_of(tmp_path: Path) -> None:
    _, version = world.store_catalog(tmp_path)
    made = write(tmp_path, [decision("d", version), impression("d")])
    (path,) = made.export.rglob("*.parquet")
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(LoggedDataError, match="cannot be read"):
        open_source(made.export)


def test_a_directory_without_spools_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="no spools"):
        open_source(tmp_path, format="event-log")
    with pytest.raises(LoggedDataError, match="neither spools nor"):
        open_source(tmp_path)
    with pytest.raises(MissingDataError, match="nothing at"):
        open_source(tmp_path / "nothing")


def test_a_configuration_file_names_its_log(logged: Logged, tmp_path: Path) -> None:
    file = tmp_path / "marquee.toml"
    file.write_text(
        f'[log]\ndirectory = "{logged.log}"\n'
        f'[catalog]\ndirectory = "{logged.config.catalog.directory}"\n'
        "[reward]\nwindow_s = 60\nclock_leeway_s = 5\nclose_after_play_s = 1\n"
    )
    same(
        concatenate(open_source(file).choices()), concatenate(open_source(logged.export).choices())
    )


def test_temporary_files_go_with_the_source(logged: Logged) -> None:
    source = open_source(logged.log)
    directory = source._files.directory  # type: ignore[attr-defined]
    assert directory.exists()
    del source
    gc.collect()
    assert not directory.exists()
