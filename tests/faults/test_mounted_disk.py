"""Disks of their own: the guard before a full one, and one that becomes read-only.

Left out as a whole where no disk can be mounted, unless asked for: see ``tests/conftest.py``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest
import urllib3

from bandit.snapshots import Pointer
from bandit.status import read_status
from server.local import LocalServer, state_overrides, wait_until
from tests.faults.callers import WAIT_S, Callers, metrics
from tests.faults.disks import can_mount, small_disk
from tests.faults.test_full_disk import MEGABYTES, SETTINGS, Run, check_books, goes_on

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(not can_mount(), reason="no disk can be mounted here"),
]


def test_the_guard_stops_before_the_disk_is_full_and_lets_go_again(tmp_path: Path) -> None:
    minimum = {"MARQUEE__LOG__DISK_FREE_BYTES_MIN": str(MEGABYTES * 500_000)}
    with ExitStack() as stack:
        disk = stack.enter_context(small_disk(tmp_path / "disk", MEGABYTES))
        server = LocalServer(disk.directory, settings={**SETTINGS, **minimum})
        with server:
            with Callers(server.url) as callers:
                books = callers.books
                callers.wait_for("/v1/rank", 201, 100)
                assert not books.unlogged
                disk.fill(leaving=MEGABYTES * 400_000)
                wait_until(lambda: books.unlogged, WAIT_S, "an unlogged page")
                callers.wait_for("/v1/feedback", 503, 20)
                told = metrics(server.url)
                assert told["marquee_log_disk_low"] == 1
                assert 0 < told["marquee_log_disk_free_bytes"] < MEGABYTES * 500_000
                disk.free()
                goes_on(books)
            told = metrics(server.url)
            assert told["marquee_log_disk_low"] == 0
            unlogged = 'marquee_decisions_unlogged_total{reason="disk_low"}'
            assert told[unlogged] == len(books.unlogged)
            assert set(books.of("/v1/rank")) == {201}
            assert set(books.of("/v1/feedback")) == {202, 503}
            assert books.without_retry_after == 0
            check_books(books, Run(server, disk, disk.directory))


def newest_snapshot(directory: Path) -> str | None:
    try:
        text = (directory / "artwork" / "pointer.json").read_bytes()
    except FileNotFoundError:
        return None
    return msgspec.json.decode(text, type=Pointer).version


def put_catalog(server: LocalServer, title: str) -> tuple[int, str | None]:
    catalog = {"titles": [{"id": title, "artworks": [{"id": "a"}]}]}
    answer = urllib3.request("PUT", f"{server.url}/v1/catalog", json=catalog, retries=False)
    return answer.status, answer.headers.get("Retry-After")


def test_a_read_only_disk_costs_no_page_and_is_gone_on_with_by_itself(tmp_path: Path) -> None:
    """The disk of catalogs and snapshots: the last good are served, changes get 503."""
    with ExitStack() as stack:
        disk = stack.enter_context(small_disk(tmp_path / "disk", 16))
        snapshots = disk.directory / "snapshots"
        settings = {
            **SETTINGS,
            "MARQUEE__CATALOG__DIRECTORY": str(disk.directory / "catalog"),
            "MARQUEE__SNAPSHOTS__DIRECTORY": str(snapshots),
        }
        server = stack.enter_context(LocalServer(tmp_path / "state", settings=settings))
        assert put_catalog(server, "before") == (200, None)
        callers = stack.enter_context(Callers(server.url))
        wait_until(lambda: newest_snapshot(snapshots), WAIT_S, "a snapshot")
        wait_until(disk.becomes_read_only, WAIT_S, "a moment without writers")
        last = newest_snapshot(snapshots)

        def learner_tells() -> bool:
            status = read_status(server.directory / "learner")
            rejection = None if status is None else status.last_rejection
            return rejection is not None and "Read-only file system" in rejection.why

        wait_until(learner_tells, WAIT_S, "the learner telling of the disk")
        assert put_catalog(server, "meanwhile") == (503, "1")
        callers.wait_for("/v1/rank", 201, 50)
        assert newest_snapshot(snapshots) == last

        disk.read_only(is_so=False)
        assert put_catalog(server, "after") == (200, None)
        wait_until(lambda: newest_snapshot(snapshots) != last, WAIT_S, "a newer snapshot")
        callers.wait_for("/v1/rank", 201, 50)
        assert set(callers.books.of("/v1/rank")) == {201}
        assert set(callers.books.of("/v1/feedback")) == {202}
        assert not callers.books.unlogged


def test_a_start_on_a_read_only_disk_is_refused_with_its_reason(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 16) as disk:
        disk.read_only(is_so=True)
        environment = {**os.environ, **state_overrides(disk.directory), **SETTINGS}
        refused = subprocess.run(
            [sys.executable, "-m", "server.cli", "serve"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            check=False,
        )
    assert refused.returncode != 0
    assert "Read-only file system" in refused.stderr
    assert "hint: give a writable directory" in refused.stderr
