"""Clients that keep their own books: what was asked, and what the server acknowledged."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from bandit.types import FeedbackType, PageRow
from server.client import ClientError
from server.client_http import Patience, Transport, decode_answer
from server.local import wait_until
from server.wire import FeedbackEvent, RankAnswer, RankRequest

_PATIENCE = Patience(deadline_s=10.0, retries=8, try_timeout_s=2.0)


@dataclass
class Ledger:
    """What was acknowledged. The log may hold more than this, never less."""

    decisions: set[str] = field(default_factory=set)
    events: set[str] = field(default_factory=set)
    given_up: int = 0


class Viewer:
    """Opens pages, and reports an impression of every title and a play of some."""

    def __init__(self, url: str, ledger: Ledger, titles: Sequence[str], seed: int) -> None:
        self._transport = Transport(url, api_key=None, encoding="msgpack", connections=1)
        self._ledger = ledger
        self._titles = titles
        self._random = np.random.default_rng(seed)

    def visit(self) -> None:
        """Open one page and report on it; enter what the server acknowledged."""
        names = [str(name) for name in self._random.choice(self._titles, 6, replace=False)]
        page = RankRequest(
            viewer_id=f"v{self._random.integers(50)}",
            decision_id=uuid.uuid4().hex,
            context={"taste": f"taste{self._random.integers(3)}"},
            rows=[PageRow("row0", titles=names[:3]), PageRow("row1", titles=names[3:])],
        )
        try:
            answer = self._transport.call("POST", "/v1/rank", page, patience=_PATIENCE)
            decided: RankAnswer = decode_answer(answer, RankAnswer)
            if decided.logged:
                self._ledger.decisions.add(decided.decision_id)
            events = self._events(decided)
            body = {"events": events}
            self._transport.call("POST", "/v1/feedback", body, patience=_PATIENCE)
            self._ledger.events.update(event.event_id for event in events)
        except ClientError:
            self._ledger.given_up += 1

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


class Crowd:
    """Several viewers at once, each in a thread, until told to leave."""

    def __init__(self, url: str, titles: Sequence[str], viewers: int) -> None:
        self.ledgers = [Ledger() for _ in range(viewers)]
        self._leave = threading.Event()
        self._threads = [
            threading.Thread(target=self._browse, args=(Viewer(url, ledger, titles, seed),))
            for seed, ledger in enumerate(self.ledgers)
        ]
        for thread in self._threads:
            thread.start()

    def _browse(self, viewer: Viewer) -> None:
        while not self._leave.is_set():
            viewer.visit()
        viewer.close()

    def pages(self) -> int:
        """Return how many pages were acknowledged so far."""
        return sum(len(ledger.decisions) for ledger in self.ledgers)

    def wait_for(self, pages: int) -> None:
        """Wait until so many more pages were acknowledged."""
        enough = self.pages() + pages
        wait_until(lambda: self.pages() >= enough, 120, f"answering {pages} pages")

    def leave(self) -> Ledger:
        """Stop all viewers after their present visit and return their books as one."""
        self._leave.set()
        for thread in self._threads:
            thread.join()
        return Ledger(
            set().union(*(ledger.decisions for ledger in self.ledgers)),
            set().union(*(ledger.events for ledger in self.ledgers)),
            sum(ledger.given_up for ledger in self.ledgers),
        )
