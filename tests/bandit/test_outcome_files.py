"""Outcomes as Arrow and back, and what is told of files that are not whole."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandit.config import Config
from bandit.errors import LibraryMissingError, OutcomeFilesError
from bandit.events import DecisionRecord, FeedbackRecord, InlineRow
from bandit.joiner import Outcome
from bandit.outcome_files.arrow import arrow
from bandit.outcome_files.columns import from_batch, schema, to_batch
from bandit.outcome_files.manifest import Manifest, exposures, read_manifest, write_manifest
from bandit.outcome_files.reading import OutcomeFiles
from bandit.outcome_files.writing import OutcomeWriter
from bandit.types import Artwork, RowChoice, Title, TitleChoice

names = st.text("abz019_.:@/-", min_size=1, max_size=5)
feature_names = st.text("abz019_.@/-", min_size=1, max_size=5)
numbers = st.floats(-1e9, 1e9)
texts = st.text(max_size=5)
features = st.dictionaries(
    feature_names,
    st.one_of(numbers, texts, st.lists(numbers, max_size=3), st.lists(texts, max_size=3)),
    max_size=3,
)
instants = st.integers(0, 2**53)
chances = st.floats(0, 1, exclude_min=True)
artworks = st.builds(Artwork, names, features)
titles = st.builds(Title, names, st.lists(artworks, min_size=1, max_size=3), features)
decisions = st.builds(
    DecisionRecord,
    decision_id=names,
    decided_at_us=instants,
    body_digest=st.binary(max_size=4),
    catalog=names,
    policy=names,
    shares=st.dictionaries(
        st.sampled_from(["artwork", "rows"]), st.sampled_from(["learned", "holdout", "explore"])
    ),
    titles=st.lists(st.builds(TitleChoice, names, names, chances), max_size=3),
    rows=st.lists(
        st.builds(RowChoice, names, st.integers(0, 1000), chances, st.booleans(), st.lists(names)),
        max_size=3,
    ),
    row_candidates=st.lists(names, max_size=3),
    pins=st.dictionaries(names, st.integers(0, 1_000_000), max_size=3),
    context=features,
    viewer_id=st.none() | names,
    snapshots=st.dictionaries(st.sampled_from(["artwork", "rows"]), names),
    inline_titles=st.lists(titles, max_size=2),
    inline_rows=st.lists(st.builds(InlineRow, names, features), max_size=2),
    loose_titles=st.lists(names, max_size=2),
    omitted=st.lists(names, max_size=2),
    greedy_match=st.none() | chances,
    deferred=st.booleans(),
    pass_probability=chances,
)


@st.composite
def outcomes(draw: st.DrawFn) -> Outcome:
    decision = draw(decisions)
    events = st.builds(
        FeedbackRecord,
        event_id=names,
        decision_id=st.just(decision.decision_id),
        type=st.sampled_from(["impression", "click", "play"]),
        title=names,
        row=st.none() | names,
        seconds=st.none() | numbers,
        fraction=st.none() | chances,
        happened_at_us=st.none() | instants,
    )
    return Outcome(
        decision,
        draw(instants),
        tuple(draw(st.lists(events, max_size=3))),
        draw(st.sampled_from(["window", "play", "evicted"])),
    )


def outcome(name: str, at_us: int = 0) -> Outcome:
    decision = DecisionRecord(
        decision_id=name,
        decided_at_us=at_us,
        body_digest=b"",
        catalog="c",
        policy="p",
        shares={},
        titles=[TitleChoice("t", "a", 0.5)],
    )
    return Outcome(decision, at_us, (), "window")


@settings(max_examples=150, deadline=None)
@given(st.lists(outcomes(), max_size=4))
def test_nothing_is_lost_on_the_way_to_arrow_and_back(found: list[Outcome]) -> None:
    batch = to_batch(found)
    assert batch.schema.equals(schema())
    assert from_batch(batch) == found


def test_files_from_before_a_column_was_added_are_read(tmp_path: Path) -> None:
    let_in = msgspec.structs.replace(outcome("d").decision, pass_probability=0.25)
    directory = export(tmp_path / "out", [outcome("d")._replace(decision=let_in)])
    assert next(OutcomeFiles(directory).outcomes())[0].decision.pass_probability == 0.25
    path = directory / "date=1970-01-01/part-00000.parquet"
    parquet = arrow("parquet")
    whole = parquet.ParquetFile(path).read()
    parquet.write_table(whole.drop_columns(["pass_probability", "line"]), path)
    assert list(OutcomeFiles(directory).outcomes()) == [[outcome("d")]]
    parquet.write_table(whole.drop_columns(["policy"]), path)
    with pytest.raises(OutcomeFilesError, match="does not have the columns"):
        list(OutcomeFiles(directory).outcomes())


def test_a_slice_of_a_batch_gives_the_outcomes_of_the_slice() -> None:
    found = [outcome(f"d{number}") for number in range(5)]
    assert from_batch(to_batch(found).slice(1, 3)) == found[1:4]


def export(directory: Path, found: list[Outcome]) -> Path:
    directory.mkdir()
    writer = OutcomeWriter(directory)
    for one in found:
        writer.write(one)
    files = writer.close()
    config = Config()
    write_manifest(
        directory,
        Manifest(
            log_clock_us=0,
            outcomes=len(found),
            closed_by={"window": len(found)},
            open_decisions=0,
            damaged_records=0,
            unreadable_spools={},
            dispositions={},
            reward=config.reward,
            exposure=exposures(config),
            catalogs=[],
            missing_catalogs=[],
            files=files,
        ),
    )
    return directory


DAY_US = 86_400_000_000


def test_days_are_folders_and_a_day_that_comes_again_gets_another_part(tmp_path: Path) -> None:
    days = [0, 1, 0, 2, 3, 1]
    found = [outcome(f"d{number}", day * DAY_US) for number, day in enumerate(days)]
    files = OutcomeFiles(export(tmp_path / "out", found))
    assert [(file.path, file.outcomes) for file in files.manifest.files] == [
        ("date=1970-01-01/part-00000.parquet", 2),
        ("date=1970-01-02/part-00000.parquet", 1),
        ("date=1970-01-02/part-00001.parquet", 1),
        ("date=1970-01-03/part-00000.parquet", 1),
        ("date=1970-01-04/part-00000.parquet", 1),
    ]
    read = [one for batch in files.outcomes() for one in batch]
    assert sorted(one.decision.decision_id for one in read) == [f"d{n}" for n in range(6)]
    assert all(one in found for one in read)


@pytest.mark.parametrize("keep", [0, 4, 200])
def test_a_file_that_was_cut_short_is_told_of(tmp_path: Path, keep: int) -> None:
    directory = export(tmp_path / "out", [outcome("d")])
    path = directory / "date=1970-01-01/part-00000.parquet"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(OutcomeFilesError, match=r"part-00000.parquet cannot be read") as caught:
        list(OutcomeFiles(directory).outcomes())
    assert "cut short" in caught.value.hint


def test_a_missing_file_and_a_file_of_another_count_are_told_of(tmp_path: Path) -> None:
    directory = export(tmp_path / "out", [outcome("d")])
    path = directory / "date=1970-01-01/part-00000.parquet"
    other = export(tmp_path / "other", [outcome("d"), outcome("e")]) / path.relative_to(directory)
    whole = path.read_bytes()
    path.write_bytes(other.read_bytes())
    with pytest.raises(OutcomeFilesError, match="holds 2 outcomes, the manifest tells of 1"):
        list(OutcomeFiles(directory).outcomes())
    path.unlink()
    with pytest.raises(OutcomeFilesError, match="is missing"):
        list(OutcomeFiles(directory).outcomes())
    path.write_bytes(whole)
    assert len(list(OutcomeFiles(directory).outcomes())) == 1


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot be read"),
        ("{", "is not an export's manifest"),
        ("{}", "is not an export's manifest"),
    ],
)
def test_a_bad_manifest_is_told_of(tmp_path: Path, content: str | None, told: str) -> None:
    if content is not None:
        (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(OutcomeFilesError, match=told):
        read_manifest(tmp_path)


def test_a_manifest_of_a_later_format_is_refused(tmp_path: Path) -> None:
    path = export(tmp_path / "out", []) / "manifest.json"
    path.write_text(path.read_text().replace('"version": 1', '"version": 2'))
    with pytest.raises(OutcomeFilesError, match="has the format 2"):
        read_manifest(path.parent)


def test_without_arrow_the_error_tells_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("bandit.outcome_files.arrow.importlib.import_module", missing)
    with pytest.raises(LibraryMissingError) as caught:
        arrow("parquet")
    assert caught.value.hint == "pip install 'marquee[simulator]'"
