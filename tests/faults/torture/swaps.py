"""Snapshots are swapped and workers exchanged under load, and no request fails.

Two kinds of clients ask at once: some keep their connection, some open one for each request. None
of them tries again: a refusal, a broken answer or one that names a snapshot which never was is a
fault. A kept connection can be closed by the server at the very moment of its next use, as HTTP
has it; there alone, and only where not one byte of an answer came, the client asks once more on a
new connection.
"""

from __future__ import annotations

import functools
import http.client
import json
import signal
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bandit.catalog import CatalogStore
from bandit.config import load_config
from server.client import Client
from server.local import LocalServer, state_overrides, wait_until
from server.wire import SnapshotSummary
from tests.faults.torture.processes import accepts, processes_of
from tests.faults.torture.rows import Options, Row
from tests.faults.torture.world import DOCUMENT, SETTINGS, TITLES, free_port

SWAPS = 100
RESTARTS = 20
_SWAPS_A_SECOND = 0.6
"""What four cores manage with ease, the restarts between included."""
_WORKERS = 3
_CLIENTS = 6
_WAIT_S = 60.0
_PAGES_BETWEEN = 15
_TEST = "tests/faults/torture/swaps.py"
_SETTINGS = {
    **SETTINGS,
    "MARQUEE__SERVER__WORKERS": str(_WORKERS),
    "MARQUEE__LEARNER__PUBLISH_INTERVAL_S": "0.5",
    "MARQUEE__SNAPSHOTS__KEEP": "1000",
}


@dataclass
class Asked:
    """What one client saw."""

    requests: int = 0
    failures: list[str] = field(default_factory=list)
    snapshots: Counter[str] = field(default_factory=Counter)
    """Surface and version → answers that named it."""
    asked_again: int = 0
    """Requests on a kept connection that the server had closed without a byte of an answer."""


class _Asker:
    """One client, on a kept connection or on ever new ones."""

    def __init__(self, port: int, asked: Asked, seed: int, *, keeps: bool) -> None:
        self._port = port
        self._asked = asked
        self._keeps = keeps
        self._random = np.random.default_rng(seed)
        self._connection: http.client.HTTPConnection | None = None

    def visit(self) -> None:
        """Ask for a page and report on it."""
        names = [str(name) for name in self._random.choice(TITLES, 6, replace=False)]
        decision = uuid.uuid4().hex
        rows = [{"id": "row0", "titles": names[:3]}, {"id": "row1", "titles": names[3:]}]
        page = {"decision_id": decision, "viewer_id": "v1", "rows": rows}
        answer = self._post("/v1/rank", page, 201)
        if answer is None:
            return
        for surface, version in answer["snapshots"].items():
            self._asked.snapshots[f"{surface} {version}"] += 1
        play = {
            "event_id": uuid.uuid4().hex,
            "decision_id": decision,
            "type": "play",
            "title": names[0],
            "seconds": 300,
        }
        taken = self._post("/v1/feedback", {"events": [play]}, 202)
        if taken is not None and taken["accepted"] != 1:
            self._asked.failures.append(f"feedback: {taken}")

    def _post(self, path: str, body: object, wanted: int) -> Any:
        self._asked.requests += 1
        try:
            status, content = self._try(path, json.dumps(body).encode())
            if status == wanted:
                return json.loads(content)
            self._asked.failures.append(f"{path}: {status} {content[:200]!r}")
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            self._asked.failures.append(f"{path}: {error!r}")
        return None

    def _try(self, path: str, body: bytes) -> tuple[int, bytes]:
        kept = self._connection is not None
        try:
            return self._once(path, body)
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            self.close()
            if not kept:
                raise
            self._asked.asked_again += 1
            return self._once(path, body)

    def _once(self, path: str, body: bytes) -> tuple[int, bytes]:
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_WAIT_S)
        headers = {"Content-Type": "application/json"}
        if not self._keeps:
            headers["Connection"] = "close"
        self._connection.request("POST", path, body, headers)
        response = self._connection.getresponse()
        content = response.read()
        if not self._keeps:
            self.close()
        return response.status, content

    def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None


class Askers:
    """Clients in threads, every second one with a kept connection, until told to stop."""

    def __init__(self, port: int, count: int, seed: int) -> None:
        self.asked = [Asked() for _ in range(count)]
        self._enough = threading.Event()
        askers = [
            _Asker(port, asked, seed + number, keeps=bool(number % 2))
            for number, asked in enumerate(self.asked)
        ]
        self._threads = [threading.Thread(target=self._ask, args=(asker,)) for asker in askers]
        for thread in self._threads:
            thread.start()

    def _ask(self, asker: _Asker) -> None:
        # A pause short of the load that would only make the machine's queues long.
        while not self._enough.wait(0.003):
            asker.visit()
        asker.close()

    def requests(self) -> int:
        """Return how many requests were made so far."""
        return sum(one.requests for one in self.asked)

    def wait_for(self, requests: int) -> None:
        """Wait until so many more requests were made."""
        enough = self.requests() + requests
        wait_until(lambda: self.requests() >= enough, _WAIT_S, f"{requests} requests")

    def stop(self) -> Asked:
        """End all clients and return what they saw together."""
        self._enough.set()
        for thread in self._threads:
            thread.join()
        whole = Asked()
        for one in self.asked:
            whole.requests += one.requests
            whole.failures += one.failures
            whole.snapshots.update(one.snapshots)
            whole.asked_again += one.asked_again
        return whole


def run(options: Options) -> Iterator[Row]:
    """Swap and restart, as often as is asked for, and tell what the clients saw."""
    swaps = 10 if options.quick else min(SWAPS, int(options.seconds * _SWAPS_A_SECOND))
    restarts = swaps * RESTARTS // SWAPS
    yield swap_and_restart(options.directory, options.seed, swaps, restarts)


def swap_and_restart(directory: Path, seed: int, swaps: int, restarts: int) -> Row:
    """Run one service through all of it."""
    settings = {**_SETTINGS, "MARQUEE__SERVER__PORT": str(free_port())}
    config = load_config(None, {**state_overrides(directory), **settings})
    CatalogStore(config.catalog.directory, config.limits).replace(None, DOCUMENT)
    began = time.monotonic()
    with LocalServer(directory, settings=settings) as server:
        port = config.server.port
        wait_until(lambda: _at_work(server, port, set()), _WAIT_S, "all workers")
        askers = Askers(port, _CLIENTS, seed)
        try:
            known, restart_s = _drive(server, port, askers, seed, swaps, restarts)
        finally:
            asked = askers.stop()
        with Client(server.url) as client:
            known |= _names(client.snapshots().snapshots)
    for failure in asked.failures[:5]:
        print(f"  {failure}")
    strangers = set(asked.snapshots) - known
    figures: dict[str, float | str] = {
        "swaps": swaps,
        "rolling restarts": restarts,
        "requests": asked.requests,
        "failed requests": len(asked.failures),
        "kept connections closed between requests": asked.asked_again,
        "snapshots named by answers": len(asked.snapshots),
        "answers naming a snapshot that never was": sum(asked.snapshots[one] for one in strangers),
        "rolling restart, max s": round(max(restart_s, default=0.0), 2),
        "seconds": round(time.monotonic() - began, 1),
    }
    passed = not asked.failures and not strangers and len(asked.snapshots) > 2
    return Row("snapshot swaps and rolling restarts under load", _TEST, passed, figures)


def _drive(
    server: LocalServer, port: int, askers: Askers, seed: int, swaps: int, restarts: int
) -> tuple[set[str], list[float]]:
    """Activate snapshots at random, with the restarts spread between."""
    random = np.random.default_rng(seed)
    known: set[str] = set()
    restart_s: list[float] = []
    with Client(server.url, deadline_s=20) as client:
        wait_until(lambda: _has_both(client), _WAIT_S, "snapshots of both surfaces")
        for swap in range(swaps):
            askers.wait_for(_PAGES_BETWEEN)
            kept = client.snapshots().snapshots
            known |= _names(kept)
            chosen = kept[int(random.integers(len(kept)))]
            _activate(server.url, chosen.version)
            if (swap + 1) * restarts // swaps > len(restart_s):
                restart_s.append(_restart(server, port))
    return known, restart_s


def _has_both(client: Client) -> bool:
    return len({one.surface for one in client.snapshots().snapshots}) == 2


def _names(snapshots: list[SnapshotSummary]) -> set[str]:
    return {f"{one.surface} {one.version}" for one in snapshots}


def _activate(url: str, version: str) -> None:
    host = url.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=_WAIT_S)
    connection.request("POST", f"/v1/snapshots/{version}/activate", headers={"Connection": "close"})
    status = connection.getresponse().status
    connection.close()
    if status != 200:
        raise ValueError(f"snapshot {version} was not activated: {status}")


def _restart(server: LocalServer, port: int) -> float:
    """Have all workers exchanged; return how long that took, in seconds."""
    before = processes_of(server)
    began = time.monotonic()
    server.signal(signal.SIGHUP)
    exchanged = functools.partial(_at_work, server, port, set(before.workers))
    wait_until(exchanged, _WAIT_S, "the exchange of all workers")
    return time.monotonic() - began


def _at_work(server: LocalServer, port: int, old: set[int]) -> bool:
    now = processes_of(server)
    return (
        len(now.workers) == _WORKERS
        and not old & set(now.workers)
        and all(accepts(pid, port) for pid in now.workers)
    )
