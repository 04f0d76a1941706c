"""What the learner tells of itself: a small JSON file that anyone may read at any time."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from bandit.drift_words import AlarmReport
from bandit.files import write_atomically
from bandit.metrics import Metrics
from bandit.statistics import LearningCounts
from bandit.types import Surface

STATUS_NAME: Final = "status.json"
FORMAT_VERSION: Final = 1


class PublishedModel(msgspec.Struct, frozen=True):
    """The last snapshot of a surface, whichever process made it."""

    version: str
    examples: int
    """Examples learned by then."""
    created_at_us: int = 0


class Rejection(msgspec.Struct, frozen=True):
    """Something that was refused, why and when."""

    what: str
    why: str
    at_us: int


class LearnerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Is it learning? Counts are over the learner's whole life, restarts included."""

    pid: int
    updated_at_us: int
    log_clock_us: int
    """Everything in the log up to here was taken; 0 before anything was read."""
    lag_s: float
    """How far the log clock is behind the present."""
    joined: dict[str, int]
    """Inputs of the joiner by disposition."""
    open_decisions: int
    learned: LearningCounts
    dead_letters: int
    rejections: int = 0
    """Since the process started."""
    last_rejection: Rejection | None = None
    models: dict[Surface, PublishedModel] = {}
    held_models: dict[Surface, str] = {}
    """Surfaces whose last snapshot still knows more than what is being learned, and until when."""
    unreadable_spools: dict[str, str] = {}
    """Spools of the log that are passed over, and why."""
    log_holds_from_us: int | None = None
    """The oldest record that the log still holds; None where it is empty."""
    alarms: list[AlarmReport] = []
    """The drift alarms."""
    v: int = FORMAT_VERSION


def write_status(directory: Path, status: LearnerStatus) -> None:
    """Put a status in place of the last one.

    Raises:
        OSError: the disk is full or the directory not writable.
    """
    write_atomically(directory / STATUS_NAME, msgspec.json.encode(status))


def read_status(directory: Path) -> LearnerStatus | None:
    """Return the learner's last status, None if there is none or it cannot be understood."""
    try:
        found = msgspec.json.decode((directory / STATUS_NAME).read_bytes(), type=LearnerStatus)
    except (OSError, msgspec.DecodeError):
        return None
    return found if found.v <= FORMAT_VERSION else None


class StatusMetrics:
    """Reports a learner's counts as metrics: what was added since the last report."""

    def __init__(self, metrics: Metrics, start: LearnerStatus) -> None:
        self._metrics = metrics
        self._reported: dict[tuple[str, str], float] = {}
        self._start = self._flat(start)

    def report(self, status: LearnerStatus) -> None:
        """Report what a status has more than any before it; less means work done again."""
        self._metrics.set("marquee_learner_lag_seconds", to=status.lag_s)
        self._metrics.set("marquee_open_decisions", to=status.open_decisions)
        for (kind, label), total in self._flat(status).items():
            before = self._reported.get((kind, label), self._start.get((kind, label), 0))
            added = total - before
            if added <= 0:
                continue
            self._reported[kind, label] = total
            if kind == "join":
                self._metrics.count("marquee_join_events_total", label, by=added)
            elif kind == "outcome":
                self._metrics.count("marquee_outcomes_total", label, by=added)
            elif kind == "example":
                self._metrics.count("marquee_examples_learned_total", label, by=added)
            else:
                self._metrics.count("marquee_learner_dead_letters_total", by=added)

    def _flat(self, status: LearnerStatus) -> dict[tuple[str, str], float]:
        return {
            **{("join", name): count for name, count in status.joined.items()},
            **{("outcome", name): count for name, count in status.learned.outcomes.items()},
            **{("example", name): count for name, count in status.learned.examples.items()},
            ("dead letter", ""): status.dead_letters,
        }
