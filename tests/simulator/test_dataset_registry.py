"""Names, formats and what is told where there is nothing; small parts that all readers share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bandit.events import DecisionRecord
from bandit.types import Features
from simulator.datasets import (
    DATASETS,
    FORMATS,
    concatenate,
    concatenate_rankings,
    open_source,
    registry,
)
from simulator.datasets.deezer import load_deezer
from simulator.datasets.packed_records import PackedRecords
from simulator.datasets.seen_ids import SeenIds, stable_hash
from simulator.datasets.vocabulary import Vocabulary, tokens_of
from simulator.errors import LoggedDataError, MissingDataError
from simulator.logged import DecisionOrigin, LoggedChoices, LoggedRankings
from simulator.progress import Advance, Watch
from tests.real_data import deezer_directory


def test_every_data_set_says_all_of_itself() -> None:
    assert len({one.name for one in DATASETS}) == len(DATASETS)
    for one in DATASETS:
        assert all((one.title, one.licence, one.citation, one.description, one.fetch))
        assert one.format in (*FORMATS, "deezer")


def test_data_sets_are_looked_for_where_the_variable_says_then_in_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deezer = next(one for one in DATASETS if one.name == "deezer-carousel")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MARQUEE_DATA", str(tmp_path / "shelf"))
    with pytest.raises(MissingDataError, match=r"shelf.*data/deezer_carousel") as caught:
        deezer.where()
    assert "https://github.com/deezer" in caught.value.hint
    here = tmp_path / "data" / "deezer_carousel"
    here.mkdir(parents=True)
    assert deezer.where().resolve() == here
    shelf = tmp_path / "shelf" / "deezer_carousel"
    shelf.mkdir(parents=True)
    assert deezer.where() == shelf


def test_every_format_can_be_imported() -> None:
    for module, name in FORMATS.values():
        assert hasattr(__import__(module, fromlist=[name]), name)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("marquee.toml", "event-log"),
        ("spool-000.sqlite", "event-log"),
        ("men.csv", "obd"),
        ("log.dsjson", "dsjson"),
        ("log.json", "dsjson"),
        ("rounds.parquet", "parquet"),
        ("rounds.npz", "npz"),
    ],
)
def test_files_are_told_apart_by_their_ending(tmp_path: Path, name: str, found: str) -> None:
    assert registry.guess_format(tmp_path / name) == found


@pytest.mark.parametrize(
    ("files", "found"),
    [
        (["spool-000.sqlite"], "event-log"),
        (["log/spool-000.sqlite", "catalog/current"], "event-log"),
        (["manifest.json", "date=1970-01-01/part-00000.parquet"], "export"),
        (["item_context.csv", "men.csv"], "obd"),
        (["playlist_features.csv"], "deezer"),
        (["a/b.parquet"], "parquet"),
    ],
)
def test_directories_are_told_apart_by_what_they_hold(
    tmp_path: Path, files: list[str], found: str
) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert registry.guess_format(tmp_path) == found


def test_what_cannot_be_opened_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="no data set of that name") as caught:
        open_source("obd/random/children")
    assert "obd/random/men" in caught.value.hint
    (tmp_path / "log.txt").touch()
    with pytest.raises(LoggedDataError, match="nothing tells what"):
        open_source(tmp_path / "log.txt")
    with pytest.raises(LoggedDataError, match="no format 'csv'"):
        open_source(tmp_path, format="csv")
    with pytest.raises(LoggedDataError, match="no logged choices") as refused:
        open_source(tmp_path, format="deezer")
    assert "carousel" in refused.value.hint


def test_deezers_files_are_arrays() -> None:
    found = load_deezer(deezer_directory())
    assert (found.playlists.shape, found.users.shape) == ((862, 97), (9, 96))
    assert found.segments.tolist() == [0] * 9
    chances = 1 / (1 + np.exp(-np.column_stack([found.users, np.ones(9)]) @ found.playlists.T))
    assert (chances.min(), chances.max()) == pytest.approx((0.00024, 0.411), rel=0.03)
    assert chances.mean() == pytest.approx(0.007, abs=5e-6)


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("playlist_features.csv", "a,b\n1,2\n", "do not fit the 2 features"),
        ("playlist_features.csv", "a,b,c\n1,x,2\n", "not a finite number"),
        ("playlist_features.csv", "a,b,c\n1,2\n", "cannot be read"),
        ("playlist_features.csv", "a,b,c\n1,,2\n", "not a finite number"),
        ("user_features_small.csv", "dim_0,dim_1\n1,2\n", "no such column"),
    ],
)
def test_deezers_files_are_checked(tmp_path: Path, file: str, text: str, told: str) -> None:
    (tmp_path / "playlist_features.csv").write_text("a,b,c\n1,2,3\n")
    (tmp_path / "user_features_small.csv").write_text("segment,dim_0,dim_1\n0,1,2\n")
    assert load_deezer(tmp_path).users.tolist() == [[1, 2]]
    (tmp_path / file).write_text(text)
    with pytest.raises(LoggedDataError, match=told):
        load_deezer(tmp_path)
    (tmp_path / file).unlink()
    with pytest.raises(MissingDataError, match=file):
        load_deezer(tmp_path)


def test_tokens_are_those_of_productions_encoder() -> None:
    features: Features = {"age": 2.0, "none": 0.0, "tags": ["a", "a b"], "taste": [0.5, 0.0]}
    assert tokens_of(features, "x.") == {
        "x.age": 2.0,
        "x.tags=a": 1.0,
        "x.tags=a%20b": 1.0,
        "x.taste[0]": 0.5,
    }


def test_columns_are_the_commonest_tokens_by_name_whatever_the_order() -> None:
    things = [{"b": 1.0, "a": 2.0}, {"b": 1.0}, {"c": 1.0}, {"d": 3.0}]
    for order in (things, things[::-1]):
        vocabulary = Vocabulary()
        for thing in order:
            vocabulary.add(thing)
        columns = vocabulary.columns(most=3)
        assert (columns.names, columns.left_out) == (("a", "b", "c"), 1)
        assert columns.encode(things).tolist() == [[2, 1, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]]
        assert columns.notes("context")[0].startswith("1 rarer features of the context")


def test_ids_are_remembered_over_many_batches() -> None:
    ids = SeenIds()
    rng = np.random.default_rng(0)
    seen: set[str] = set()
    for _ in range(60):
        batch = [str(one) for one in rng.integers(0, 3000, 50)]
        expected = []
        for one in batch:
            expected.append(one in seen)
            seen.add(one)
        assert ids.take(batch).tolist() == expected


def test_hashes_are_the_same_everywhere() -> None:
    assert stable_hash("viewer") == -150462488714286071


def choices(rounds: int = 3, **given: object) -> LoggedChoices:
    made = LoggedChoices(
        action=np.zeros(rounds, np.int32),
        reward=np.arange(rounds, dtype=float),
        propensity=np.full(rounds, 0.5),
        action_count=2,
    )
    return replace(made, **given)  # type: ignore[arg-type]


def test_batches_of_different_width_are_padded() -> None:
    narrow = choices(candidates=np.zeros((3, 1), np.int32), action_count=1)
    wide = choices(candidates=np.tile(np.array([5, 6], np.int32), (3, 1)))
    together = concatenate([narrow, wide])
    assert together.candidates is not None
    assert together.candidates.tolist() == [[0, -1]] * 3 + [[5, 6]] * 3
    assert together.action_count == 2
    mixed = concatenate([choices(), narrow])
    assert mixed.candidates is not None
    assert mixed.candidates.tolist() == [[0, 1]] * 3 + [[0, -1]] * 3
    assert concatenate([choices(), choices()]).candidates is None


def test_rankings_of_different_length_are_padded() -> None:
    def rankings(length: int) -> LoggedRankings:
        shape = (2, length)
        items = np.tile(np.arange(length, dtype=np.int32), (2, 1))
        return LoggedRankings(items, np.full(shape, 0.5), np.ones(shape), item_count=length)

    together = concatenate_rankings([rankings(2), rankings(3)])
    assert together.items.tolist() == [[0, 1, -1]] * 2 + [[0, 1, 2]] * 2
    assert together.propensity[0].tolist() == [0.5, 0.5, 1.0]
    assert together.reward[0].tolist() == [1.0, 1.0, 0.0]
    assert together.item_count == 3


def test_batches_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(LoggedDataError, match="position: is missing in 1 of 2 batches"):
        concatenate([choices(), choices(position=np.zeros(3, np.int32))])
    wide, narrow = (choices(context=np.zeros((3, width), np.float32)) for width in (2, 1))
    with pytest.raises(LoggedDataError, match="another number of columns"):
        concatenate([wide, narrow])
    with pytest.raises(LoggedDataError, match="there are none"):
        concatenate([])


def test_a_batch_of_estimates_marks_the_whole() -> None:
    assert concatenate([choices(), choices()]).propensity_source == "logged"
    estimated = choices(propensity_source="estimated")
    assert concatenate([choices(), estimated]).propensity_source == "estimated"


def record(name: str) -> DecisionRecord:
    return DecisionRecord(
        decision_id=name,
        decided_at_us=0,
        body_digest=b"",
        catalog="c",
        policy="p",
        shares={},
        titles=[],
    )


def test_origins_are_joined_and_shared_records_stand_once() -> None:
    def origin(records: PackedRecords, of: list[int]) -> DecisionOrigin:
        return DecisionOrigin(records, np.array(of, np.int32), np.zeros(3, np.int32))

    shared = PackedRecords.pack([record("a"), record("b")])
    other = PackedRecords.pack([record("c")])
    parts = [
        choices(origin=origin(shared, [0, 0, 1])),
        choices(origin=origin(other, [0, 0, 0])),
        choices(origin=origin(shared, [1, 1, 0])),
    ]
    joined = concatenate(parts).origin
    assert joined is not None
    assert [one.decision_id for one in joined.records] == ["a", "b", "c"]
    assert joined.record_of.tolist() == [0, 0, 1, 2, 2, 2, 1, 1, 0]
    assert [one.decision_id for one in joined.records[1:]] == ["b", "c"]
    assert concatenate([parts[0], choices()]).origin is None


class Heard(Watch):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: dict[str, int] = {}

    @contextmanager
    def task(self, label: str, total: int | None, unit: str) -> Iterator[Advance]:
        del total

        def advance(count: int = 1) -> None:
            key = f"{label}, {unit}"
            self.told[key] = self.told.get(key, 0) + count

        yield advance


def test_a_watch_is_told_how_far_the_first_look_has_come(tmp_path: Path) -> None:
    path = tmp_path / "rounds.npz"
    np.savez(path, action=np.zeros(7, int), reward=np.zeros(7), propensity=np.ones(7))
    heard = Heard()
    assert open_source(path, watch=heard).rounds_max == 7
    looks = ("finding the actions of rounds, rows", "looking over rounds, rows")
    assert heard.told == dict.fromkeys(looks, 7)


def test_a_known_data_set_is_called_by_its_name() -> None:
    sample = open_source("sample")
    assert sample.name == "sample"
    assert sum(map(len, sample.choices())) <= sample.rounds_max
