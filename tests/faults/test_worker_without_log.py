"""A worker whose log is taken away says so, ends in order, and is replaced by one that logs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3

from bandit.clock import WallClock
from bandit.eventlog.sqlite_reader import SqliteEventReader
from server.client import Client
from server.local import LocalServer, children_of, wait_until
from server.wire import RankRequest
from tests.faults.torture.world import DOCUMENT, TITLES

pytestmark = pytest.mark.processes

WAIT_S = 60.0
CONFIG = "[server]\nworkers = 1\n[log]\nrank_waits_for_commit = true\nrank_commit_timeout_s = 30\n"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LocalServer]:
    config = tmp_path / "marquee.toml"
    config.write_text(CONFIG)
    with LocalServer(tmp_path, config=config) as running:
        yield running


def worker(server: LocalServer) -> int:
    (pid,) = [pid for child in children_of(server.pid) for pid in children_of(child)]
    return pid


def ready(server: LocalServer) -> urllib3.BaseHTTPResponse:
    return urllib3.request("GET", f"{server.url}/readyz", retries=False, timeout=WAIT_S)


def test_a_worker_whose_log_was_taken_away_is_replaced(server: LocalServer) -> None:
    with Client(server.url, deadline_s=20) as client:
        client.put_catalog(DOCUMENT)
        before = worker(server)
        for file in (server.directory / "log").glob("spool-000.*"):
            file.rename(file.with_name("gone-" + file.name))
        wait_until(lambda: ready(server).status == 503, WAIT_S, "not ready")
        assert "takes no records" in ready(server).json()["reasons"][0]
        wait_until(lambda: ready(server).status == 200, WAIT_S, "a new worker")
        assert worker(server) != before
        decision = client.rank(RankRequest(titles=[TITLES[0]])).answer
    assert decision.logged
    reader = SqliteEventReader(server.directory / "log", WallClock())
    try:
        assert reader.find_decision(decision.decision_id) is not None
    finally:
        reader.close()
    assert "worker ends, to be replaced" in server.output.read_text()
