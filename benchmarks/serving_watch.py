"""Watches what each worker serves: one connection to each, asked for a small page again and again.

Answers name the catalog and the snapshots that made them, so that the first answer of a worker by
a new version tells when the worker served it at the latest.
"""

from __future__ import annotations

import http.client
import socket
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Final, NamedTuple, Self

import msgspec
from msgspec.structs import replace

from bandit.types import Page, Surface
from benchmarks.connections import connections_of, open_connections
from benchmarks.servers import encoded, headers, rank_request
from server.wire import RankAnswer

POLL_S: Final = 0.02
TIMEOUT_S: Final = 60.0
TRIES_MAX: Final = 200


class Seen(NamedTuple):
    """What one answer named, and when it came by the system's monotonic clock."""

    at_s: float
    worker: int
    catalog: str
    snapshots: dict[Surface, str]


class ServingWatch:
    """Asks every worker while the context lasts; ``seen`` is in the order of answers."""

    def __init__(self, port: int, workers: Sequence[int], page: Page) -> None:
        self._port = port
        self._workers = workers
        self._page = page
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self.seen: list[Seen] = []

    def __enter__(self) -> Self:
        for worker in self._workers:
            opened = self._open(worker)
            self._threads.append(
                threading.Thread(target=self._watch, args=(opened, worker), daemon=True)
            )
        for thread in self._threads:
            thread.start()
        return self

    def _open(self, worker: int) -> socket.socket:
        """Return a connection to one worker."""
        opened = open_connections(self._port, len(self._workers), self._workers)
        of = connections_of(opened, self._workers)
        theirs = [one for one in opened if of[one.fileno()] == worker]
        for one in opened:
            if one not in theirs[:1]:
                one.close()
        if not theirs:
            raise RuntimeError(f"worker {worker} took no connection")
        theirs[0].settimeout(TIMEOUT_S)
        return theirs[0]

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _watch(self, opened: socket.socket, worker: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT_S)
        connection.sock = opened

        def ask(page: Page) -> RankAnswer:
            if connection.sock is None:
                # A worker may give connections up, and another one would be asked next.
                connection.sock = self._open(worker)
            return _rank(connection, encoded(rank_request(page), "msgpack"))

        try:
            page = _learned_page(ask, self._page)
            while not self._stop.wait(POLL_S):
                answer = ask(page)
                self.seen.append(Seen(time.monotonic(), worker, answer.catalog, answer.snapshots))
        finally:
            connection.close()

    def all_serve_catalog(self, version: str) -> bool:
        """Tell whether every worker answered by this catalog at last."""
        last = {one.worker: one.catalog for one in list(self.seen)}
        return set(last.values()) == {version} and len(last) == len(self._workers)


def served_everywhere_s(seen: Sequence[Seen], surface: Surface, version: str) -> float | None:
    """Return when all workers had answered by this snapshot or a later one, None if not all did."""
    first: dict[int, float] = {}
    for one in seen:
        # Versions are numbered in order, and sort so as strings.
        if one.snapshots.get(surface, "") >= version:
            first.setdefault(one.worker, one.at_s)
    return max(first.values()) if first.keys() == {one.worker for one in seen} else None


def _learned_page(ask: Callable[[Page], RankAnswer], page: Page) -> Page:
    """Return the page for a viewer whose choices are the model's."""
    for _ in range(TRIES_MAX):
        named = replace(page, viewer_id=f"watch-{uuid.uuid4().hex}")
        if ask(named).share == "learned":
            return named
    raise RuntimeError("no viewer is in the learned share")


def _rank(connection: http.client.HTTPConnection, body: bytes) -> RankAnswer:
    connection.request("POST", "/v1/rank", body, headers("msgpack"))
    answer = connection.getresponse()
    content = answer.read()
    if answer.status != 201:
        raise RuntimeError(f"/v1/rank answered {answer.status}: {content[:200]!r}")
    return msgspec.msgpack.decode(content, type=RankAnswer)
