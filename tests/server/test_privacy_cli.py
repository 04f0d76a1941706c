"""``marquee privacy erase`` beside a running service and without one: the id is in no file left."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from bandit.catalog import CatalogStore
from bandit.clock import ManualClock, WallClock
from bandit.config.loading import load_config
from bandit.config.schema import Config, LogConfig
from bandit.erasure import Erasure
from bandit.eventlog.erasure_orders import ErasureOrders
from bandit.eventlog.refusal import refused_path
from bandit.eventlog.sqlite_reader import SqliteEventReader
from bandit.eventlog.sqlite_slots import Slot
from bandit.eventlog.sqlite_writer import SqliteEventWriter
from bandit.events import DecisionRecord, FeedbackRecord, Record, encode_record
from bandit.metrics import NoMetrics
from bandit.outcome_files import OutcomeFiles, export_log
from bandit.types import TitleChoice
from bandit.viewer_ids import ViewerIds
from server.cli.root import main
from server.client import Client
from server.local import LocalServer, state_overrides, wait_until
from server.wire import FeedbackEvent, RankRequest

VIEWER = "viewer-of-interest"
OTHER = "somebody-else"
CATALOG = {
    "titles": [{"id": f"t{n}", "artworks": [{"id": "a"}, {"id": "b"}]} for n in range(4)],
    "rows": [],
}


def erase(directory: Path, *arguments: str) -> Result:
    overrides = state_overrides(directory)
    command = ["privacy", "erase", "--viewer", VIEWER, *arguments]
    return CliRunner().invoke(main, command, env=overrides)


def files_with(directory: Path, text: str) -> list[Path]:
    return [
        path
        for path in directory.rglob("*")
        if path.is_file() and text.encode() in path.read_bytes()
    ]


def decision(name: str, viewer: str | None, at: str = "") -> DecisionRecord:
    return DecisionRecord(
        decision_id=name,
        decided_at_us=1,
        body_digest=b"",
        catalog="c",
        policy="p",
        shares={"artwork": "learned"},
        titles=[TitleChoice(f"title-{n}{at}", "art", 0.5) for n in range(300)],
        viewer_id=viewer,
    )


def click(name: str, decision_id: str) -> FeedbackRecord:
    return FeedbackRecord(event_id=name, decision_id=decision_id, type="click", title="title-1")


class Stopped:
    """A log that was written by two workers, which are gone."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.config: Config = load_config(None, state_overrides(root))
        self.log = Path(self.config.log.directory)
        self.clock = ManualClock(1_000_000_000)
        config = LogConfig(heartbeat_s=3600)
        writers = [
            SqliteEventWriter.open(self.log, self.clock, config, NoMetrics()) for _ in range(2)
        ]
        self.write(writers[0], decision("d1", VIEWER), decision("d2", OTHER))
        self.write(writers[1], click("e1", "d1"), click("e2", "d2"), decision("d3", None))
        self.write(writers[1], decision(f"{VIEWER}:4", VIEWER), click(f"{VIEWER}/e", "d1"))
        for writer in writers:
            writer.close()

    def write(self, writer: SqliteEventWriter, *records: Record) -> None:
        self.clock.advance_s(1)
        assert all(writer.append(records).wait(30))

    def left(self) -> list[str]:
        with closing(SqliteEventReader(self.log, self.clock)) as reader:
            batches = [reader.read(spool, 0, 100) for spool in reader.spools()]
        assert not any(batch.damaged for batch in batches)
        return [logged.record.key for batch in batches for logged in batch.records]


def test_in_a_cluster_it_says_what_is_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Stopped(tmp_path)
    monkeypatch.setenv("MARQUEE__CLUSTER__REDIS_URL", "redis://127.0.0.1:1/0")
    result = erase(tmp_path)
    assert result.exit_code == 0, result.output
    assert "In a cluster: run it on every machine." in result.output


def test_everything_of_the_viewer_goes_and_nothing_else(tmp_path: Path) -> None:
    stopped = Stopped(tmp_path)
    assert files_with(tmp_path, VIEWER)
    result = erase(tmp_path)
    assert result.exit_code == 0, result.output
    assert "What remains" in result.output
    assert "In a cluster" not in result.output
    assert stopped.left() == ["d:d2", "f:e2", "d:d3"]
    assert files_with(tmp_path, VIEWER) == []
    with closing(SqliteEventReader(stopped.log, stopped.clock)) as reader:
        assert [reader.last_sequence(spool) for spool in reader.spools()] == [2, 5]
        assert reader.find_decision("d1") is None
        assert reader.known_keys(["d:d1", "f:e1"]) == {"d:d1", "f:e1"}, "no repeat enters again"
    (line,) = (stopped.log / "keeping" / "erasures.jsonl").read_bytes().splitlines()
    told = msgspec.json.decode(line)
    assert told["erased"] == {"spool-000": 1, "spool-001": 3, "learner": 0}
    assert told["by"]


@pytest.mark.parametrize("viewer", ["", " ", "viewer of", f"{VIEWER}\n", "v" * 257])
def test_what_is_no_viewer_s_id_erases_nothing(tmp_path: Path, viewer: str) -> None:
    stopped = Stopped(tmp_path)
    refused = refuse(stopped, decision("r1", OTHER), click("r2", "r1"))
    before = refused.read_bytes()
    command = ["privacy", "erase", "--viewer", viewer]
    result = CliRunner().invoke(main, command, env=state_overrides(tmp_path))
    assert result.exit_code == 2
    assert "is no viewer's id" in result.output
    assert refused.read_bytes() == before
    assert not (stopped.log / "keeping").exists()


def test_of_refused_records_those_of_a_viewer_with_a_longer_id_stay(tmp_path: Path) -> None:
    stopped = Stopped(tmp_path)
    longer = f"{VIEWER}2"
    theirs: list[Record] = [
        decision(f"{longer}/1", longer),
        click(f"{longer}:e", "r1"),
        decision(f"{VIEWER}/x", OTHER),
    ]
    own: list[Record] = [
        decision("r4", VIEWER),
        click("r5", "d1"),
        click(f"{VIEWER}:e", "r4"),
        decision(f"{VIEWER}/y", None),
    ]
    refused = refuse(stopped, *theirs, *own)
    lines = refused.read_bytes().splitlines()
    assert erase(tmp_path).exit_code == 0
    assert refused.read_bytes().splitlines() == lines[: len(theirs)]


def refuse(stopped: Stopped, *records: Record) -> Path:
    """Have records lie where those do which could not be stored."""
    path = refused_path(stopped.log, "spool-000")
    for one in records:
        payload = base64.b64encode(encode_record(one)).decode()
        with path.open("ab") as file:
            file.write(msgspec.json.encode({"key": one.key, "payload": payload}) + b"\n")
    return path


def test_it_may_be_repeated(tmp_path: Path) -> None:
    stopped = Stopped(tmp_path)
    assert erase(tmp_path).exit_code == 0
    assert erase(tmp_path).exit_code == 0
    assert stopped.left() == ["d:d2", "f:e2", "d:d3"]


def test_what_a_dead_worker_left_in_its_journal_goes_too(tmp_path: Path) -> None:
    stopped = Stopped(tmp_path)
    config = LogConfig(heartbeat_s=3600)
    crashed = tmp_path / "crashed"
    writer = SqliteEventWriter.open(stopped.log, stopped.clock, config, NoMetrics())
    writer.hand_over([decision("d9", VIEWER)]).pending.wait(30)
    shutil.copytree(stopped.log, crashed)
    writer.close()
    shutil.rmtree(stopped.log)
    crashed.rename(stopped.log)
    assert any(path.match("*.journal-*") for path in files_with(tmp_path, VIEWER))
    assert erase(tmp_path).exit_code == 0
    assert files_with(tmp_path, VIEWER) == []


def test_an_order_waits_for_a_writer_and_the_next_call_goes_on(tmp_path: Path) -> None:
    stopped = Stopped(tmp_path)
    slot = Slot.claim(stopped.log)
    try:
        result = erase(tmp_path, "--timeout-s", "0")
        assert result.exit_code == 1
        assert "spool-000" in result.output
        assert "What remains" not in result.output
        (order,) = ErasureOrders(stopped.log).open()
        assert ErasureOrders(stopped.log).outstanding(order) == [slot.name]
    finally:
        slot.release()
    result = erase(tmp_path)
    assert result.exit_code == 0, result.output
    assert "going on" in result.output
    assert files_with(tmp_path, VIEWER) == []
    assert ErasureOrders(stopped.log).open() == []


@pytest.mark.processes
def test_an_erasure_that_is_killed_is_gone_on_with(tmp_path: Path) -> None:
    stopped = Stopped(tmp_path)
    asleep = LogConfig(heartbeat_s=3600)
    with closing(SqliteEventWriter.open(stopped.log, stopped.clock, asleep, NoMetrics())):
        command = [sys.executable, "-m", "server.cli", "privacy", "erase", "--viewer", VIEWER]
        environment = os.environ | state_overrides(tmp_path)
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as running:
            orders = ErasureOrders(stopped.log)
            wait_until(
                lambda: any("spool-001" in orders.done(one) for one in orders.open()),
                60,
                "the first part to be done",
            )
            running.kill()
    assert erase(tmp_path).exit_code == 0
    assert files_with(tmp_path, VIEWER) == []
    assert stopped.left() == ["d:d2", "f:e2", "d:d3"]


def test_a_viewer_is_found_under_a_hashed_id(tmp_path: Path) -> None:
    hashed = state_overrides(tmp_path) | {"MARQUEE__PRIVACY__VIEWER_IDS": "hashed"}
    stored = ViewerIds.from_config(load_config(None, hashed)).stored(VIEWER)
    stopped = Stopped(tmp_path)
    config = LogConfig(heartbeat_s=3600)
    with closing(SqliteEventWriter.open(stopped.log, stopped.clock, config, NoMetrics())) as one:
        stopped.write(one, decision("d7", stored), click("e7", "d7"))
    assert erase(tmp_path).exit_code == 0
    assert files_with(tmp_path, stored) == []
    assert stopped.left() == ["d:d2", "f:e2", "d:d3"]


def test_a_writer_does_its_part_while_pages_come_in(tmp_path: Path) -> None:
    stopped = Stopped(tmp_path)
    config = LogConfig(heartbeat_s=0.01)
    with closing(SqliteEventWriter.open(stopped.log, WallClock(), config, NoMetrics())) as writer:
        for number in range(50):
            viewer = VIEWER if number % 2 else OTHER
            writer.hand_over([decision(f"n{number}", viewer)])
        erased = Erasure(stopped.config, WallClock(), "test", lambda _: None).erase(VIEWER, [], 60)
        assert erased.outstanding == {}
        assert files_with(tmp_path, VIEWER) == []
        assert writer.hand_over([decision("after", OTHER)]).pending.wait(30) == [True]
    keys = stopped.left()
    assert {"d:n0", "d:n48", "d:after"} <= set(keys)
    assert not {"d:n1", "d:n49"} & set(keys)


def test_an_export_is_written_anew_without_the_viewer(tmp_path: Path) -> None:
    stopped = Stopped(tmp_path)
    stopped.clock.advance_s(1e6)
    out = tmp_path / "exported"

    with closing(SqliteEventReader(stopped.log, stopped.clock)) as reader:
        config = stopped.config
        catalogs = CatalogStore(config.catalog.directory, config.limits)
        export_log(reader, catalogs, config, out, stopped.clock.now_us())
    before = OutcomeFiles(out)
    assert before.manifest.outcomes == 4
    result = erase(tmp_path, "--export", str(out))
    assert result.exit_code == 0, result.output
    after = OutcomeFiles(out)
    left = [one.decision.decision_id for batch in after.outcomes() for one in batch]
    assert left == ["d2", "d3"]
    assert after.manifest.outcomes == sum(after.manifest.closed_by.values()) == 2
    assert files_with(tmp_path, VIEWER) == []
    assert erase(tmp_path, "--export", str(out)).exit_code == 0


@pytest.mark.processes
def test_a_running_service_erases_and_serves_on(tmp_path: Path) -> None:
    settings = {
        "MARQUEE__REWARD__WINDOW_S": "3600",
        "MARQUEE__SERVER__WORKERS": "2",
        "MARQUEE__SERVER__DRAIN_S": "0",
    }
    with LocalServer(tmp_path, settings=settings) as server, Client(server.url) as client:
        client.put_catalog(CATALOG)
        for number in range(40):
            viewer = VIEWER if number % 2 else OTHER
            answer = client.rank(RankRequest(viewer_id=viewer, titles=["t0", "t1"])).answer
            client.feedback(
                FeedbackEvent(
                    event_id=f"e{number}",
                    decision_id=answer.decision_id,
                    type="click",
                    title="t0",
                )
            )
        assert client.flush(30)
        wait_until(lambda: _open(client) == 40, 60, "the learner to take all")
        result = erase(tmp_path, "--timeout-s", "60")
        assert result.exit_code == 0, result.output
        assert files_with(tmp_path, VIEWER) == []
        assert files_with(tmp_path, OTHER)
        wait_until(lambda: _open(client) == 20, 60, "the learner to forget the viewer's")
        assert client.rank(RankRequest(viewer_id=OTHER, titles=["t0"])).source == "server"
    assert files_with(tmp_path, VIEWER) == []


def _open(client: Client) -> int:
    learner = client.status()["learner"]
    return -1 if learner is None else int(learner["open_decisions"])
