"""A reload and an ending in the midst of traffic, by clients that do not try again.

Every answer counts: a broken one, a refusal or a lost event is a fault, as long as the service
listens. The clients open one connection a request, as a balancer in front may: a connection kept
open can always be closed by the other end at the very moment of its next use.
"""

from __future__ import annotations

import http.client
import json
import signal
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import urllib3
from urllib3.exceptions import NewConnectionError

from bandit.clock import WallClock
from bandit.eventlog.sqlite_reader import SqliteEventReader
from server.local import LocalServer, children_of, wait_until

pytestmark = pytest.mark.processes

WAIT_S = 60.0
PAGE = {"titles": [{"id": "t", "artworks": [{"id": "first"}, {"id": "second"}]}]}
CLIENTS = 4
DRAIN_S = 0.7
CONFIG = """
[server]
workers = 2
drain_s = {drain_s}
[surfaces.artwork]
holdout = {holdout}
explore = 0.0
"""


def configured(holdout: float) -> str:
    return CONFIG.format(holdout=holdout, drain_s=DRAIN_S)


class Visit:
    """One page and its feedback, and what came of them."""

    def __init__(self, url: str) -> None:
        self.began = time.monotonic()
        self.decision_id = uuid.uuid4().hex
        self.statuses: list[int] = []
        self.share = ""
        self.broken: Exception | None = None
        try:
            self._go(url)
        except (urllib3.exceptions.HTTPError, ValueError, KeyError) as error:
            self.broken = error
        self.ended = time.monotonic()

    def _go(self, url: str) -> None:
        page = {**PAGE, "decision_id": self.decision_id}
        answer = self._post(f"{url}/v1/rank", page)
        self.share = answer["share"]
        event = {
            "event_id": f"e-{self.decision_id}", "decision_id": self.decision_id,
            "token": answer["token"], "type": "play", "title": "t", "seconds": 600,
        }  # fmt: skip
        self._post(f"{url}/v1/feedback", {"events": [event]})

    def _post(self, url: str, body: object) -> Any:
        with urllib3.PoolManager(retries=False, timeout=WAIT_S) as pool:
            response = pool.request("POST", url, json=body, headers={"Connection": "close"})
        self.statuses.append(response.status)
        return response.json()

    @property
    def keys(self) -> set[str]:
        """The log's keys of what was acknowledged."""
        kept = [f"d:{self.decision_id}", f"f:e-{self.decision_id}"]
        return set(kept[: len(self.statuses)])


class Traffic:
    """Clients that visit one page after the other until told to stop, or nobody listens."""

    def __init__(self, url: str) -> None:
        self.visits: list[Visit] = []
        self._url = url
        self._enough = threading.Event()
        self._threads = [threading.Thread(target=self._work) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def _work(self) -> None:
        while not self._enough.is_set():
            visit = Visit(self._url)
            self.visits.append(visit)
            if isinstance(visit.broken, NewConnectionError):
                return

    def wait_for(self, count: int) -> None:
        """Wait until so many more visits are over."""
        enough = len(self.visits) + count
        wait_until(lambda: len(self.visits) >= enough, WAIT_S, "traffic")

    def stop(self) -> list[Visit]:
        """End all clients after their present visit."""
        self._enough.set()
        for thread in self._threads:
            thread.join(WAIT_S)
        return self.visits


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LocalServer]:
    config = tmp_path / "marquee.toml"
    config.write_text(configured(holdout=0.0))
    with LocalServer(tmp_path, config=config) as running:
        yield running


def logged(server: LocalServer, event: str) -> list[dict[str, Any]]:
    lines = server.output.read_text().splitlines()
    records = [json.loads(line) for line in lines if line.startswith("{")]
    return [record for record in records if record["event"] == event]


def stored_keys(directory: Path) -> set[str]:
    reader = SqliteEventReader(directory / "log", WallClock())
    try:
        return {
            each.record.key
            for spool in reader.spools()
            for each in reader.read(spool, 0, 1_000_000).records
        }
    finally:
        reader.close()


def test_a_reload_takes_effect_without_a_failed_request(server: LocalServer) -> None:
    traffic = Traffic(server.url)
    traffic.wait_for(50)
    config = server.directory / "marquee.toml"
    config.write_text(configured(holdout=2.5))
    server.signal(signal.SIGHUP)
    refused = "configuration refused; the old one stays"
    wait_until(lambda: logged(server, refused), WAIT_S, "the refusal")
    assert logged(server, refused)[0]["path"] == "surfaces.artwork.holdout"
    traffic.wait_for(50)
    assert {visit.share for visit in traffic.visits} <= {"learned", ""}

    config.write_text(configured(holdout=1.0))
    server.signal(signal.SIGHUP)
    wait_until(lambda: Visit(server.url).share == "holdout", WAIT_S, "the new configuration")
    # An old worker may still answer while new ones do; in the end there are only new ones.
    wait_until(lambda: all_in_holdout(traffic), WAIT_S, "the last old worker's end")
    visits = traffic.stop()
    assert [visit.broken for visit in visits if visit.broken] == []
    assert {tuple(visit.statuses) for visit in visits} == {(201, 202)}
    kept = set().union(*(visit.keys for visit in visits))
    # A decision is in the journal when it is answered, and in the log a moment later.
    wait_until(lambda: kept <= stored_keys(server.directory), WAIT_S, "all of it in the log")


def all_in_holdout(traffic: Traffic) -> bool:
    """Tell whether the next 50 visits all are in the holdout."""
    begin = len(traffic.visits) + CLIENTS
    traffic.wait_for(50 + CLIENTS)
    return {visit.share for visit in traffic.visits[begin:]} == {"holdout"}


def test_an_ending_is_announced_while_everything_is_still_answered(server: LocalServer) -> None:
    traffic = Traffic(server.url)
    traffic.wait_for(50)
    signalled_at = time.monotonic()
    server.signal(signal.SIGTERM)
    wait_until(lambda: ready(server) == 503, WAIT_S, "not ready")
    not_ready_at = time.monotonic()
    visit = Visit(server.url)
    assert (visit.statuses, visit.broken) == ([201, 202], None)
    assert server.wait(WAIT_S) == 0
    visits = traffic.stop()
    # Readiness went off well before the service stopped to listen: many came in between.
    between = [visit for visit in visits if visit.began > not_ready_at and visit.broken is None]
    assert len(between) > CLIENTS
    # Nothing broke before the drain was over, and what broke then was never begun to be answered.
    assert min(visit.ended for visit in visits if visit.broken) >= signalled_at + DRAIN_S
    assert [visit.broken for visit in visits if visit.broken and not unheard(visit.broken)] == []
    assert {status for visit in visits for status in visit.statuses} == {201, 202}
    assert set().union(*(visit.keys for visit in visits)) <= stored_keys(server.directory)
    assert logged(server, "ended")[-1]["exit_code"] == 0


def unheard(error: Exception) -> bool:
    """Tell whether a connection was refused, or reset in the kernel's queue, and not hung up on."""
    cause = error.args[-1]
    return isinstance(error, NewConnectionError) or (
        isinstance(cause, ConnectionResetError | BrokenPipeError)
        and not isinstance(cause, http.client.RemoteDisconnected)
    )


def ready(server: LocalServer) -> int:
    return urllib3.request("GET", f"{server.url}/readyz", retries=False, timeout=WAIT_S).status


def test_rolling_restarts_fail_no_request_on_connections_that_are_kept(server: LocalServer) -> None:
    enough = threading.Event()
    with ThreadPoolExecutor(CLIENTS) as threads:
        asked = [threads.submit(ask_on_one_connection, server.url, enough) for _ in range(CLIENTS)]
        try:
            for _ in range(3):
                before = workers(server)
                server.signal(signal.SIGHUP)
                wait_until(partial(renewed, server, before), WAIT_S, "all workers anew")
        finally:
            enough.set()
        outcomes = [each.result(WAIT_S) for each in asked]
    assert [broken for _, broken in outcomes if broken] == []
    statuses = Counter(status for answered, _ in outcomes for status in answered)
    assert set(statuses) == {201}
    assert statuses[201] > 3 * CLIENTS


def ask_on_one_connection(
    url: str, enough: threading.Event
) -> tuple[list[int], urllib3.exceptions.HTTPError | None]:
    """Ask for pages without a pause, on one connection for as long as the server keeps it."""
    statuses: list[int] = []
    with urllib3.PoolManager(num_pools=1, maxsize=1, retries=False, timeout=WAIT_S) as pool:
        try:
            while not enough.is_set():
                statuses.append(pool.request("POST", f"{url}/v1/rank", json=PAGE).status)
        except urllib3.exceptions.HTTPError as error:
            return statuses, error
    return statuses, None


def workers(server: LocalServer) -> set[int]:
    return {pid for child in children_of(server.pid) for pid in children_of(child)}


def renewed(server: LocalServer, before: set[int]) -> bool:
    now = workers(server)
    return len(now) == len(before) and not now & before
