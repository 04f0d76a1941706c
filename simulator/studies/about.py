"""Where a result comes from: the command, the versions, the machine, and how long it took."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Final, NamedTuple

from bandit.clock import MICROSECONDS, Clock
from simulator.results import About

PACKAGES: Final = (
    "marquee",
    "numpy",
    "scipy",
    "scikit-learn",
    "vowpal-wabbit-next",
    "pyarrow",
    "duckdb",
)
"""What bears on the numbers."""


class Begun(NamedTuple):
    """A study under way."""

    command: str
    seed: int
    clock: Clock
    started_us: int

    def about(self) -> About:
        """Tell where the study's result comes from, now that it is over."""
        started = datetime.fromtimestamp(self.started_us / MICROSECONDS, UTC)
        return About(
            command=self.command,
            seed=self.seed,
            started_at=started.isoformat(timespec="seconds"),
            took_s=(self.clock.now_us() - self.started_us) / MICROSECONDS,
            versions=versions(),
            machine=machine(),
        )


def begin(command: str, seed: int, clock: Clock) -> Begun:
    """Begin a study that ``command`` asked for."""
    return Begun(command, seed, clock, clock.now_us())


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that bear on the numbers."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def machine() -> str:
    """Name the kind of machine, and nothing that tells whose it is."""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors"
