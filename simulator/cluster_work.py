"""What a worker of a cluster does: one job at a time, as any other worker would do it.

A worker process may have several threads; jobs take turns there, since what they share is one
object for all of them, and linear algebra runs on one thread, as the order of its sums depends on
their number.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from simulator.told_errors import outcome

PACKAGES: Final = ("bandit", "simulator")
"""Whose code decides what a job gives."""
_TURN: Final = threading.Lock()


@dataclass(frozen=True, slots=True)
class Briefing:
    """What all jobs share; sent to each worker once."""

    function: Callable[[Any, Any], Any]
    shared: Any


class Build(NamedTuple):
    """What must be the same everywhere for results to be the same bits."""

    marquee: str
    code: str
    """A digest of Marquee's modules."""
    python: str
    numpy: str

    def differs(self, other: Build) -> str:
        """Return what differs first, in words; empty where nothing does."""
        for name, ours, theirs in zip(self._fields, self, other, strict=True):
            if ours != theirs:
                called = "marquee's code" if name == "code" else name
                return f"{called} is {theirs}, here it is {ours}"
        return ""


@cache
def build() -> Build:
    """Return what this process runs."""
    digest = blake2b(digest_size=4)
    root = Path(__file__).resolve().parents[1]
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            digest.update(str(path.relative_to(root)).encode())
            digest.update(path.read_bytes())
    python = "{}.{}.{}".format(*sys.version_info[:3])
    return Build(version("marquee"), digest.hexdigest(), python, np.__version__)


def work(briefing: Briefing, task: Any, asked_by: Build) -> tuple[str, Any]:
    """Do a task: return what differs between this worker and who asks, or empty, and the outcome.

    A worker of another build, which may join at any moment, does nothing.
    """
    differing = asked_by.differs(build())
    if differing:
        return differing, None
    with _TURN, threadpool_limits(limits=1):
        return "", outcome(briefing.function, briefing.shared, task)
