"""granian in gunicorn's place: learning works, an ending loses nothing, deaths are survived."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from bandit.clock import WallClock
from bandit.config import load_config
from bandit.eventlog.sqlite_reader import SqliteEventReader
from bandit.events import DecisionRecord, FeedbackRecord
from server.client import Client, ClientError
from server.exit_codes import GAVE_UP
from server.local import LocalServer, children_of, state_overrides, wait_until
from server.wire import RankRequest
from tests.faults.ledger import Crowd, Ledger
from tests.faults.torture.world import DOCUMENT, TITLES

pytestmark = pytest.mark.processes

WAIT_S = 60.0
PAGES = 40
PAGE = RankRequest(titles=[TITLES[0]])
CONFIG = """
[server]
http_server = "granian"
workers = {workers}
drain_s = 0.5
graceful_timeout_s = 5.0
[reward]
window_s = 1
clock_leeway_s = 0
[surfaces.artwork]
holdout = {holdout}
explore = 0.0
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LocalServer]:
    config = tmp_path / "marquee.toml"
    config.write_text(CONFIG.format(workers=2, holdout=0.0))
    with LocalServer(tmp_path, config=config) as running:
        with Client(running.url, deadline_s=20) as client:
            client.put_catalog(DOCUMENT)
        wait_until(lambda: knows_titles_everywhere(running.url), WAIT_S, "the catalog's spread")
        yield running


def knows_titles_everywhere(url: str) -> bool:
    """Rank over many connections, which meet all workers."""
    for _ in range(20):
        with Client(url) as client:
            try:
                client.rank(PAGE)
            except ClientError:
                return False
    return True


def workers(server: LocalServer) -> list[int]:
    """Return the workers' ids: the children of the child that has any."""
    return [pid for child in children_of(server.pid) for pid in children_of(child)]


def wait_for_other_workers(server: LocalServer, gone: list[int], count: int) -> list[int]:
    """Wait until there are so many workers, and none of those before; return them."""
    wait_until(
        lambda: len(workers(server)) == count and not set(gone) & set(workers(server)),
        WAIT_S,
        "other workers",
    )
    return workers(server)


def check_log(directory: Path, ledger: Ledger) -> None:
    """Everything acknowledged is in the log."""
    reader = SqliteEventReader(directory / "log", WallClock())
    try:
        records = [
            logged.record
            for spool in reader.spools()
            for logged in reader.read(spool, 0, 1_000_000).records
        ]
    finally:
        reader.close()
    decisions = {one.decision_id for one in records if isinstance(one, DecisionRecord)}
    events = {one.event_id for one in records if isinstance(one, FeedbackRecord)}
    assert ledger.decisions <= decisions
    assert ledger.events <= events


def test_pages_are_served_and_learned_from(server: LocalServer) -> None:
    crowd = Crowd(server.url, TITLES, viewers=3)
    crowd.wait_for(PAGES)
    ledger = crowd.leave()
    assert ledger.given_up == []
    with Client(server.url) as client:
        wait_until(
            lambda: client.status()["learner"]["join"]["opened"] >= len(ledger.decisions),
            WAIT_S,
            "all pages at the learner",
        )
    assert len(workers(server)) == 2
    assert server.stop() == 0
    check_log(server.directory, ledger)


def test_an_ending_under_load_loses_nothing(server: LocalServer) -> None:
    crowd = Crowd(server.url, TITLES, viewers=4)
    crowd.wait_for(PAGES)
    everything = [*children_of(server.pid), *workers(server)]
    server.signal(signal.SIGTERM)
    assert server.wait(WAIT_S) == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in everything)
    check_log(server.directory, crowd.leave())


def test_killed_workers_are_replaced(server: LocalServer) -> None:
    crowd = Crowd(server.url, TITLES, viewers=4)
    for _ in range(3):
        crowd.wait_for(PAGES)
        victim = workers(server)[0]
        os.kill(victim, signal.SIGKILL)
        wait_for_other_workers(server, [victim], 2)
    crowd.wait_for(PAGES)
    ledger = crowd.leave()
    assert ledger.given_up == []
    assert server.stop() == 0
    check_log(server.directory, ledger)


def test_a_reload_takes_over_another_number_of_workers(server: LocalServer) -> None:
    crowd = Crowd(server.url, TITLES, viewers=3)
    before = workers(server)
    config = server.directory / "marquee.toml"
    for count in (3, 1):
        crowd.wait_for(PAGES)
        config.write_text(CONFIG.format(workers=count, holdout=1.0))
        server.signal(signal.SIGHUP)
        before = wait_for_other_workers(server, before, count)
    ledger = crowd.leave()
    assert ledger.given_up == []
    with Client(server.url, deadline_s=20) as client:
        assert client.rank(PAGE).answer.share == "holdout"
    assert server.stop() == 0
    check_log(server.directory, ledger)


def test_nothing_outlives_a_killed_supervisor(server: LocalServer) -> None:
    everything = [*children_of(server.pid), *workers(server)]
    assert len(everything) == 4
    server.kill()
    wait_until(
        lambda: not any(Path(f"/proc/{pid}").exists() for pid in everything), WAIT_S, "their end"
    )


def test_settings_name_it(tmp_path: Path) -> None:
    environ = {**state_overrides(tmp_path), "MARQUEE__SERVER__HTTP_SERVER": "granian"}
    assert load_config(None, environ).server.http_server == "granian"


def test_workers_that_die_young_again_and_again_end_the_service(tmp_path: Path) -> None:
    config = tmp_path / "marquee.toml"
    settings = "workers = 1\ndeaths_max = 3\nrestart_backoff_s = 0.01\n"
    config.write_text(f'[server]\nhttp_server = "granian"\n{settings}')
    with LocalServer(tmp_path, config=config) as server:
        killed: set[int] = set()

        def all_killed() -> bool:
            for pid in set(workers(server)) - killed:
                killed.add(pid)
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return "given up" in server.output.read_text()

        wait_until(all_killed, WAIT_S, "the end of patience")
        assert server.wait(WAIT_S) == GAVE_UP
    # The first may have lived for long enough to have served.
    assert len(killed) >= 3
