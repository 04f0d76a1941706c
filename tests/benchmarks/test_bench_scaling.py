"""Ways to score, big catalogs and the curves of a page on little work; no figure is judged."""

from __future__ import annotations

import io
from pathlib import Path

import msgspec
import numpy as np
import pytest
from rich.console import Console

from bandit.config.schema import Config
from benchmarks import big_catalogs, scaling
from benchmarks.big_catalogs import big_catalog
from benchmarks.factoring import (
    Asked,
    Columns,
    Items,
    add_ways,
    column,
    directly,
    from_columns,
    from_vocabulary,
    uncrossed,
)
from benchmarks.figures import Board
from benchmarks.in_process import serving_of
from benchmarks.in_process_stages import Stages
from benchmarks.pages import standard_catalog, standard_pages
from benchmarks.scaling import Size
from benchmarks.turns import Contender, Middle, take_turns


@pytest.fixture
def board() -> Board:
    made = Board(Console(file=io.StringIO(), width=200))
    made.begin("scaling")
    return made


@pytest.fixture
def few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catalogs are made in this process, below a directory of the test."""
    monkeypatch.setattr(big_catalogs, "DIRECTORY", tmp_path)
    for artworks in (2000, 4000):
        big_catalogs.make(artworks)


def test_three_ways_to_score_give_what_is_served() -> None:
    config, document = Config(), standard_catalog(240)
    serving = serving_of(document, config)
    page = standard_pages(document, 1)[0]
    served, _ = Stages(config, serving, page).scores()
    weights, items = serving.models["artwork"].arrays.weights, Items.of(serving.catalog)
    asked = Asked.of(page, serving.catalog)
    made = {hashed: column(weights, items, hashed) for hashed in asked.context.hashes.tolist()}
    columns = Columns(uncrossed(weights, items, np.arange(len(items.identity))), made)
    for scores in (
        directly(weights, items, asked),
        from_columns(weights, columns, asked),
        from_vocabulary(weights, items, asked),
    ):
        assert np.allclose(scores, served, rtol=1e-4, atol=1e-6)


def test_every_way_is_told_with_what_it_costs(board: Board) -> None:
    serving = serving_of(standard_catalog(240), Config())
    weights = serving.models["artwork"].arrays.weights
    add_ways(board, "tiny", serving.catalog, weights, rounds=1, pages=1)
    ways = {f"factoring_{name}_tiny_ms" for name in ("direct", "columns", "vocabulary")}
    assert ways <= board.figures.keys()
    # 130 columns of 1,920 artworks, four bytes each
    assert board.figures["factoring_columns_tiny_mb"].value == 0.9521


@pytest.mark.usefixtures("few")
def test_big_catalogs_are_made_once(tmp_path: Path) -> None:
    catalog = big_catalog(2000, pytest.fail)
    assert len(catalog.artwork_hashes) == len(set(catalog.artwork_hashes.tolist())) == 2000
    assert len(catalog.title_ids) == 250
    assert len(list((tmp_path / "2000").glob("*.msgpack"))) == 1


@pytest.mark.usefixtures("few")
def test_pages_are_measured_by_all_that_they_grow_with(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scaling, "STANDARD", 2000)
    monkeypatch.setattr(scaling, "LARGEST", 4000)
    size = Size((1, 60), (1, 3), (1, 256), (2000, 4000), pages=2, rounds=1)
    scaling.by_titles(board, size)
    scaling.by_artworks(board, size)
    scaling.by_context(board, size)
    scaling.by_catalog(board, size)
    assert board.figures["catalog_1m_ratio_20k"].value > 0
    for name, points in (
        ("page_by_titles", size.titles),
        ("page_by_artworks", size.artworks),
        ("page_by_context_features", size.contexts),
        ("page_by_catalog", size.catalogs),
    ):
        assert tuple(x for x, _ in board.curves[name].lines["Marquee"]) == points


@pytest.mark.usefixtures("few")
def test_memory_is_told_as_shared_and_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    scaling.tell_memory(2000)
    held = msgspec.json.decode(capsys.readouterr().out, type=scaling.Held)
    assert held.resident_mb > held.own_mb > 0


def test_contenders_take_turns_and_are_warmed_up() -> None:
    seen: list[tuple[str, int, int]] = []

    def contender(name: str, seconds: float) -> Contender:
        def turn(first: int, pages: int) -> float:
            seen.append((name, first, pages))
            return seconds * (1 + first)

        return turn

    found = take_turns({"a": contender("a", 1.0), "b": contender("b", 2.0)}, 2)
    assert [(name, first) for name, first, _ in seen] == [
        (name, first) for first in (0, 5, 10) for name in ("a", "b")
    ]
    assert found["a"].tolist() == [6, 11]
    assert Middle.ratio(found["b"], found["a"]).value == 2
