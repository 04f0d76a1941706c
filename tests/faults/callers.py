"""Callers who ask for pages and report on them without ever trying again, and keep books."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final, Self

import urllib3

from server.local import wait_until

WAIT_S: Final = 60.0
PAGE: Final[dict[str, Any]] = {
    "context": {"tastes": [f"a taste of some length, number {number}" for number in range(60)]},
    "titles": [{"id": "t", "artworks": [{"id": "a"}, {"id": "b"}]}],
}


@dataclass
class Books:
    """What was answered. What is acknowledged must be in the log, once."""

    decisions: set[str] = field(default_factory=set)
    """Decisions answered as logged."""
    unlogged: set[str] = field(default_factory=set)
    """Decisions served and marked as not logged."""
    events: set[str] = field(default_factory=set)
    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    """Answers by route and status; status 0 for none."""
    without_retry_after: int = 0
    """Refusals for now that did not say when to come again."""

    def of(self, route: str) -> dict[int, int]:
        """Return the answers of a route, by status."""
        return {status: count for (path, status), count in self.statuses.items() if path == route}


class Callers:
    """Several callers at once, each in a thread, until the end of a block."""

    def __init__(self, url: str, *, callers: int = 4, first: str = "c") -> None:
        self.books = Books()
        self._url = url
        self._first = first
        self._leave = threading.Event()
        self._threads = [threading.Thread(target=self._call, args=(n,)) for n in range(callers)]

    def _call(self, caller: int) -> None:
        turn = 0
        with urllib3.PoolManager(retries=False, timeout=WAIT_S) as pool:
            while not self._leave.is_set():
                self._visit(pool, f"{self._first}{caller}-{turn}")
                turn += 1

    def _visit(self, pool: urllib3.PoolManager, name: str) -> None:
        page = self._post(pool, "/v1/rank", {**PAGE, "decision_id": f"d-{name}"})
        if page is not None:
            kept = self.books.decisions if page["logged"] else self.books.unlogged
            kept.add(f"d-{name}")
        event = {
            "event_id": f"e-{name}", "decision_id": f"d-{name}", "type": "click", "title": "t",
        }  # fmt: skip
        answer = self._post(pool, "/v1/feedback", {"events": [event]})
        if answer is not None and answer["accepted"]:
            self.books.events.add(f"e-{name}")

    def _post(self, pool: urllib3.PoolManager, route: str, body: object) -> Any:
        """Return what a good answer says, None for any other; enter it in the books."""
        try:
            answer = pool.request("POST", self._url + route, json=body)
        except urllib3.exceptions.HTTPError:
            self.books.statuses[route, 0] += 1
            return None
        self.books.statuses[route, answer.status] += 1
        if answer.status in (429, 503) and "Retry-After" not in answer.headers:
            self.books.without_retry_after += 1
        return answer.json() if answer.status < 300 else None

    def wait_for(self, route: str, status: int, more: int) -> None:
        """Wait for so many more answers of a kind."""
        enough = self.books.statuses[route, status] + more
        wait_until(
            lambda: self.books.statuses[route, status] >= enough,
            WAIT_S,
            f"{more} more answers {status} of {route}",
        )

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leave.set()
        for thread in self._threads:
            thread.join()


def metrics(url: str, *, api_key: str | None = None) -> dict[str, float]:
    """Return all metrics of a running service, by name and labels as they are written."""
    headers = {} if api_key is None else {"X-API-Key": api_key}
    answer = urllib3.request(
        "GET", f"{url}/metrics", headers=headers, retries=False, timeout=WAIT_S
    )
    assert answer.status == 200, answer.data
    text = answer.data.decode()
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}
