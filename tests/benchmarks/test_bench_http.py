"""The HTTP benchmarks on as little work as they can do; no figure is judged."""

from __future__ import annotations

import io
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from bandit.types import Surface
from benchmarks import big_catalogs, http_pages, http_rounds, http_swaps, http_workers
from benchmarks.figures import Board
from benchmarks.headlines import HEADLINES
from benchmarks.http_rounds import (
    even_rounds,
    latency_ratio,
    middle_ms,
    middle_rate,
    rate_ratio,
)
from benchmarks.http_swaps import slowest_ms, under_way
from benchmarks.http_work import WIDE_ARTWORKS, standard_work
from benchmarks.load import LoadResult
from benchmarks.servers import Visitors
from benchmarks.serving_watch import Seen, served_everywhere_s
from benchmarks.unlogged import UNLOGGED, total
from benchmarks.wrk import Saturation

_NOBODY = "http://127.0.0.1:1"


@pytest.fixture
def board() -> Board:
    return Board(Console(file=io.StringIO(), width=200))


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    # wrk knows no less than a second.
    monkeypatch.setattr(shutil, "which", lambda _: None)


def results(*latencies_ms: float) -> LoadResult:
    latencies_s = np.array(latencies_ms) / 1e3
    nothing = np.zeros(len(latencies_s))
    return LoadResult(0, 1.0, nothing, latencies_s, nothing, 0.1)


def rates(*per_second: float) -> list[Saturation]:
    return [Saturation(one, 1.0, 2.0, []) for one in per_second]


def test_uneven_rounds_are_left_out_for_all() -> None:
    even, uneven = Saturation(10, 1, 2, [6, 5, 5]), Saturation(30, 1, 2, [16, 0, 0])
    found = even_rounds({"ours": [even, even, even], "floor": [even, uneven, even]})
    assert found.of == {"ours": [even, even], "floor": [even, even]}
    assert "1 of 3 rounds" in found.note
    assert even_rounds({"ours": [even]}).of == {"ours": [even]}
    none_left = even_rounds({"ours": [uneven, even], "floor": [even, uneven]})
    assert none_left.of == {"ours": [uneven, even], "floor": [even, uneven]}
    assert "all 2 rounds" in none_left.note


def test_a_visitor_that_fails_fails_what_was_measured_beside() -> None:
    pages = standard_work().decisions[:1]
    with pytest.raises(RuntimeError, match="visits failed after 0"), Visitors(_NOBODY, pages):
        pass


def test_a_counter_is_summed_over_its_labels() -> None:
    metrics = f'# HELP {UNLOGGED} x\n{UNLOGGED}{{reason="a"}} 2.0\n{UNLOGGED}{{reason="b"}} 1.0\n'
    assert total(metrics, UNLOGGED) == 3
    assert total("", UNLOGGED) == 0


def test_ratios_are_of_the_same_round() -> None:
    ours, theirs = rates(10, 40, 90), rates(10, 20, 30)
    assert rate_ratio(ours, theirs) == 2
    assert middle_rate(ours) == 40
    fast, slow = [results(1), results(2), results(9)], [results(2), results(2), results(3)]
    assert latency_ratio(fast, slow, 99) == pytest.approx(1)


def test_one_in_a_thousand_is_told_of_all_rounds_together() -> None:
    rounds = [results(*[1.0] * 1000), results(*[1.0] * 999, 50.0), results(*[1.0] * 1000)]
    assert middle_ms(rounds, 99) == pytest.approx(1)
    assert middle_ms(rounds, 100) == pytest.approx(50)


def test_the_work_is_what_it_says() -> None:
    work = standard_work()
    artworks = {title.id: len(title.artworks) for title in work.document.titles}
    asked = {title for page in work.pages for row in page.rows for title in row.titles}
    assert {artworks[str(title)] for title in asked} == {8}
    for pages, features in ((work.decisions, 20), (work.small_decisions, 5)):
        assert {artworks[str(title)] for page in pages for title in page.titles} == {WIDE_ARTWORKS}
        assert {len(page.context) for page in pages} == {features}
        assert all(not page.rows and len(page.titles) == 1 for page in pages)


def seen(*answers: tuple[float, int, str]) -> Sequence[Seen]:
    surface: Surface = "artwork"
    return [Seen(at_s, worker, "c", {surface: version}) for at_s, worker, version in answers]


def test_a_snapshot_is_live_once_the_last_worker_answers_by_it_or_a_later_one() -> None:
    answers = seen((1, 7, "1"), (2, 8, "1"), (3, 7, "2"), (4, 8, "3"), (5, 7, "3"))
    assert served_everywhere_s(answers, "artwork", "2") == 4
    assert served_everywhere_s(answers, "artwork", "3") == 5
    assert served_everywhere_s(answers, "artwork", "4") is None


def test_the_slowest_request_is_sought_among_those_under_way_in_a_swap() -> None:
    due_s, latencies_s = np.array([0.0, 1.0, 2.0]), np.array([0.9, 0.05, 0.3])
    result = LoadResult(0, 3.0, due_s, latencies_s, np.zeros(3), 0.1)

    def slowest(*windows: tuple[float, float]) -> float:
        return slowest_ms(result, under_way(result, windows))

    assert slowest((1.02, 1.04)) == pytest.approx(50)
    assert slowest((0.95, 0.99)) == 0
    assert slowest((0.8, 1.0), (2.1, 2.2)) == pytest.approx(900)


@pytest.mark.processes
def test_servers_are_measured_side_by_side(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = http_rounds.QUICK._replace(
        seconds=0.2, latency_seconds=0.3, training_pages=12, idle_within_s=0.1, warm_up_s=0.1
    )
    monkeypatch.setattr(http_pages, "QUICK", quick)
    http_pages.measure_http(board, quick=True)
    promised = {name for name in HEADLINES if "_http_" in name}
    assert promised <= board.figures.keys()
    for what in ("page", "decision"):
        for floor in ("our_worker", "one_thread"):
            assert board.figures[f"{what}_http_ratio_floor_{floor}"].value > 0
    for name in ("page_http_p99_ms_floor_same_rate", "page_http_p99_ratio_floor_same_rate"):
        assert board.figures[name].value > 0
    assert 0 <= board.figures["http_decisions_unlogged_share"].value <= 1
    rates = [figure.value for name, figure in board.figures.items() if name.endswith("_per_s")]
    assert len(rates) >= 14
    assert min(rates) > 0
    assert set(board.curves) == {"page_http_latency"}


@pytest.mark.processes
def test_swaps_and_a_change_are_measured_under_load(
    board: Board, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(http_swaps, "DIRECTORY", tmp_path)
    monkeypatch.setattr(big_catalogs, "DIRECTORY", tmp_path)
    monkeypatch.setattr(
        http_swaps, "big_catalog", lambda artworks, say: big_catalogs.make(artworks)
    )
    monkeypatch.setattr(http_swaps, "QUICK", http_swaps.Size({"tiny": 2400}, 1, 1.5, 12))
    http_swaps.measure_swaps(board, quick=True)
    assert board.figures["swap_live_all_workers_s"].value > 0
    assert board.figures["catalog_patch_live_s_tiny"].value > 0
    assert board.figures["workers_memory_mb_tiny"].value > 0
    assert "swap_pause_max_ms" in board.figures


@pytest.mark.processes
def test_throughput_is_measured_by_workers(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_workers, "QUICK", http_workers.Size((1, 2), 1, 0.2, 12))
    http_workers.measure_workers(board, quick=True)
    lines = board.curves["http_workers"].lines
    assert {name: [x for x, _ in points] for name, points in lines.items()} == {
        "pages": [1, 2],
        "decisions": [1, 2],
    }
