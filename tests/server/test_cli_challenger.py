"""``marquee challenger`` and GET /v1/challenger on the state's files, no service running."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from bandit.challenger import line_file
from bandit.challenger.evidence import Estimate, Evidence, write_evidence
from bandit.config import load_config
from bandit.config.overlay import Challenger, read_challenger
from bandit.config.schema import Config
from bandit.engine import ModelArrays
from bandit.files import write_atomically
from bandit.secret_keys import snapshot_keys
from bandit.snapshots import FileSnapshotStore, SnapshotDetails
from bandit.types import SURFACES
from server.challenger_admin import ChallengerAdmin
from server.cli import main
from server.local import state_overrides
from server.prometheus import PrometheusMetrics
from server.run_directory import CHALLENGER, GIVEN_UP

DETAILS = SnapshotDetails(
    created_at_us=1,
    bits=10,
    interactions=[],
    constant=False,
    engine_version="1",
    examples_learned=1,
    log_clock_us=1,
)


class State:
    """A state with a challenger, as files."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.overlay = root / "candidate.toml"
        self.overlay.write_text("[reward]\nclick = 0.4\n")
        environ = {
            **state_overrides(root / "state"),
            "MARQUEE__CHALLENGER__CONFIG": str(self.overlay),
        }
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        self.config: Config = load_config(None, environ)
        found = read_challenger(self.config)
        assert found is not None
        self.challenger: Challenger = found
        keys = snapshot_keys(self.config)
        self.store = FileSnapshotStore(self.config.snapshots.directory, keys)
        self.own = FileSnapshotStore(self.challenger.config.snapshots.directory, keys)
        Path(self.config.challenger.directory).mkdir()

    def publish(self, store: FileSnapshotStore) -> None:
        table = np.ones(1 << DETAILS.bits, np.float32)
        for surface in SURFACES:
            store.publish(surface, ModelArrays(table, table), b"", DETAILS)

    def tell(self, overlay: str) -> None:
        evidence = Evidence.of_nothing("champion", overlay)
        fields: dict[str, Any] = {
            "decisions": 1234,
            "lift": Estimate(0.25, -0.015, None),
            "verdict": "not decided: wait",
        }
        told = {name: getattr(evidence, name) for name in evidence.__struct_fields__} | fields
        write_evidence(Path(self.config.challenger.directory), Evidence(**told))

    def run(self, *command: str) -> Result:
        return CliRunner().invoke(main, ["challenger", *command])


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> State:
    return State(tmp_path, monkeypatch)


def test_status_tells_what_is_known(state: State) -> None:
    state.tell(state.challenger.overlay)
    told = state.run("status")
    assert told.exit_code == 0, told.output
    assert "not decided: wait" in told.output
    assert "has not reported yet" in told.output, "no learner runs"
    assert "1,234" in told.output
    assert "+25.0%, from -1.5% to unknown" in told.output
    assert "reward.click" in told.output
    answer = json.loads(state.run("status", "--json").output)
    assert answer["configured"] is True
    assert answer["changes"] == {"reward.click": [0.2, 0.4]}
    assert answer["lift"] == {"value": 0.25, "low": -0.015, "high": None}
    assert (answer["serving"], answer["history"]) == ("champion", [])


def test_evidence_about_another_file_is_not_told(state: State) -> None:
    state.tell("another")
    answer = json.loads(state.run("status", "--json").output)
    assert answer["decisions"] == 0
    assert "no evidence yet" in answer["verdict"]


def test_a_promotion_by_hand_keeps_the_evidence_and_can_be_taken_back(state: State) -> None:
    state.publish(state.store)
    refused = state.run("promote")
    assert refused.exit_code == 2
    assert "not published" in refused.output
    assert "hint:" in refused.output
    state.publish(state.own)
    state.tell(state.challenger.overlay)
    assert state.run("promote").exit_code == 0
    answer = json.loads(state.run("status", "--json").output)
    assert answer["serving"] == "challenger"
    assert answer["decisions"] == 0, "what was known is about another line that served"
    (move,) = answer["history"]
    assert (move["what"], move["by"], move["evidence"]["decisions"]) == ("promoted", "hand", 1234)
    assert move["snapshots"]["challenger"].keys() == {"artwork", "rows"}
    again = state.run("promote")
    assert again.exit_code == 2
    assert "serves already" in again.output
    assert state.run("demote").exit_code == 0
    assert json.loads(state.run("status", "--json").output)["serving"] == "champion"
    assert "promoted" in state.run("status").output


def test_a_disk_that_refuses_is_told_and_nothing_moves(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    state.publish(state.store)
    state.publish(state.own)

    def full(path: Path, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    with monkeypatch.context() as patched:
        patched.setattr(line_file, "write_atomically", full)
        refused = state.run("promote")
    assert refused.exit_code == 2
    assert "No space left on device" in refused.output
    assert "hint: free disk space" in refused.output
    assert json.loads(state.run("status", "--json").output)["serving"] == "champion"


def test_a_wrong_file_is_told_with_its_key_and_what_to_mend(state: State) -> None:
    state.overlay.write_text("[reward]\nclik = 0.4\n")
    for command in (["challenger", "status"], ["config", "check"], ["serve"]):
        told = CliRunner().invoke(main, command)
        assert told.exit_code == 2, told.output
        assert "reward.clik: unknown key; did you mean reward.click?" in told.output
        assert f"hint: mend {state.overlay}" in told.output


def test_without_a_challenger_it_says_how_to_have_one(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MARQUEE__CHALLENGER__CONFIG")
    told = state.run("status")
    assert told.exit_code == 0
    assert "challenger.config" in told.output
    assert state.run("promote").exit_code == 2


def test_metrics_and_verdict_tell_of_one_that_was_given_up(state: State) -> None:
    state.tell(state.challenger.overlay)
    run = Path(state.config.server.run_directory)
    run.mkdir(parents=True)
    write_atomically(run / GIVEN_UP, CHALLENGER.encode())
    admin = ChallengerAdmin(state.config, state.challenger, state.store)
    report = admin.report(0)
    assert report is not None
    assert "given up" in report.verdict
    metrics = PrometheusMetrics()
    admin.measure(metrics, 0)
    told = metrics.exposition()
    assert b"marquee_challenger_given_up 1.0" in told
    assert b"marquee_challenger_serving 0.0" in told
    assert b"marquee_challenger_decisions 1234.0" in told
    assert b'marquee_challenger_lift{bound="value"} 0.25' in told
    assert b'marquee_challenger_lift{bound="high"} NaN' in told
