"""Signals to a whole run: SIGTERM under load, SIGHUP with a bad configuration, killed parents."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3

from bandit.clock import WallClock
from bandit.eventlog.sqlite_reader import SqliteEventReader
from bandit.events import DecisionRecord, FeedbackRecord
from bandit.status import read_status
from server.exit_codes import EX_CONFIG
from server.local import LocalServer, children_of, wait_until

pytestmark = pytest.mark.processes

WAIT_S = 60.0
PAGE = {"titles": [{"id": "t", "artworks": [{"id": "a"}, {"id": "b"}]}]}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LocalServer]:
    config = tmp_path / "marquee.toml"
    config.write_text('[server]\nworkers = 2\ndrain_s = 1.0\nlog_level = "info"\n')
    running = LocalServer(tmp_path, config=config).start()
    yield running
    running.stop()


def logged(server: LocalServer, event: str) -> list[dict[str, object]]:
    lines = server.output.read_text().splitlines()
    records = [json.loads(line) for line in lines if line.startswith("{")]
    return [record for record in records if record["event"] == event]


def wait_for_log(server: LocalServer, event: str, times: int = 1) -> list[dict[str, object]]:
    wait_until(lambda: len(logged(server, event)) >= times, WAIT_S, f"log line {event!r}")
    return logged(server, event)


def get(url: str) -> int:
    return urllib3.request("GET", url, retries=False, timeout=WAIT_S).status


class Load:
    """Clients that rank and click until the server does not answer any more."""

    def __init__(self, url: str, clients: int) -> None:
        self.acknowledged: set[str] = set()
        self.statuses: set[int] = set()
        self.readiness: list[int] = []
        self._url = url
        self._threads = [
            threading.Thread(target=self._work, args=(client,)) for client in range(clients)
        ]
        self._threads.append(threading.Thread(target=self._watch_readiness))
        for thread in self._threads:
            thread.start()

    def _work(self, client: int) -> None:
        with urllib3.PoolManager(retries=False, timeout=WAIT_S) as pool:
            for turn in range(100_000):
                name = f"{client}-{turn}"
                event = {
                    "event_id": f"e-{name}", "decision_id": f"d-{name}", "type": "click",
                    "title": "t",
                }  # fmt: skip
                try:
                    rank = {**PAGE, "decision_id": f"d-{name}"}
                    answer = pool.request("POST", f"{self._url}/v1/rank", json=rank)
                    self.statuses.add(answer.status)
                    if answer.json().get("logged", True):
                        self.acknowledged.add(f"d-{name}")
                    events = {"events": [event]}
                    answer = pool.request("POST", f"{self._url}/v1/feedback", json=events)
                    self.statuses.add(answer.status)
                    if answer.json()["accepted"] == 1:
                        self.acknowledged.add(f"e-{name}")
                except urllib3.exceptions.HTTPError:
                    return

    def _watch_readiness(self) -> None:
        while True:
            try:
                self.readiness.append(get(f"{self._url}/readyz"))
            except urllib3.exceptions.HTTPError:
                return

    def join(self) -> None:
        for thread in self._threads:
            thread.join(WAIT_S)


def stored_ids(directory: Path) -> set[str]:
    reader = SqliteEventReader(directory / "log", WallClock())
    try:
        records = [
            logged.record
            for spool in reader.spools()
            for logged in reader.read(spool, 0, 1_000_000).records
        ]
    finally:
        reader.close()
    decisions = {each.decision_id for each in records if isinstance(each, DecisionRecord)}
    return decisions | {each.event_id for each in records if isinstance(each, FeedbackRecord)}


def test_sigterm_under_load_finishes_what_is_in_flight(server: LocalServer) -> None:
    load = Load(server.url, clients=4)
    wait_until(lambda: len(load.acknowledged) > 50, WAIT_S, "load")
    server.signal(signal.SIGTERM)
    assert server.wait(WAIT_S) == 0
    load.join()
    assert load.statuses == {201, 202}
    assert load.readiness[0] == 200
    assert 503 in load.readiness, "not ready before it ended"
    assert load.acknowledged <= stored_ids(server.directory)


def test_sighup_with_a_bad_configuration_keeps_the_old_one(server: LocalServer) -> None:
    config = server.directory / "marquee.toml"
    before = children_of(server.pid)
    config.write_text("[server]\nprot = 1\n")
    server.signal(signal.SIGHUP)
    (refusal,) = wait_for_log(server, "configuration refused; the old one stays")
    assert refusal["path"] == "server.prot"
    assert get(f"{server.url}/readyz") == 200
    assert children_of(server.pid) == before

    # What only the learner has a use for is refused here as well.
    config.write_text("[server]\nworkers = 2\n[surfaces.artwork.model]\nl2 = 1.0\n")
    server.signal(signal.SIGHUP)
    _, refusal = wait_for_log(server, "configuration refused; the old one stays", times=2)
    assert refusal["path"] == "surfaces.artwork.model.l2"
    assert get(f"{server.url}/readyz") == 200
    assert children_of(server.pid) == before

    config.write_text("[server]\nworkers = 1\n")
    server.signal(signal.SIGHUP)
    wait_for_log(server, "configuration taken over")
    gunicorn = int(str(logged(server, "child started")[0]["child_pid"]))
    wait_until(lambda: len(children_of(gunicorn)) == 1, WAIT_S, "a single worker")
    assert get(f"{server.url}/readyz") == 200


def test_the_learner_steps_back_for_the_workers(server: LocalServer) -> None:
    # A niceness of five is the default; the workers have their parents'.
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    wait_until(lambda: read_status(server.directory / "learner"), WAIT_S, "a learner")
    assert os.getpriority(os.PRIO_PROCESS, learner_pid(server)) == min(ours + 5, 19)
    gunicorn = int(str(logged(server, "child started")[0]["child_pid"]))
    assert {os.getpriority(os.PRIO_PROCESS, pid) for pid in children_of(gunicorn)} == {ours}


def test_pages_are_served_while_the_learner_cannot_be_started(tmp_path: Path) -> None:
    keys = tmp_path / "signing.keys"
    keys.write_text("a key that signs snapshots\n")
    config = tmp_path / "marquee.toml"
    config.write_text(
        "[server]\nworkers = 1\nrestart_backoff_s = 0.1\n"
        f'[snapshots]\nsigning_keys_file = "{keys}"\n'
    )
    with LocalServer(tmp_path, config=config) as server:
        wait_until(lambda: read_status(tmp_path / "learner"), WAIT_S, "a learner")
        (first,) = [each for each in logged(server, "child started") if each["child"] == "learner"]
        keys.rename(tmp_path / "away")
        os.kill(int(str(first["child_pid"])), signal.SIGKILL)
        refusals = wait_for_log(server, "child refuses to run; the others go on", times=2)
        assert {(line["child"], line["exit_code"]) for line in refusals} == {("learner", EX_CONFIG)}
        assert get(f"{server.url}/readyz") == 200

        (tmp_path / "away").rename(keys)
        wait_until(lambda: learner_pid(server) != first["child_pid"], WAIT_S, "a new learner")
        assert server.stop() == 0


def test_a_run_directory_that_takes_no_file_ends_neither_a_reload_nor_the_ending(
    server: LocalServer,
) -> None:
    """A full disk refuses new files as a directory does that is gone."""
    before = children_of(server.pid)
    shutil.rmtree(server.directory / "run")
    (server.directory / "marquee.toml").write_text("[server]\nworkers = 1\n")
    server.signal(signal.SIGHUP)
    wait_for_log(server, "configuration cannot be handed to the children; the old one stays")
    assert get(f"{server.url}/readyz") == 200
    assert children_of(server.pid) == before

    assert server.stop() == 0
    assert logged(server, "ending without saying so first")


def learner_pid(server: LocalServer) -> int:
    status = read_status(server.directory / "learner")
    assert status is not None
    return status.pid


def test_service_survives_the_death_of_gunicorn(server: LocalServer) -> None:
    gunicorn = int(str(logged(server, "child started")[0]["child_pid"]))
    workers = children_of(gunicorn)
    assert len(workers) == 2
    os.kill(gunicorn, signal.SIGKILL)
    wait_for_log(server, "child started", times=3)
    # The listening socket is the supervisor's: a request waits for the new workers.
    assert get(f"{server.url}/livez") == 200
    wait_until(
        lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), WAIT_S, "orphans' end"
    )


def test_nothing_outlives_a_killed_supervisor(server: LocalServer) -> None:
    children = children_of(server.pid)
    everything = children + [pid for child in children for pid in children_of(child)]
    assert len(everything) == 4
    server.kill()
    wait_until(
        lambda: not any(Path(f"/proc/{pid}").exists() for pid in everything), WAIT_S, "their end"
    )


def test_an_ending_amid_reloads_does_not_wait_for_its_time_limit(tmp_path: Path) -> None:
    """Workers that are just being built when the end comes are told of it as well."""
    settings = {"MARQUEE__SERVER__GRACEFUL_TIMEOUT_S": "250", "MARQUEE__SERVER__DRAIN_S": "0"}
    with LocalServer(tmp_path, settings=settings) as server:
        for _ in range(2):
            server.signal(signal.SIGHUP)
            wait_for_log(server, "child started")
        server.signal(signal.SIGTERM)
        # A worker that did not hear of it would be killed after its 250 s.
        assert server.wait(120) == 0
