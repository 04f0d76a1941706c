"""What is done to a storm's disks: the state's is filled up, or found read-only by a start.

Catalogs and snapshots lie on a second disk within it, which becomes read-only for a while.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from bandit.status import read_status
from server.local import state_overrides, wait_until
from tests.faults.disks import SmallDisk, small_disk
from tests.faults.ledger import Crowd, Ledger, Pace
from tests.faults.torture.world import TITLES

WAIT_S: Final = 90.0
_STATE_MEGABYTES: Final = 384
"""Room for what a storm of the usual length logs."""
_SERVING_MEGABYTES: Final = 48
_ASKING: Final = 4
_UNLOGGED: Final = 5
"""So many pages are served unlogged before a full disk is called one."""
_REFUSAL: Final = "Read-only file system"


class StormDisks(NamedTuple):
    """The disks of one service."""

    state: SmallDisk
    serving: SmallDisk

    @property
    def settings(self) -> dict[str, str]:
        """Return the settings that put catalogs and snapshots on the second one."""
        return serving_settings(self.serving.directory)


def serving_settings(directory: Path) -> dict[str, str]:
    """Return the settings that put catalogs and snapshots into a directory of their own."""
    return {
        "MARQUEE__CATALOG__DIRECTORY": str(directory / "catalog"),
        "MARQUEE__SNAPSHOTS__DIRECTORY": str(directory / "snapshots"),
    }


@contextmanager
def storm_disks(directory: Path) -> Iterator[StormDisks]:
    """Mount both for the length of a block."""
    with (
        small_disk(directory, _STATE_MEGABYTES) as state,
        small_disk(directory / "serving", _SERVING_MEGABYTES) as serving,
    ):
        yield StormDisks(state, serving)


def while_full(
    disk: SmallDisk, url: str, seed: int, seconds: float, meanwhile: Callable[[], None]
) -> Ledger:
    """Have a disk full until pages go unlogged, and for so long after that.

    Pages are asked for by some who report nothing: those who do wait for their 202.

    Args:
        meanwhile: done once pages go unlogged.

    Returns:
        The books of those who asked.

    Raises:
        TimeoutError: all pages were logged nevertheless.
    """
    asking = Crowd(
        url, TITLES, _ASKING, pace=Pace(try_s=1.5, give_up_s=WAIT_S), seed=seed, reports=False
    )

    def is_noticed() -> bool:
        disk.fill()
        return asking.unlogged() >= _UNLOGGED

    try:
        wait_until(is_noticed, WAIT_S, "a page unlogged on a full disk")
        meanwhile()
        disk.fill()
        time.sleep(seconds)
    finally:
        disk.free()
        books = asking.leave()
    return books


def while_read_only(disk: SmallDisk, learner: Path, seconds: float) -> None:
    """Have the disk of snapshots read-only until the learner says so, and for so long after that.

    Raises:
        TimeoutError: it never says so.
    """

    def is_told() -> bool:
        status = read_status(learner)
        rejection = None if status is None else status.last_rejection
        return rejection is not None and _REFUSAL in rejection.why

    wait_until(disk.becomes_read_only, WAIT_S, "a moment without writers")
    try:
        wait_until(is_told, WAIT_S, "the learner telling of a read-only disk")
        time.sleep(seconds)
    finally:
        disk.read_only(is_so=False)


def refused_start(disk: SmallDisk, settings: Mapping[str, str]) -> list[str]:
    """Try a start while the state's disk is read-only; return what is wrong with its refusal."""
    wait_until(disk.becomes_read_only, WAIT_S, "a state that nobody writes")
    try:
        refused = subprocess.run(
            [sys.executable, "-m", "server.cli", "serve"],
            env={**os.environ, **state_overrides(disk.directory), **settings},
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            check=False,
        )
    finally:
        disk.read_only(is_so=False)
    if refused.returncode != 0 and _REFUSAL in refused.stderr:
        return []
    return [f"a start on a read-only disk ended with {refused.returncode}: {refused.stderr[-300:]}"]
