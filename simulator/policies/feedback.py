"""From what viewers did, as arrays, to the feedback that a client would send.

A display was on screen, so there is an impression; clicks and plays are told as they came. What a
display's ``delay_s`` tells is its last feedback; whatever came before that is told at the page's
instant. Ids follow from the decision's, so that a run repeated sends the same feedback.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bandit.catalog import CatalogDocument
from bandit.clock import to_us
from bandit.events import FeedbackRecord
from bandit.types import FeedbackType
from simulator.pages import Displays, Pages, Served


class Reported(NamedTuple):
    """One piece of feedback."""

    page: int
    """Index into the batch."""
    after_us: int
    """From the page's instant."""
    event: FeedbackRecord


class Reporter:
    """Puts displays into words, for one document."""

    def __init__(self, document: CatalogDocument) -> None:
        self._titles = [title.id for title in document.titles]
        self._rows = [row.id for row in document.rows]

    def report(
        self, pages: Pages, served: Served, displays: Displays, decision_ids: Sequence[str]
    ) -> Iterator[Reported]:
        """Yield the feedback on a batch, display by display.

        ``decision_ids`` has one id a page. Where pages only order rows, feedback on a row names
        the row also as its title: a service takes that for something in this row.
        """
        ordered = served.order[displays.page, displays.position]
        rows = pages.rows[displays.page, ordered].tolist()
        if pages.titles.shape[2]:
            codes = pages.titles[displays.page, ordered, displays.column]
            titles = [self._titles[code] for code in codes.tolist()]
        else:
            titles = [self._rows[row] for row in rows]
        columns = (
            displays.page.tolist(),
            displays.clicked.tolist(),
            displays.played.tolist(),
            displays.seconds.tolist(),
            displays.fraction.tolist(),
            displays.delay_s.tolist(),
        )
        told = zip(rows, titles, *columns, strict=True)
        for number, (row, title, page, clicked, played, seconds, fraction, delay_s) in enumerate(
            told
        ):
            names = (decision_ids[page], number, title, self._rows[row])
            last_us = to_us(delay_s)
            touched = clicked or played
            yield Reported(page, 0 if touched else last_us, _event("impression", *names))
            if clicked:
                yield Reported(page, 0 if played else last_us, _event("click", *names))
            if played:
                play = _event("play", *names, seconds=seconds, fraction=min(1.0, fraction))
                yield Reported(page, last_us, play)


def _event(
    kind: FeedbackType,
    decision_id: str,
    number: int,
    title: str,
    row: str,
    *,
    seconds: float | None = None,
    fraction: float | None = None,
) -> FeedbackRecord:
    return FeedbackRecord(
        event_id=f"{decision_id}.{number}{kind[0]}",
        decision_id=decision_id,
        type=kind,
        title=title,
        row=row,
        seconds=seconds,
        fraction=fraction,
    )
