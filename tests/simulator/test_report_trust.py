"""Reports say what estimates are worth: no spread, doubt, marks, gaps, and what was cut short."""

from __future__ import annotations

import re

import msgspec
import pytest

from simulator.report import canvas, render_report
from simulator.report.page import Cell, Figure, Note, Picture, Table, Verdict
from simulator.report.trust import CARDS_MAX, bound, is_flat
from simulator.report.write import lay_out
from simulator.results import (
    NOT_TRUSTWORTHY,
    Diagnostics,
    Estimate,
    Evaluation,
    GroupRow,
    Interval,
    Result,
)
from tests.simulator.report_results import (
    comparison,
    data,
    diagnostics,
    estimate,
    evaluation,
    search,
)

FLAT = [Interval(method=name, level=0.95, low=0.0, high=0.0) for name in ("normal", "bootstrap")]


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the drawings, which other tests look at, for speed."""
    monkeypatch.setattr(canvas, "picture", lambda *_: Picture("", ""))


def silent(policy: str, estimator: str, effective: float = 160.0) -> Estimate:
    """Return an estimate of which no round that counts earned anything."""
    found = msgspec.structs.replace(diagnostics(), effective_rounds=effective)
    return Estimate(
        policy=policy, estimator=estimator, value=0.0, intervals=FLAT, diagnostics=found
    )


def judged(*estimates: Estimate) -> Evaluation:
    return msgspec.structs.replace(
        evaluation(("uniform",)), estimates=list(estimates), weights={}, segments=[], positions=[]
    )


def blocks(result: Result, kind: type) -> list[object]:
    found = [block for section in lay_out(result).sections for block in section.blocks]
    return [block for block in found if isinstance(block, kind)]


def alarms(result: Result) -> list[str]:
    notes = blocks(result, Note)
    return [note.text for note in notes if isinstance(note, Note) and note.alarm]


def named(result: Result, name: str) -> Figure | Table:
    (found,) = (
        block
        for block in (*blocks(result, Figure), *blocks(result, Table))
        if isinstance(block, Figure | Table) and block.name == name
    )
    return found


def test_an_interval_without_width_is_never_shown_as_one() -> None:
    result = judged(estimate("uniform", "ips", 0.005, 0.001), silent("popularity", "ips"))
    text = render_report(result)
    assert "no spread seen" in text
    assert "0.0000 to 0.0000" not in text
    assert "[0.0000, 0.0000]" not in text
    assert "hollow" in [word for entry in _figure(result).legend for word in entry.label.split(":")]
    (note,) = alarms(result)
    assert "popularity by ips may be worth up to about 0.0187" in note
    assert "160 effective rounds" in note


def _figure(result: Result) -> Figure:
    found = named(result, "estimates")
    assert isinstance(found, Figure)
    return found


def test_the_bound_in_place_of_an_interval_is_drawn_and_offered() -> None:
    result = judged(estimate("uniform", "ips", 0.005, 0.001), silent("popularity", "ips"))
    rows = [row for row in _figure(result).numbers.rows if row[3] == "rule of three"]
    assert rows == [("popularity", "ips", 0.0, "rule of three", 0.95, 0.0, 3 / 160)]


def test_the_bound_covers_what_never_came_as_often_as_it_says() -> None:
    found = bound(silent("popularity", "ips", effective=1000.0))
    assert found is not None
    assert (1 - found.high) ** 1000 == pytest.approx(0.05, rel=0.01)


def test_other_estimates_have_no_bound_of_that_kind() -> None:
    assert bound(estimate("a", "ips", 0.005, 0.001)) is None
    assert bound(silent("a", "ips", effective=0.0)) is None
    one = [Interval(method="normal", level=0.95, low=1.0, high=1.0)]
    sure = msgspec.structs.replace(silent("a", "ips"), value=1.0, intervals=one)
    assert is_flat(sure)
    assert bound(sure) is None
    (note,) = alarms(judged(sure))
    assert "a by ips" in note
    assert "no certainty" in note


def test_groups_without_spread_are_told_so() -> None:
    row = GroupRow(
        policy="a", group="g", rounds=9, logged_mean=0.1, estimate=0.0, low=0.0, high=0.0,
        effective_rounds=3.0,
    )  # fmt: skip
    result = msgspec.structs.replace(evaluation(("a",)), segments=[row])
    table = re.search(r'id="segments".*?</table>', render_report(result), re.DOTALL)
    assert table is not None
    assert "no spread seen" in table[0]


def test_the_headline_leaves_out_what_is_in_doubt_and_says_so() -> None:
    result = judged(
        estimate("a", "dr", 0.004, 0.001),
        estimate("b", "dr", 0.009, 0.02, sound=False),
        silent("c", "dr"),
        msgspec.structs.replace(estimate("d", "dr", None, 0.0, sound=False)),
    )
    headline = lay_out(result).headline
    assert headline.startswith("By dr, a would have earned 0.0040")
    assert "In doubt, as told below: b, c." in headline
    assert "Without estimate, as told below: d." in headline


def test_a_headline_with_nothing_sound_says_why() -> None:
    headline = lay_out(judged(estimate("b", "dr", 0.009, 0.02, sound=False))).headline
    assert "But b: Not enough overlap" in headline


@pytest.mark.parametrize("result", [comparison(), search()], ids=["comparison", "search"])
def test_headlines_of_pairs_tell_of_doubt(result: Result) -> None:
    assert "But " not in lay_out(search()).headline
    assert "But b: Not enough overlap" in lay_out(comparison()).headline


def test_estimated_propensities_cannot_be_missed() -> None:
    marked = [
        msgspec.structs.replace(found, marked="propensities are estimated")
        for found in (estimate("a", "dr", 0.004, 0.001), estimate("b", "dr", 0.003, 0.001))
    ]
    guessed = msgspec.structs.replace(data(), propensities="estimated")
    result = msgspec.structs.replace(judged(*marked), data=guessed)
    page = lay_out(result)
    assert "Mind that propensities are estimated." in page.headline
    assert [fact.label for fact in page.facts if fact.alarm] == ["propensities"]
    assert alarms(result) == ["Marked with an asterisk: propensities are estimated."]
    for name in ("estimates", "estimates-table"):
        found = named(result, name)
        rows = found.numbers.rows if isinstance(found, Figure) else found.rows
        assert [row[1] for row in rows if row[1]] == ["dr*"] * len([r for r in rows if r[1]])
    assert 'class="alarm"' in render_report(result)


@pytest.mark.parametrize(
    ("note", "told"),
    [
        ("interrupted: 2 of 3 policies were judged", "Interrupted: 2 of 3 policies were judged."),
        (f"{NOT_TRUSTWORTHY}: few rounds", f"{NOT_TRUSTWORTHY}: few rounds."),
    ],
)
def test_what_a_reader_must_know_first_is_told_before_anything_else(note: str, told: str) -> None:
    for made in (evaluation(), search(), comparison()):
        result = msgspec.structs.replace(made, notes=[note])
        assert lay_out(result).sections[0].blocks[0] == Note(told, alarm=True)


def test_notes_on_the_run_and_the_data_are_told() -> None:
    for made in (evaluation(), search(), comparison()):
        text = render_report(msgspec.structs.replace(made, notes=["trained on rounds 1 to 9"]))
        assert "trained on rounds 1 to 9" in text
        assert data().notes[0] in text


def test_verdicts_are_told_once_with_who_is_warned_of() -> None:
    def warned(estimator: str, *warnings: str) -> Estimate:
        found: Diagnostics = msgspec.structs.replace(diagnostics(), warnings=list(warnings))
        made = estimate("a", estimator, 0.004, 0.001)
        return msgspec.structs.replace(made, diagnostics=found)

    result = judged(warned("ips", "all", "one"), warned("snips", "all"))
    (card,) = blocks(result, Verdict)
    assert isinstance(card, Verdict)
    assert card.title == "a"
    assert card.warnings == ["all", "ips: one"]


def test_of_many_verdicts_those_in_doubt_have_cards_and_all_are_in_the_table() -> None:
    count = CARDS_MAX + 4
    result = judged(*(estimate(f"p{i}", "dr", 0.004, 0.001, sound=i != 3) for i in range(count)))
    (card,) = blocks(result, Verdict)
    assert isinstance(card, Verdict)
    assert card.title == "p3"
    table = named(result, "diagnostics")
    assert isinstance(table, Table)
    assert len(table.rows) == count
    assert not table.folded


def test_of_very_many_estimates_the_headlines_are_drawn_and_all_are_offered() -> None:
    policies = tuple(f"policy {i}" for i in range(30))
    result = evaluation(policies)
    figure = _figure(result)
    drawn: set[Cell] = {row[1] for row in figure.numbers.rows if row[1]}
    assert drawn == {"dr"}
    assert "30 of 150" in figure.caption
    table = named(result, "estimates-table")
    assert isinstance(table, Table)
    assert len(table.rows) == 150


def test_hundreds_of_groups_are_folded_though_none_is_cut() -> None:
    made = evaluation(("a",))
    rows = [msgspec.structs.replace(made.segments[0], group=f"viewers {i}") for i in range(400)]
    text = render_report(msgspec.structs.replace(made, segments=rows))
    assert "<details><summary>Estimates by segment (400 lines)" in text
    assert "viewers 399" in text


def test_a_streamed_evaluation_needs_no_calibration_or_groups() -> None:
    made = msgspec.structs.replace(evaluation(), calibration=[], segments=[], positions=[])
    names = [section.name for section in lay_out(made).sections]
    assert names == ["estimates", "trust", "data"]
    assert "Propensity calibration" not in render_report(made)


def test_names_are_never_broken_within_words() -> None:
    result = judged(estimate("editorial order", "switch-dr", 0.004, 0.001))
    text = render_report(result)
    assert '<th scope="row" class="short">editorial order</th>' in text
    assert '<td class="short">switch-dr</td>' in text
    assert ".short { white-space: nowrap; }" in text
    rules = re.findall(r"(?:^|\n)(?:td|th|tbody|table)[^{]*\{[^}]*\}", text)
    assert rules
    assert not [rule for rule in rules if "anywhere" in rule or "break-all" in rule]


def test_negative_values_have_a_true_minus() -> None:
    text = render_report(judged(estimate("a", "dr", -0.004, 0.001)))
    assert "−0.0050 to −0.0030" in text
    assert "−0.0000" not in text
