from __future__ import annotations

from bandit.events import DecisionRecord, FeedbackRecord
from bandit.exposure import Exposure, seen
from bandit.types import RowChoice, TitleChoice


def _decision(rows: dict[str, list[str]], loose: list[str] | None = None) -> DecisionRecord:
    names = dict.fromkeys([title for titles in rows.values() for title in titles] + (loose or []))
    return DecisionRecord(
        decision_id="d",
        decided_at_us=0,
        body_digest=b"",
        catalog="c",
        policy="p",
        shares={},
        titles=[TitleChoice(name, "a", 1.0) for name in names],
        rows=[
            RowChoice(name, position, 1.0, False, titles)
            for position, (name, titles) in enumerate(rows.items())
        ],
        loose_titles=loose or [],
    )


def _event(title: str, row: str | None = None) -> FeedbackRecord:
    return FeedbackRecord(
        event_id=f"{title}{row}", decision_id="d", type="impression", title=title, row=row
    )


PAGE = _decision({"top": ["a", "b"], "middle": ["b", "c"], "end": ["d"]}, ["e", "f"])


def _seen(
    exposure: Exposure, *events: FeedbackRecord, page: DecisionRecord = PAGE
) -> tuple[set[str], dict[int, set[str]]]:
    found = seen(page, events, exposure)
    return set(found.titles), {row: set(titles) for row, titles in found.rows.items()}


def test_reported_is_what_was_named() -> None:
    titles, rows = _seen("reported", _event("c", "middle"), _event("e"))
    assert titles == {"c", "e"}
    assert rows == {1: {"c"}}


def test_all_is_the_whole_page_even_without_feedback() -> None:
    titles, rows = _seen("all")
    assert titles == set("abcdef")
    assert rows == {0: {"a", "b"}, 1: {"b", "c"}, 2: {"d"}}


def test_cascade_goes_down_to_the_last_report() -> None:
    assert _seen("cascade") == (set(), {})
    assert _seen("cascade", _event("b", "middle"), _event("a")) == (
        {"a", "b"},
        {0: {"a", "b"}, 1: {"b"}},
    )
    titles, rows = _seen("cascade", _event("e"))
    assert titles == set("abcde")
    assert set(rows) == {0, 1, 2}


def test_feedback_without_a_row_counts_for_the_first_that_holds_the_title() -> None:
    found = seen(PAGE, [_event("b"), _event("c", "unheard of"), _event("d", "top")], "reported")
    assert {row: set(titles) for row, titles in found.rows.items()} == {
        0: {"b"},
        1: {"c"},
        2: {"d"},
    }


def test_a_title_gathers_its_feedback_from_all_rows_and_a_row_only_its_own() -> None:
    events = [_event("b", "top"), _event("b", "middle")]
    found = seen(PAGE, events, "reported")
    assert found.titles == {"b": events}
    assert found.rows == {0: {"b": events[:1]}, 1: {"b": events[1:]}}


def test_titles_that_the_page_did_not_hold_are_counted() -> None:
    found = seen(PAGE, [_event("x"), _event("y", "top"), _event("a", "top")], "reported")
    assert found.unplaced == 2
    assert set(found.titles) == {"a"}


def test_rows_served_without_titles_take_any() -> None:
    page = _decision({"one": [], "two": [], "three": []})
    event = _event("anything", "two")
    assert _seen("reported", event, page=page)[1] == {1: {"anything"}}
    assert _seen("cascade", event, page=page)[1] == {0: set(), 1: {"anything"}}
    assert set(_seen("all", page=page)[1]) == {0, 1, 2}
