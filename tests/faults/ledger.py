"""Clients that keep their own books: what was asked, and what the server acknowledged.

Each try is entered by itself. What a client asked and had no answer to may be in the log or not;
what was acknowledged must be. A client also sends some feedback again that was acknowledged
already, as clients whose answer is lost do; the log must not take it twice.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from typing import NamedTuple

import numpy as np

from bandit.types import FeedbackType, PageRow
from server.client import ClientError
from server.client_http import Answer, NoAnswerError, Patience, Transport, decode_answer
from server.local import wait_until
from server.wire import FeedbackAnswer, FeedbackEvent, RankAnswer, RankRequest

_PAUSE_S = 0.05
_REFUSED = "the server answered 503"
_REPEATED = 0.1
"""The share of acknowledged feedback requests that are sent again."""


@dataclass
class Ledger:
    """What was asked and what was acknowledged. The log may hold more of what was asked."""

    asked: set[str] = field(default_factory=set)
    """Decision ids sent."""
    decisions: set[str] = field(default_factory=set)
    """Decision ids answered as logged."""
    unlogged: set[str] = field(default_factory=set)
    """Decision ids of pages that were served and told not to be logged."""
    sent: set[str] = field(default_factory=set)
    """Event ids sent."""
    events: set[str] = field(default_factory=set)
    """Event ids acknowledged."""
    unsure: set[str] = field(default_factory=set)
    """Event ids of tries that had no usable answer."""
    pages: int = 0
    """Answers to pages."""
    accepted: int = 0
    """Events that answers called new."""
    duplicates: int = 0
    """Events that answers called known."""
    unanswered: int = 0
    """Events in tries without a usable answer, each try counted."""
    refused: int = 0
    """Events in tries that were refused for now, counted among those above as well."""
    unanswered_pages: int = 0
    """Tries of pages without a usable answer."""
    given_up: list[str] = field(default_factory=list)
    """Why requests were refused, or tried in vain until the end."""

    @classmethod
    def of(cls, ledgers: Iterable[Ledger]) -> Ledger:
        """Put several books together."""
        whole = cls()
        for ledger in ledgers:
            for name in (each.name for each in fields(cls)):
                one, other = getattr(whole, name), getattr(ledger, name)
                setattr(whole, name, one | other if isinstance(one, set) else one + other)
        return whole


class Pace(NamedTuple):
    """How clients behave, in seconds."""

    think_s: float = 0.0
    """Between two visits."""
    try_s: float = 2.0
    """How long one try may take before another is made."""
    give_up_s: float = 10.0
    """How long a request is tried again and again."""


PACE = Pace()


class Viewer:
    """Opens pages, and reports an impression of every title and a play of some, or nothing."""

    def __init__(
        self,
        url: str,
        ledger: Ledger,
        titles: Sequence[str],
        seed: int,
        pace: Pace,
        *,
        reports: bool = True,
    ) -> None:
        self._transport = Transport(url, api_key=None, encoding="msgpack", connections=1)
        self._ledger = ledger
        self._titles = titles
        self._pace = pace
        self._reports = reports
        self._patience = Patience(deadline_s=pace.try_s, retries=0)
        self._random = np.random.default_rng(seed)

    def visit(self) -> None:
        """Open one page and report on it; enter what the server acknowledged."""
        try:
            decided = self._open()
            if not self._reports:
                return
            events = self._events(decided)
            self._ledger.sent.update(event.event_id for event in events)
            self._report(events)
            if self._random.random() < _REPEATED:
                self._report(events)
        except ClientError as error:
            self._ledger.given_up.append(str(error))

    def _open(self) -> RankAnswer:
        names = [str(name) for name in self._random.choice(self._titles, 6, replace=False)]
        page = RankRequest(
            viewer_id=f"v{self._random.integers(50)}",
            decision_id=uuid.uuid4().hex,
            context={"taste": f"taste{self._random.integers(3)}"},
            rows=[PageRow("row0", titles=names[:3]), PageRow("row1", titles=names[3:])],
        )
        self._ledger.asked.add(str(page.decision_id))
        until = time.monotonic() + self._pace.give_up_s
        while True:
            try:
                answer = self._call("/v1/rank", page)
                decided: RankAnswer = decode_answer(answer, RankAnswer)
            except NoAnswerError:
                self._ledger.unanswered_pages += 1
                _rest(until)
                continue
            self._ledger.pages += 1
            kept = self._ledger.decisions if decided.logged else self._ledger.unlogged
            kept.add(decided.decision_id)
            return decided

    def _report(self, events: list[FeedbackEvent]) -> None:
        ids = {event.event_id for event in events}
        until = time.monotonic() + self._pace.give_up_s
        while True:
            try:
                answer = self._call("/v1/feedback", {"events": events})
                taken: FeedbackAnswer = decode_answer(answer, FeedbackAnswer)
            except NoAnswerError as error:
                self._ledger.unsure |= ids
                self._ledger.unanswered += len(events)
                self._ledger.refused += len(events) if error.reason == _REFUSED else 0
                _rest(until)
                continue
            self._ledger.events |= ids
            self._ledger.accepted += taken.accepted
            self._ledger.duplicates += taken.duplicates
            return

    def _call(self, path: str, asked: object) -> Answer:
        return self._transport.call("POST", path, asked, patience=self._patience)

    def _events(self, decided: RankAnswer) -> list[FeedbackEvent]:
        events = []
        for row in decided.rows:
            for title in row.titles:
                events.append(self._event(decided, row.id, title.id, "impression"))
                if self._random.random() < 0.3:
                    events.append(self._event(decided, row.id, title.id, "play"))
        return events

    def _event(
        self, decided: RankAnswer, row: str, title: str, kind: FeedbackType
    ) -> FeedbackEvent:
        return FeedbackEvent(
            event_id=uuid.uuid4().hex,
            decision_id=decided.decision_id,
            type=kind,
            title=title,
            row=row,
            seconds=300 if kind == "play" else None,
        )

    def close(self) -> None:
        """Let go of the connection."""
        self._transport.close()


def _rest(until: float) -> None:
    """Wait a moment before the next try.

    Raises:
        NoAnswerError: it is too late for another.
    """
    if time.monotonic() > until:
        raise NoAnswerError("tried in vain until the end")
    time.sleep(_PAUSE_S)


class Crowd:
    """Several viewers at once, each in a thread, until told to leave."""

    def __init__(
        self,
        url: str,
        titles: Sequence[str],
        viewers: int,
        *,
        pace: Pace = PACE,
        seed: int = 0,
        reports: bool = True,
    ) -> None:
        self.ledgers = [Ledger() for _ in range(viewers)]
        self._leave = threading.Event()
        self._think_s = pace.think_s
        self._threads = [
            threading.Thread(
                target=self._browse,
                args=(Viewer(url, ledger, titles, seed + viewer, pace, reports=reports),),
            )
            for viewer, ledger in enumerate(self.ledgers)
        ]
        for thread in self._threads:
            thread.start()

    def _browse(self, viewer: Viewer) -> None:
        while not self._leave.wait(self._think_s):
            viewer.visit()
        viewer.close()

    def pages(self) -> int:
        """Return how many pages were acknowledged so far."""
        return sum(len(ledger.decisions) for ledger in self.ledgers)

    def unlogged(self) -> int:
        """Return how many pages were served and told not to be logged so far."""
        return sum(len(ledger.unlogged) for ledger in self.ledgers)

    def wait_for(self, pages: int) -> None:
        """Wait until so many more pages were acknowledged."""
        enough = self.pages() + pages
        wait_until(lambda: self.pages() >= enough, 120, f"answering {pages} pages")

    def leave(self) -> Ledger:
        """Stop all viewers after their present visit and return their books as one."""
        self._leave.set()
        for thread in self._threads:
            thread.join()
        return Ledger.of(self.ledgers)
