"""The guard of a disk's room, and what log and learner do below the minimum."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from bandit.clock import WallClock
from bandit.config.schema import LogConfig
from bandit.disk_room import DiskRoom
from bandit.errors import LogUnavailableError
from bandit.eventlog.sqlite_reader import SqliteEventReader
from bandit.eventlog.sqlite_writer import SqliteEventWriter
from bandit.metrics import MetricName, NoMetrics
from server.local import wait_until
from tests.bandit.test_eventlog_lasting_errors import decision, feedback

WAIT_S = 30.0
MINIMUM = 1_000_000


class Disk:
    """What ``statvfs`` says, by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.free = 10 * MINIMUM
        self.fails = False
        monkeypatch.setattr(os, "statvfs", self._told)

    def _told(self, _directory: Path) -> SimpleNamespace:
        if self.fails:
            raise OSError("away")
        return SimpleNamespace(f_bavail=self.free, f_frsize=1)


class Gauges(NoMetrics):
    """The last value of each gauge."""

    def __init__(self) -> None:
        self.values: dict[MetricName, float] = {}

    def set(self, name: MetricName, *labels: str, to: float) -> None:
        self.values[name] = to


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def test_it_is_low_below_the_minimum_and_recovers_well_above_it(disk: Disk, tmp_path: Path) -> None:
    room = DiskRoom(tmp_path, MINIMUM)
    found = []
    for free in (MINIMUM, MINIMUM - 1, MINIMUM, MINIMUM * 5 // 4 - 1, MINIMUM * 5 // 4, MINIMUM):
        disk.free = free
        found.append(room.look())
        assert room.free_bytes == free
        assert (room.why() is not None) is room.is_low
    assert found == [False, True, True, True, False, False]


def test_a_disk_that_cannot_be_looked_at_changes_nothing(disk: Disk, tmp_path: Path) -> None:
    room = DiskRoom(tmp_path, MINIMUM)
    disk.free = 0
    assert room.look()
    disk.fails = True
    assert room.look()
    assert not DiskRoom(tmp_path, 0).look()


@pytest.fixture
def gauges() -> Gauges:
    return Gauges()


@pytest.fixture
def writer(disk: Disk, gauges: Gauges, tmp_path: Path) -> Iterator[SqliteEventWriter]:
    config = LogConfig(heartbeat_s=0.01, disk_free_bytes_min=MINIMUM, rank_commit_timeout_s=WAIT_S)
    writer = SqliteEventWriter.open(tmp_path, WallClock(), config, gauges)
    yield writer
    writer.close()


def is_low(gauges: Gauges, *, low: bool) -> None:
    wait_until(lambda: gauges.values.get("marquee_log_disk_low") == low, WAIT_S, f"disk low: {low}")


def test_below_the_minimum_nothing_is_taken_in_and_what_was_is_stored(
    disk: Disk, gauges: Gauges, writer: SqliteEventWriter, tmp_path: Path
) -> None:
    taken = writer.append([feedback("e0")])
    handed_over = writer.hand_over([decision("d0")])
    assert handed_over.fates == ["logged"]
    disk.free = MINIMUM - 1
    is_low(gauges, low=True)
    assert taken.wait(WAIT_S) == [True]
    assert handed_over.pending.wait(WAIT_S) == [True]
    assert gauges.values["marquee_log_disk_free_bytes"] == MINIMUM - 1

    refused = writer.hand_over([decision("d1"), decision("d2")])
    assert (refused.fates, refused.pending.wait(0.0)) == (["disk_low"] * 2, [])
    with pytest.raises(LogUnavailableError, match="MB free"):
        writer.append([feedback("e1")])
    assert writer.short_of_room() is not None
    assert (writer.is_alive(), writer.held_up(), writer.takes_at_once()) == (True, None, True)

    disk.free = 2 * MINIMUM
    is_low(gauges, low=False)
    assert writer.short_of_room() is None
    assert writer.append([feedback("e1")]).wait(WAIT_S) == [True]
    reader = SqliteEventReader(tmp_path, WallClock())
    try:
        stored = {each.record.key for each in reader.read(writer.spool, 0, 100).records}
    finally:
        reader.close()
    assert stored == {"f:e0", "f:e1", decision("d0").key}


def test_a_writer_opened_on_a_disk_that_is_low_takes_nothing_in(disk: Disk, tmp_path: Path) -> None:
    disk.free = 0
    config = LogConfig(heartbeat_s=3600.0, disk_free_bytes_min=MINIMUM)
    writer = SqliteEventWriter.open(tmp_path, WallClock(), config, NoMetrics())
    try:
        assert writer.hand_over([decision("d0")]).fates == ["disk_low"]
    finally:
        writer.close()
