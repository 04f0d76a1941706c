"""A short kill storm; and builds that are broken on purpose, which the storm must find out.

A broken build is the real one with a ``sitecustomize`` in front of it, which replaces a function
as soon as the interpreter starts.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.faults.disks import can_mount
from tests.faults.torture.damage import Damage
from tests.faults.torture.kill_storm import LEFT_OUT, rows_of
from tests.faults.torture.plan import Fault, Kind, Life, Plan, draw_plan
from tests.faults.torture.storm import Report, Storm

pytestmark = pytest.mark.processes

ACKNOWLEDGED_BEFORE_THE_COMMIT = """
import time
from bandit.eventlog.commit_queue import CommitQueue
from bandit.eventlog.queued_write import QueuedWrite

take = CommitQueue.take

def take_late(queue):
    time.sleep(0.2)
    return take(queue)

CommitQueue.take = take_late
QueuedWrite.wait = lambda write, timeout_s: [True] * len(write.rows)
"""
"""Feedback is answered at once, and committed a little later."""

WITHOUT_DEDUPE_IN_THE_LOG = """
from bandit.eventlog.journal import Row
from bandit.eventlog.sqlite_reader import SqliteEventReader
from bandit.eventlog.sqlite_spool import SpoolFile

count = 0
store = SpoolFile.store

def store_all(spool, rows):
    global count
    unlike = []
    for key, payload in rows:
        count += 1
        unlike.append(Row(key + "#" + str(count) if key.startswith("f:") else key, payload))
    return store(spool, unlike)

SpoolFile.store = store_all
SqliteEventReader.known_keys = lambda reader, keys: set()
"""
"""An event is stored as often as it is sent."""

WITHOUT_ANY_DEDUPE = (
    WITHOUT_DEDUPE_IN_THE_LOG
    + """
import uuid
import msgspec
from bandit.events import FeedbackRecord
from bandit.joiner import Joiner

take_sealed = Joiner.take_sealed

def take_as_new(joiner, record, at_us, *, late=False):
    if isinstance(record, FeedbackRecord):
        record = msgspec.structs.replace(record, event_id=uuid.uuid4().hex)
    return take_sealed(joiner, record, at_us, late=late)

Joiner.take_sealed = take_as_new
"""
)
"""It is learned as often, too."""

ACKNOWLEDGED_ON_A_FULL_DISK = """
from bandit.errors import LogUnavailableError
from bandit.eventlog.commit_queue import CommitQueue
from bandit.eventlog.queued_write import QueuedWrite

append, wait = CommitQueue.append, QueuedWrite.wait

def append_or_not(queue, rows):
    try:
        return append(queue, rows)
    except LogUnavailableError:
        write = QueuedWrite(rows)
        write.complete([True] * len(rows))
        return write

def wait_for_anything(write, timeout_s):
    try:
        return wait(write, timeout_s)
    except LogUnavailableError:
        return [True] * len(write.rows)

CommitQueue.append = append_or_not
QueuedWrite.wait = wait_for_anything
"""
"""Feedback that the disk refused is answered as if it were stored."""

needs_disks = pytest.mark.skipif(not can_mount(), reason="no disk can be mounted here")


def storm(directory: Path, plan: Plan, broken: str | None = None) -> Report:
    environ = {}
    if broken is not None:
        build = directory / "build"
        build.mkdir()
        (build / "sitecustomize.py").write_text(broken)
        environ["PYTHONPATH"] = os.pathsep.join([str(build), os.environ.get("PYTHONPATH", "")])
    return Storm(directory / "state", plan, environ=environ).run(120)


def test_a_short_storm_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    plan = draw_plan(5, 16, disks=can_mount())
    report = storm(tmp_path, plan)
    assert report.findings == []
    # A worker that is being replaced already may be gone when it is to be killed.
    assert sum(report.kills.values()) >= 10
    assert {"worker", "learner", "supervisor"} <= report.ready_s.keys()
    whole, *others = rows_of([report], 10)
    # Where no disk can be mounted a storm says so, and its row fails.
    assert (whole.passed, whole.figures["findings"] == LEFT_OUT) == (can_mount(), not can_mount())
    assert [row.passed for row in others] == [True] * len(report.ready_s)


def plan_of(seed: int, *lives: tuple[list[Kind], Damage], lasting_s: float = 0.3) -> Plan:
    """Return a plan on disks of its own with a fault every few pages."""
    drawn = [
        Life(0, [Fault(kind, 2, 1, lasting_s) for kind in kinds], damage, seed)
        for kinds, damage in lives
    ]
    return Plan(seed, False, False, True, 0, [*drawn, Life(0, [])])


@needs_disks
def test_full_and_read_only_disks_and_torn_files_lose_nothing(tmp_path: Path) -> None:
    plan = plan_of(
        9,
        (["full disk", "everything"], "torn log"),
        (["read-only disk", "kills on a full disk", "everything"], "read-only state"),
        (["learner", "everything"], "torn journal"),
    )
    report = storm(tmp_path, plan)
    assert report.findings == []
    assert report.others == {
        "full disks": 2,
        "read-only disks": 1,
        "starts on a read-only disk": 1,
        "torn logs": 1,
        "torn journals": 1,
        "clock changes": 0,
    }
    assert report.unlogged >= 10
    assert report.refused
    assert "worker on a full disk" in report.ready_s


@needs_disks
def test_a_build_that_acknowledges_what_a_full_disk_refused_is_caught(tmp_path: Path) -> None:
    plan = plan_of(10, (["full disk"], "none"), lasting_s=2.0)
    report = storm(tmp_path, plan, ACKNOWLEDGED_ON_A_FULL_DISK)
    assert [finding for finding in report.findings if "events lost: " in finding]


def test_a_build_that_answers_before_the_commit_is_caught(tmp_path: Path) -> None:
    report = storm(tmp_path, draw_plan(6, 12, stops=False), ACKNOWLEDGED_BEFORE_THE_COMMIT)
    assert [finding for finding in report.findings if "events lost: " in finding]
    assert not next(iter(rows_of([report], 1))).passed


def test_a_build_that_stores_every_repeat_is_caught(tmp_path: Path) -> None:
    report = storm(tmp_path, draw_plan(7, 6, stops=False), WITHOUT_DEDUPE_IN_THE_LOG)
    assert [finding for finding in report.findings if "events twice in the log: " in finding]


def test_a_build_that_learns_every_repeat_is_caught(tmp_path: Path) -> None:
    report = storm(tmp_path, draw_plan(8, 6, stops=False), WITHOUT_ANY_DEDUPE)
    assert [finding for finding in report.findings if "events learned twice: " in finding]
