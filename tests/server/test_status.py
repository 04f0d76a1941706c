"""The verdict on learning: never true of a learner that gets nowhere, and told beside damage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from bandit.catalog import empty_catalog
from bandit.cluster.duty import DutyState
from bandit.config.schema import Config
from bandit.engine import ModelArrays
from bandit.keys import KeyRing
from bandit.metrics import NoMetrics
from bandit.policy import ServedModel, Serving
from bandit.scoring import ModelShape
from bandit.snapshots import FileSnapshotStore
from bandit.snapshots.manifest import SnapshotDetails
from bandit.statistics import LearningCounts
from bandit.status import LearnerStatus, Rejection, write_status
from server.run_directory import AGENT_WORDS
from server.snapshot_admin import list_snapshots
from server.status import BEHIND_AFTER_S, StatusAnswer, status_answer

NOW_US = 1_700_000_000_000_000
DETAILS = SnapshotDetails(
    created_at_us=NOW_US, bits=4, interactions=[], constant=True, engine_version="none",
    examples_learned=1, log_clock_us=1,
)  # fmt: skip
HEALTHY: dict[str, Any] = {
    "pid": 1,
    "updated_at_us": NOW_US,
    "log_clock_us": NOW_US - 200_000,
    "lag_s": 0.2,
    "joined": {},
    "open_decisions": 0,
    "dead_letters": 0,
}


@pytest.fixture
def snapshots(tmp_path: Path) -> FileSnapshotStore:
    return FileSnapshotStore(tmp_path / "snapshots", KeyRing((b"0123456789abcdef",)))


def answer(root: Path, snapshots: FileSnapshotStore, **changes: Any) -> StatusAnswer:
    """Return the status of a service whose learner told what is healthy but for the changes."""
    settings = {
        "learner": {"directory": str(root)},
        "server": {"run_directory": str(root)},
        "surfaces": changes.pop("surfaces", {}),
        "cluster": changes.pop("cluster", {}),
    }
    config = msgspec.convert(settings, Config)
    counts = LearningCounts()
    counts.examples["rows"] = changes.pop("examples", 7)
    write_status(root, LearnerStatus(**{**HEALTHY, "learned": counts, **changes}))
    table = np.ones(16, np.float32)
    versions = [manifest.version for manifest in snapshots.versions("rows")] or ["none"]
    shape = ModelShape("rows", 4, (), constant=True)
    model = ServedModel(versions[0], shape, ModelArrays(table, table), NOW_US)
    serving = Serving(empty_catalog(), {"rows": model})
    return status_answer(config, serving, None, snapshots, NoMetrics(), NOW_US)


def test_a_learner_that_gets_on_is_learning(tmp_path: Path, snapshots: FileSnapshotStore) -> None:
    assert answer(tmp_path, snapshots).learning
    # What was once in the way and is not any more is no hindrance.
    past = Rejection("step", "the disk was full", NOW_US - 10_000_000)
    assert answer(tmp_path, snapshots, last_rejection=past).learning
    other = Rejection("snapshot of rows", "the disk is full", NOW_US)
    assert answer(tmp_path, snapshots, last_rejection=other).learning


def test_a_learner_whose_steps_fail_is_not_learning(
    tmp_path: Path, snapshots: FileSnapshotStore
) -> None:
    failed = Rejection("step", "the disk is full", NOW_US)
    status = answer(tmp_path, snapshots, last_rejection=failed)
    assert not status.learning
    assert "the disk is full" in status.verdict


def test_a_learner_far_behind_is_not_learning(tmp_path: Path, snapshots: FileSnapshotStore) -> None:
    assert answer(tmp_path, snapshots, lag_s=BEHIND_AFTER_S).learning
    behind = answer(tmp_path, snapshots, lag_s=3600.0)
    assert not behind.learning
    assert "3600 s behind" in behind.verdict


def test_log_only_is_said_to_be_configured(tmp_path: Path, snapshots: FileSnapshotStore) -> None:
    off = {"mode": "log_only"}
    status = answer(tmp_path, snapshots, examples=0, surfaces={"artwork": off, "rows": off})
    assert not status.learning
    assert "log_only" in status.verdict
    half = answer(tmp_path, snapshots, examples=0, surfaces={"rows": off})
    assert "nothing learned yet" in half.verdict


def test_a_damaged_pointer_is_no_pointer_to_status_and_list(
    tmp_path: Path, snapshots: FileSnapshotStore
) -> None:
    table = np.ones(16, np.float32)
    snapshots.publish("rows", ModelArrays(table, table), b"", DETAILS)
    assert [one.active for one in list_snapshots(snapshots).snapshots] == [True]
    (tmp_path / "snapshots" / "rows" / "pointer.json").write_text("nonsense")
    assert [one.active for one in list_snapshots(snapshots).snapshots] == [False]
    status = answer(tmp_path, snapshots)
    assert status.learning
    assert not status.models["rows"].pinned


def test_spools_that_are_passed_over_are_told(tmp_path: Path, snapshots: FileSnapshotStore) -> None:
    status = answer(tmp_path, snapshots, unreadable_spools={"spool-000": "no database"})
    assert status.learner is not None
    assert status.learner.unreadable_spools == {"spool-000": "no database"}


def test_from_when_the_log_holds_records_is_told(
    tmp_path: Path, snapshots: FileSnapshotStore
) -> None:
    status = answer(tmp_path, snapshots, log_holds_from_us=NOW_US - 90_000_000)
    assert status.learner is not None
    assert status.learner.log_holds_s == 90


def test_a_machine_that_is_out_of_step_says_so_before_all_else(
    tmp_path: Path, snapshots: FileSnapshotStore
) -> None:
    cluster = {"redis_url": "redis://127.0.0.1:1/0", "host": "a"}
    silent = {"cluster": cluster, "updated_at_us": NOW_US - 60_000_000}
    states = {"forwarding": DutyState(was_done=True, failing="Redis is away")}
    (tmp_path / AGENT_WORDS).write_bytes(msgspec.json.encode(states))
    status = answer(tmp_path, snapshots, **silent)
    assert not status.learning
    assert "out of step with the cluster, forwarding: Redis is away" in status.verdict
    states = {"forwarding": DutyState(was_done=True)}
    (tmp_path / AGENT_WORDS).write_bytes(msgspec.json.encode(states))
    assert "silent" in answer(tmp_path, snapshots, **silent).verdict
    assert answer(tmp_path, snapshots, cluster=cluster).learning
