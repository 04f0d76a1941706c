"""The guard before a full disk, on a real small disk: it stops in time, and loses nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from shutil import disk_usage

import pytest

from server.client import Client
from server.local import LocalServer, wait_until
from tests.faults.callers import WAIT_S, Callers, metrics
from tests.faults.disks import SmallDisk, can_mount, small_disk
from tests.faults.test_full_disk import SETTINGS, Run, check_books, goes_on

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(not can_mount(), reason="needs a disk of its own"),
]

MEGABYTES = 64
MINIMUM = 24_000_000
LEFT = 20_000_000
GUARDED = {**SETTINGS, "MARQUEE__LOG__DISK_FREE_BYTES_MIN": str(MINIMUM)}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", MEGABYTES) as disk:
        yield disk


@pytest.fixture
def guarded(disk: SmallDisk) -> Iterator[Run]:
    with ExitStack() as stack:
        server = LocalServer(disk.directory, settings=GUARDED)
        stack.enter_context(server)
        yield Run(server, disk, disk.directory)


def test_below_the_minimum_nothing_is_begun_and_nothing_acknowledged_is_lost(
    guarded: Run, disk: SmallDisk
) -> None:
    url = guarded.server.url
    with Callers(url) as callers:
        books = callers.books
        callers.wait_for("/v1/rank", 201, 100)
        assert not books.unlogged
        disk.fill(leaving=LEFT)
        wait_until(lambda: books.unlogged, WAIT_S, "an unlogged page")
        callers.wait_for("/v1/feedback", 503, 20)
        callers.wait_for("/v1/rank", 201, 200)
        with Client(url, deadline_s=20) as client:
            assert "MB free" in client.status()["verdict"]
        # What was under way is written; what came since is not.
        assert disk_usage(disk.directory).free > LEFT // 2
        disk.free()
        goes_on(books)
    assert set(books.of("/v1/rank")) == {201}
    assert set(books.of("/v1/feedback")) == {202, 503}
    assert books.without_retry_after == 0
    assert metrics(url)['marquee_decisions_unlogged_total{reason="disk_low"}'] > 100
    check_books(books, guarded)
    assert guarded.server.stop() == 0
