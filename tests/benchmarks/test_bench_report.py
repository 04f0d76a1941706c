"""What a run of benchmarks writes: the table, the JSON and the page."""

from __future__ import annotations

import io
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from benchmarks import __main__ as command
from benchmarks import running
from benchmarks.drawings import told as number_told
from benchmarks.figures import Board, Results, Target
from benchmarks.headlines import COMPARISONS, HEADLINES
from benchmarks.machine import MISSING, machine
from benchmarks.report import comparisons, latencies, render
from benchmarks.running import measure
from simulator.report.canvas import NARROW, WIDE

PROMISED = {
    "page_inprocess_ms",
    "page_inprocess_ratio_vw_cached",
    "page_http_per_s",
    "page_http_ratio_naive",
    "page_http_ratio_floor",
    "page_http_p99_ms_half_load",
    "decision_http_ratio_floor",
    "learner_outcomes_per_s",
    "feedback_to_served_p95_s",
    "swap_pause_max_ms",
    "catalog_1m_ratio_20k",
    "ope_ips_ratio_obp",
    "ope_dr_ratio_obp",
    "ope_slate_ratio_obp",
}
"""Each is asserted where its part is tested."""


@pytest.fixture
def told() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def board(told: io.StringIO) -> Board:
    made = Board(Console(file=told, width=120))
    made.begin("learner")
    made.add("fast_enough_per_s", 12345.6, "displays/s", "some work", Target("≥", 5000.0))
    made.add("late_s", 3.0, "s", "some work", Target("<", 2.0), (2.5, 4.123456))
    made.curve("page_by_titles", "titles", "ms", {"ours": [(1, 0.5), (10, 1.23456)]}, "pages", "x")
    return made


def test_a_board_writes_figures_curves_and_machine(board: Board, tmp_path: Path) -> None:
    board.write(tmp_path / "results" / "latest.json")
    content = (tmp_path / "results" / "latest.json").read_bytes()
    written = msgspec.json.decode(content)
    assert written["figures"]["fast_enough_per_s"] == {
        "value": 12350.0,
        "unit": "displays/s",
        "work": "some work",
        "command": "python -m benchmarks --only learner",
        "target": "≥ 5000",
        "met": True,
    }
    assert written["figures"]["late_s"]["spread"] == [2.5, 4.123]
    assert written["curves"]["page_by_titles"]["lines"] == {"ours": [[1, 0.5], [10, 1.235]]}
    assert written["machine"]["cores"] >= 1
    assert "quick" not in written
    assert msgspec.json.decode(content, type=Results) == board.results()


def test_the_report_is_headed_by_what_was_promised() -> None:
    assert set(HEADLINES) == PROMISED


def test_a_machine_without_the_load_generator_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert machine()["wrk"] == MISSING


def test_a_quick_run_says_so(tmp_path: Path) -> None:
    board = Board(Console(file=io.StringIO()), quick=True)
    board.begin("learner")
    board.add("late_s", 3.0, "s", "some work")
    board.write(tmp_path / "latest.json")
    written = msgspec.json.decode((tmp_path / "latest.json").read_bytes())
    assert written["quick"] is True
    assert written["figures"]["late_s"]["command"].endswith(" --quick")
    assert "A quick run." in render(board.results())


def test_the_table_marks_what_was_missed(board: Board, told: io.StringIO) -> None:
    board.show()
    assert told.getvalue().count("missed") == 1
    assert re.search(r"late_s.* missed < 2", told.getvalue())


def test_a_part_that_fails_keeps_the_others_figures(board: Board, told: io.StringIO) -> None:
    def fails(board: Board, *, quick: bool) -> None:
        board.add("before_ms", 1.0, "ms", "what went well before")
        raise RuntimeError("no more")

    def works(board: Board, *, quick: bool) -> None:
        board.add("after_ms", 2.0, "ms", "the next part")

    measure(board, {"first": fails, "second": works}, ["first", "second"], quick=False)
    assert {"late_s", "before_ms", "after_ms"} <= set(board.figures)
    assert board.failed == {"first": "RuntimeError: no more"}
    assert "first failed" in told.getvalue()
    assert "no more" in render(board.results())


def test_the_command_fails_in_the_end_if_a_part_did(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def part(board: Board, *, quick: bool) -> None:
        board.add("one_ms", 1.0, "ms", "work")
        if quick:
            raise RuntimeError("no more")

    monkeypatch.setattr(command, "PARTS", {"one": part})
    monkeypatch.setattr(running, "RESULTS", tmp_path)
    for arguments, code in (([], 0), (["--quick"], 1)):
        monkeypatch.setattr("sys.argv", ["benchmarks", *arguments])
        with pytest.raises(SystemExit) as ended:
            command.main()
        assert ended.value.code == code
        written = msgspec.json.decode((tmp_path / "latest.json").read_bytes(), type=Results)
        assert written.figures["one_ms"].value == 1
        assert (tmp_path / "latest.html").exists()


def test_the_page_holds_every_figure_and_loads_nothing(board: Board) -> None:
    board.add("page_inprocess_ms", 1.0, "ms", "a headline", Target("<", 0.4))
    page = render(board.results())
    for text in ("late_s", "1 of 3 targets met", "missed: &lt; 0.4 ms", *HEADLINES):
        assert text in page
    assert not re.search(r"https?://(?!www\.w3\.org)|<script|<link|@import|url\((?!#)", page)
    assert page.count(f'viewBox="0 0 {WIDE}') == page.count(f'viewBox="0 0 {NARROW}') == 1
    _Strict().feed(page)


def test_bars_set_ours_beside_the_others(board: Board) -> None:
    assert comparisons(board.figures) == []
    for one in COMPARISONS:
        for place, name in enumerate(one.figures):
            board.add(name, 1.0 + place, "ms", "work")
    plots = comparisons(board.figures)
    assert [plot.name for plot in plots] == [f"bars-{one.name}" for one in COMPARISONS]
    for one, plot in zip(COMPARISONS, plots, strict=True):
        assert all(label in plot.picture.wide for label in one.figures.values())


def test_percentiles_are_told_by_what_was_measured(board: Board) -> None:
    for percentile in ("50", "99", "99_9"):
        board.add(f"page_http_p{percentile}_ms_half_load", 3.0, "ms", "work")
    board.add("feedback_to_served_p95_s", 1.2, "s", "work")
    of_ms, of_s = latencies(board.figures)
    assert [label for label, _ in of_ms.legend] == ["p50", "p99", "p99.9"]
    assert "page http half load" in of_ms.picture.wide
    assert [label for label, _ in of_s.legend] == ["p95"]


@pytest.mark.parametrize(
    ("value", "shown"), [(0.0305, "0.0305"), (1.5, "1.5"), (12350, "12,350"), (999.5, "999.5")]
)
def test_numbers_are_shown_in_full(value: float, shown: str) -> None:
    assert number_told(value) == shown


class _Strict(HTMLParser):
    """Checks that tags are closed in order."""

    VOID = ("meta", "path", "use", "circle", "line", "rect", "input", "br")

    def __init__(self) -> None:
        super().__init__()
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self._open.pop() == tag
