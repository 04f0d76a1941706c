"""What the service answers while its disk is nearly full, and that it goes on by itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from server.local import wait_until
from tests.server.real_service import (
    CATALOG,
    EVERYBODY_LEARNED,
    WAIT_S,
    Node,
    Site,
    event,
    site_at,
    value,
)

MINIMUM = 1_000_000
SETTINGS = {**EVERYBODY_LEARNED, "MARQUEE__LOG__DISK_FREE_BYTES_MIN": str(MINIMUM)}


class Disk:
    """What ``statvfs`` says, by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.free = 10 * MINIMUM
        monkeypatch.setattr(
            os, "statvfs", lambda _path: SimpleNamespace(f_bavail=self.free, f_frsize=1)
        )


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


@pytest.fixture
def site(disk: Disk, tmp_path: Path) -> Iterator[Site]:
    with site_at(tmp_path, SETTINGS) as site:
        yield site


def becomes(node: Node, *, low: bool) -> None:
    def is_so() -> bool:
        return (value(node.http.get("/v1/status"))["not_logging"] is not None) is low

    wait_until(is_so, WAIT_S, f"not logging: {low}")


def test_pages_are_served_and_changes_refused_until_there_is_room(
    site: Site, node: Node, disk: Disk
) -> None:
    before = node.rank()
    assert before["logged"]
    disk.free = MINIMUM - 1
    becomes(node, low=True)

    assert not node.rank()["logged"]
    shown = {"events": [event("e1", before, "impression", "t0")]}
    refused = [
        node.http.post("/v1/feedback", json=shown),
        node.http.put("/v1/catalog", json=CATALOG),
        node.http.patch("/v1/catalog", json={"remove_titles": ["t0"]}),
    ]
    assert [each.status_code for each in refused] == [503] * 3
    assert {each.headers["Retry-After"] for each in refused} == {"1"}
    assert all("MB free" in value(each)["detail"] for each in refused)
    assert node.http.get("/readyz").status_code == 200
    status = value(node.http.get("/v1/status"))
    assert not status["learning"]
    assert "MB free" in status["verdict"]
    told = node.http.get("/metrics").text
    assert 'marquee_decisions_unlogged_total{reason="disk_low"} 1.0' in told
    assert "marquee_log_disk_low 1.0" in told
    assert f"marquee_log_disk_free_bytes {MINIMUM - 1:.1f}" in told

    disk.free = 2 * MINIMUM
    becomes(node, low=False)
    assert node.rank()["logged"]
    assert value(node.http.post("/v1/feedback", json=shown))["accepted"] == 1
    assert node.http.patch("/v1/catalog", json={"remove_titles": ["t0"]}).status_code == 200


def test_the_learner_learns_on_and_publishes_once_there_is_room(
    site: Site, node: Node, disk: Disk
) -> None:
    decided = node.rank()
    shown = {"events": [event("e1", decided, "play", "t0", seconds=600)]}
    assert node.http.post("/v1/feedback", json=shown).status_code == 202
    disk.free = MINIMUM - 1
    site.close_windows()
    status = site.learn()
    assert status.learned.examples["artwork"] >= 1
    assert status.models == {}
    assert "MB free" in status.held_models["artwork"]
    assert site.snapshots.pointer("artwork") is None

    disk.free = 2 * MINIMUM
    status = site.learn()
    assert (set(status.models), status.held_models) == ({"artwork", "rows"}, {})
    assert site.snapshots.pointer("artwork") is not None
