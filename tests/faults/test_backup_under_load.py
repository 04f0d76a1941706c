"""A backup made in the midst of a load, restored elsewhere after everything was killed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner

from bandit.backups.manifest import read_manifest
from bandit.clock import WallClock
from bandit.config.loading import load_config
from bandit.secret_keys import snapshot_keys
from bandit.snapshots import FileSnapshotStore, Pointer
from bandit.types import SURFACES, Surface
from server.cli import main
from server.client import Client
from server.client_http import Patience, Transport, decode_answer
from server.local import LocalServer, state_overrides, wait_until
from server.wire import FeedbackAnswer, FeedbackEvent, RankAnswer, RankRequest
from tests.faults.ledger import Crowd, Ledger, Pace
from tests.faults.torture.books import LogBook, check_learner, check_log, settled_records
from tests.faults.torture.processes import kill, processes_of
from tests.faults.torture.world import DOCUMENT, SETTINGS, TITLES
from tests.waiting import wait_until_closed

pytestmark = pytest.mark.processes

ALL_SETTINGS = {**SETTINGS, "MARQUEE__SERVER__WORKERS": "2"}
PATIENCE = Patience(deadline_s=20.0, retries=8, try_timeout_s=5.0)
PACE = Pace(give_up_s=2.0)
PAGES = 40


def state(root: Path, *arguments: str) -> None:
    """Run a command of ``marquee state`` on what lies under ``root``."""
    runner = CliRunner(env={**state_overrides(root), **ALL_SETTINGS})
    result = runner.invoke(main, ["state", *arguments], catch_exceptions=False)
    assert (result.exit_code, result.stderr) == (0, "")


def served_at(root: Path) -> Mapping[Surface, Pointer | None]:
    config = load_config(None, {**state_overrides(root), **ALL_SETTINGS})
    store = FileSnapshotStore(config.snapshots.directory, snapshot_keys(config))
    pointers = {surface: store.pointer(surface) for surface in SURFACES}
    for surface, pointer in pointers.items():
        assert pointer is None or store.load(surface, pointer.version)
    return pointers


def acknowledged(crowd: Crowd) -> Ledger:
    """Return what the viewers were told so far; each set is copied in one go."""
    return Ledger(
        decisions=set().union(*(set(ledger.decisions) for ledger in crowd.ledgers)),
        events=set().union(*(set(ledger.events) for ledger in crowd.ledgers)),
    )


def report_once_more(url: str, event: FeedbackEvent) -> FeedbackAnswer:
    transport = Transport(url, api_key=None, encoding="msgpack", connections=1)
    answer = transport.call("POST", "/v1/feedback", {"events": [event]}, patience=PATIENCE)
    transport.close()
    found: FeedbackAnswer = decode_answer(answer, FeedbackAnswer)
    return found


def decide(url: str, decision_id: str) -> RankAnswer:
    transport = Transport(url, api_key=None, encoding="msgpack", connections=1)
    request = RankRequest(decision_id=decision_id, titles=TITLES[:2])
    answer = transport.call("POST", "/v1/rank", request, patience=PATIENCE)
    transport.close()
    found: RankAnswer = decode_answer(answer, RankAnswer)
    return found


def backed_up_under_load(old: Path, backup: Path) -> tuple[Ledger, FeedbackEvent]:
    """Serve a crowd, back up in its midst, and kill everything.

    Returns what was acknowledged before the backup began, and an event of that.
    """
    with LocalServer(old, settings=ALL_SETTINGS) as server:
        with Client(server.url, deadline_s=20) as client:
            client.put_catalog(DOCUMENT)
        crowd = Crowd(server.url, TITLES, viewers=4, pace=PACE)
        try:
            crowd.wait_for(PAGES)
            wait_until(lambda: all(served_at(old).values()), 60, "a snapshot each")
            decision = decide(server.url, "asked-before")
            event = FeedbackEvent(
                event_id="told-before",
                decision_id=decision.decision_id,
                type="impression",
                title=TITLES[0],
            )
            assert report_once_more(server.url, event).accepted == 1
            before = acknowledged(crowd)
            state(old, "backup", str(backup))
            crowd.wait_for(PAGES)
        finally:
            for pid in processes_of(server).all():
                kill(pid)
            server.kill()
            asked = crowd.leave()
    assert len(before.decisions) >= PAGES
    before.events.add(event.event_id)
    before.asked = asked.asked | {"asked-before"}
    before.sent = asked.sent | {event.event_id}
    return before, event


def test_a_backup_under_load_holds_all_that_was_acknowledged_and_learns_on(
    tmp_path: Path,
) -> None:
    old, backup, new = tmp_path / "old", tmp_path / "backup", tmp_path / "new"
    ledger, event = backed_up_under_load(old, backup)
    manifest = read_manifest(backup)
    state(new, "verify", str(backup))
    state(new, "restore", str(backup))
    served = {surface: pointer.version for surface, pointer in served_at(new).items() if pointer}
    assert served == manifest.snapshots
    assert served.keys() == set(SURFACES)
    with LocalServer(new, settings=ALL_SETTINGS) as server, Client(server.url) as client:
        answer = decide(server.url, "asked-after")
        assert answer.catalog == manifest.catalog
        assert all(answer.snapshots[surface] >= served[surface] for surface in SURFACES)
        repeated = report_once_more(server.url, event)
        assert (repeated.accepted, repeated.duplicates) == (0, 1)
        assert decide(server.url, "asked-before").catalog == manifest.catalog
        crowd = Crowd(server.url, TITLES, viewers=4, pace=PACE)
        crowd.wait_for(PAGES)
        ledger = Ledger.of([ledger, crowd.leave(), Ledger(asked={"asked-after"})])
        book = LogBook.of(settled_records(new / "log", WallClock()))
        assert check_log(ledger, book) == []
        assert max(book.decisions.values()) == 1
        wait_until_closed(client, len(book.decisions))
        learner = client.status()["learner"]
        assert check_learner(learner, book) == []
        assert client.status()["last_rejection"] is None
    assert server.stop() == 0
