"""Which titles and rows of a page were seen, and what happened to each.

Feedback counts for the row that it names; without one, or with one that does not hold the title,
for the first row that does. Rules, per surface:

* ``reported``: what an impression, a click or a play was reported for was seen.
* ``all``: everything served was seen.
* ``cascade``: everything served down to the last such report was seen, in page order: rows from
  the top, the titles of each from its start, then titles outside rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from bandit.events import DecisionRecord, FeedbackRecord

Exposure = Literal["reported", "all", "cascade"]
Events = list[FeedbackRecord]


class Seen(NamedTuple):
    """What was seen of a page."""

    titles: dict[str, Events]
    """Seen title → all its feedback on the page, in the log's order."""
    rows: dict[int, dict[str, Events]]
    """Index of a seen row into ``decision.rows`` → its seen titles → their feedback in that row."""
    unplaced: int
    """How many events name a title that the page did not hold."""


_Place = tuple[int | None, str]
"""A row's index (None outside rows) and a title."""


def seen(decision: DecisionRecord, events: Sequence[FeedbackRecord], exposure: Exposure) -> Seen:
    """Tell what of a page was seen."""
    placed, unplaced = _place_events(decision, events)
    if exposure == "reported":
        places: list[_Place] = list(placed)
        last_row = -1
    elif exposure == "all":
        places = [*_page_order(decision), *placed]
        last_row = len(decision.rows) - 1
    else:
        places, last_row = _down_to_last(decision, placed)
    titles: dict[str, Events] = {}
    rows: dict[int, dict[str, Events]] = {index: {} for index in range(last_row + 1)}
    for row, title in dict.fromkeys(places):
        titles.setdefault(title, [])
        if row is not None:
            rows.setdefault(row, {})[title] = placed.get((row, title), [])
    for event in events:
        if event.title in titles:
            titles[event.title].append(event)
    return Seen(titles, rows, unplaced)


def _place_events(
    decision: DecisionRecord, events: Sequence[FeedbackRecord]
) -> tuple[dict[_Place, Events], int]:
    index_of = {row.id: index for index, row in enumerate(decision.rows)}
    held: _Held | None = None
    placed: dict[_Place, Events] = {}
    unplaced = 0
    for event in events:
        named = None if event.row is None else index_of.get(event.row)
        if named is None or not _may_hold(decision, named, event.title):
            # All rows are gone through only now: feedback names the right one as a rule.
            held = held or _held(decision)
            named = held.first_row.get(event.title)
            if named is None and event.title not in held.titles:
                unplaced += 1
                continue
        place = (named, event.title)
        if place in placed:
            placed[place].append(event)
        else:
            placed[place] = [event]
    return placed, unplaced


class _Held(NamedTuple):
    """What a page held."""

    titles: set[str]
    first_row: dict[str, int]
    """Title → index of the first row that holds it."""


def _held(decision: DecisionRecord) -> _Held:
    first_row: dict[str, int] = {}
    for index, row in enumerate(decision.rows):
        for title in row.titles:
            first_row.setdefault(title, index)
    return _Held({choice.title for choice in decision.titles}, first_row)


def _may_hold(decision: DecisionRecord, row: int, title: str) -> bool:
    """Tell whether a row holds a title; one served without titles may hold any."""
    titles = decision.rows[row].titles
    return not titles or title in titles


def _page_order(decision: DecisionRecord) -> Iterator[_Place]:
    for index, row in enumerate(decision.rows):
        for title in row.titles:
            yield index, title
    for title in decision.loose_titles:
        yield None, title


def _down_to_last(
    decision: DecisionRecord, placed: dict[_Place, Events]
) -> tuple[list[_Place], int]:
    order = list(_page_order(decision))
    last = max((at for at, place in enumerate(order) if place in placed), default=-1)
    outside = any(row is None for row, _ in placed)
    reported = [row for row, _ in placed if row is not None]
    last_row = len(decision.rows) - 1 if outside else max(reported, default=-1)
    # A report from a row served without titles shows that all rows above it were passed.
    above = sum(row is not None and row < last_row for row, _ in order)
    return [*order[: max(last + 1, above)], *placed], last_row
