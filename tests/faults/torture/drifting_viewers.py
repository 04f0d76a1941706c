"""Viewers whose tastes change with the hours, in front of a catalog whose titles come and go."""

from __future__ import annotations

import threading
import uuid

import numpy as np

from bandit.catalog import CatalogDocument, CatalogPatch
from bandit.types import Artwork, FeedbackType, PageRow, Row, Title
from server.client import ClientError
from server.client_http import Patience, Transport, decode_answer
from server.wire import FeedbackEvent, RankAnswer, RankRequest

MOODS = 4
_TITLES = 60
_CHURNED = 6
_SHOWN = 10
_PATIENCE = Patience(deadline_s=20.0, retries=16, try_timeout_s=5.0)


def _title(number: int) -> Title:
    artworks = [Artwork(f"t{number}.{art}", {"mood": f"mood{art}"}) for art in range(MOODS)]
    return Title(f"t{number}", artworks, {"kind": f"kind{number % 7}"})


class Programme:
    """The titles that are on offer; of them some are replaced again and again."""

    def __init__(self) -> None:
        self._first = 0

    def document(self) -> CatalogDocument:
        """Return the first catalog."""
        return CatalogDocument(
            [_title(number) for number in self._numbers],
            [Row(f"row{row}", {"kind": f"kind{row}"}) for row in range(2)],
        )

    @property
    def _numbers(self) -> range:
        return range(self._first, self._first + _TITLES)

    @property
    def names(self) -> list[str]:
        """The titles on offer."""
        return [f"t{number}" for number in self._numbers]

    def churn(self, url: str) -> None:
        """Take the oldest titles out and put as many new ones in."""
        gone = [f"t{number}" for number in self._numbers[:_CHURNED]]
        end = self._numbers.stop
        new = [_title(number) for number in range(end, end + _CHURNED)]
        transport = Transport(url, api_key=None, encoding="msgpack", connections=1)
        try:
            patch = CatalogPatch(titles=new, remove_titles=gone)
            transport.call("PATCH", "/v1/catalog", patch, patience=_PATIENCE)
        finally:
            transport.close()
        self._first += _CHURNED


class Audience:
    """Viewers in threads of their own, who play what shows the mood that is theirs at the time."""

    def __init__(self, url: str, programme: Programme, viewers: int, pause_s: float) -> None:
        self._url = url
        self._programme = programme
        self._pause_s = pause_s
        self._leave = threading.Event()
        self.fashion = 0
        """Which mood goes with which taste; it changes with the hours."""
        self.pages = 0
        self.failed: list[str] = []
        """What could not be done however often it was tried."""
        self._threads = [threading.Thread(target=self._browse, args=(n,)) for n in range(viewers)]
        for thread in self._threads:
            thread.start()

    def _browse(self, seed: int) -> None:
        draws = np.random.default_rng(seed)
        transport = Transport(self._url, api_key=None, encoding="msgpack", connections=1)
        while not self._leave.wait(self._pause_s):
            try:
                self._visit(transport, draws)
                self.pages += 1
            except ClientError as error:
                self.failed.append(str(error))
        transport.close()

    def _visit(self, transport: Transport, draws: np.random.Generator) -> None:
        names = [str(name) for name in draws.choice(self._programme.names, _SHOWN, replace=False)]
        taste = int(draws.integers(MOODS))
        half = _SHOWN // 2
        page = RankRequest(
            viewer_id=f"v{draws.integers(5000)}",
            decision_id=uuid.uuid4().hex,
            context={"taste": f"taste{taste}"},
            rows=[PageRow("row0", titles=names[:half]), PageRow("row1", titles=names[half:])],
        )
        answer = transport.call("POST", "/v1/rank", page, patience=_PATIENCE)
        decided: RankAnswer = decode_answer(answer, RankAnswer)
        events = []
        for row in decided.rows:
            for title in row.titles:
                events.append(_event(decided, row.id, title.id, "impression"))
                suits = title.artwork.endswith(f".{(taste + self.fashion) % MOODS}")
                if draws.random() < (0.5 if suits else 0.05):
                    events.append(_event(decided, row.id, title.id, "play"))
        if events:
            transport.call("POST", "/v1/feedback", {"events": events}, patience=_PATIENCE)

    def leave(self) -> None:
        """Stop all viewers after their present visit."""
        self._leave.set()
        for thread in self._threads:
            thread.join()


def _event(decided: RankAnswer, row: str, title: str, kind: FeedbackType) -> FeedbackEvent:
    return FeedbackEvent(
        event_id=uuid.uuid4().hex,
        decision_id=decided.decision_id,
        type=kind,
        title=title,
        row=row,
        seconds=300 if kind == "play" else None,
    )
