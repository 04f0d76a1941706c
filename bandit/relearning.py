"""Learning a log again from its beginning, under another configuration, beside a running service.

The learner is the service's own, in a directory of its own: what it makes of a log is a function of
the log and the configuration alone. So under the service's configuration it comes to the service's
weights bit for bit, where the log is whole. Nothing of the service's state is touched, and nothing
of the log is released. What is open when the log ends is not learned: its windows are not over.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from bandit.catalog import CatalogStore
from bandit.checkpoint import CURRENT_NAME, put_checkpoint
from bandit.clock import MICROSECONDS, Clock, to_us
from bandit.config.schema import Config
from bandit.errors import LogError
from bandit.eventlog.only_reading import OnlyReading
from bandit.eventlog.protocol import EventReader
from bandit.learner import Learner
from bandit.learner_words import Catalogs
from bandit.lease import Lease
from bandit.metrics import NoMetrics
from bandit.snapshots import MemorySnapshotStore, Snapshot
from bandit.statistics import LearningCounts
from bandit.types import SURFACES, Surface

OWN_DIRECTORY: Final = "learner"
"""What the learner keeps while it learns, beneath the directory given."""

_STALLED_S: Final = 30.0
"""A log whose horizon stands for so long will not move by itself."""

Progress = Callable[[float], None]
"""Is told which part of the log's time was taken, from 0 to 1."""


class Relearned(NamedTuple):
    """What was made of a log."""

    models: dict[Surface, Snapshot]
    """Of each surface that learned anything."""
    counts: LearningCounts
    open_decisions: int
    """Decisions whose windows were not over."""
    dead_letters: int
    log_clock_us: int
    begins_at_us: int | None
    """The time of the oldest record; None where there is none."""
    is_whole: bool
    """Whether the log holds its first records still."""
    refusal: str | None = None
    """Why a surface that learned has no model all the same, where one has none."""


def relearn(config: Config, directory: Path, clock: Clock, progress: Progress) -> Relearned:
    """Learn the configured log into models, working in ``directory``.

    Raises:
        ConfigError: a model cannot be made as configured.
        LogError: there is no log, or it cannot be read.
        OSError: a catalog cannot be read, or the directory not be written.
    """
    catalogs = CatalogStore(config.catalog.directory, config.limits)
    reader = OnlyReading(config.log.directory, clock)
    try:
        return relearn_from(config, reader, catalogs, directory, clock, progress)
    finally:
        reader.close()


def relearn_from(
    config: Config,
    reader: EventReader,
    catalogs: Catalogs,
    directory: Path,
    clock: Clock,
    progress: Progress,
) -> Relearned:
    """Learn what a reader reads; see :func:`relearn`."""
    began_us = clock.now_us()
    begins = [at_us for spool in reader.spools() if (at_us := reader.first_at_us(spool))]
    if not begins:
        raise LogError(
            "the log holds no records",
            hint="name the service's own directories: log.directory and catalog.directory",
        )
    begins_at_us = min(begins)
    own = _config_of_its_own(config, directory)
    store = MemorySnapshotStore()
    learner = Learner(own, reader, store, catalogs, clock, NoMetrics())
    for at_us in _taken_up(learner, own, clock, began_us):
        progress(_part(at_us, begins_at_us, began_us))
    now_us = clock.now_us()
    status = learner.status(now_us)
    learner.publish(now_us)
    rejection = learner.status(now_us).last_rejection
    learner.checkpoint(now_us)
    models = {
        surface: store.load(surface, manifest.version)
        for surface in SURFACES
        for manifest in store.versions(surface)[:1]
    }
    return Relearned(
        models,
        learner.counts,
        status.open_decisions,
        status.dead_letters,
        status.log_clock_us,
        begins_at_us,
        _is_whole(reader),
        rejection.why if rejection and _taught(learner.counts) - models.keys() else None,
    )


def _config_of_its_own(config: Config, directory: Path) -> Config:
    """Return the configuration of a learner in ``directory`` that publishes into memory.

    How much room the service's disk has is no reason for it not to.
    """
    learner = msgspec.structs.replace(config.learner, directory=str(directory / OWN_DIRECTORY))
    log = msgspec.structs.replace(config.log, disk_free_bytes_min=0)
    return msgspec.structs.replace(config, learner=learner, log=log)


def _taken_up(learner: Learner, config: Config, clock: Clock, until_us: int) -> Iterator[int]:
    """Take the log up to an instant; yield how far, step by step.

    After a step that failed the learner has yet to go back, wherever its clock stands: to its last
    checkpoint, and not to the log's beginning for each attempt.
    """
    wait_s, interval_us = config.learner.idle_wait_s, to_us(config.learner.checkpoint_interval_s)
    idle_s, farthest_us, failed, saved_at_us = 0.0, 0, False, clock.now_us()
    while (at_us := learner.status(until_us).log_clock_us) < until_us or failed:
        farthest_us = max(farthest_us, at_us)
        yield farthest_us
        report = learner.step(clock.now_us())
        failed = report.failed is not None
        if clock.now_us() - saved_at_us >= interval_us:
            saved_at_us = clock.now_us()
            learner.checkpoint(saved_at_us)
        if not report.idle:
            idle_s = 0.0
            continue
        if idle_s > _STALLED_S:
            raise LogError(
                f"the log has not moved on for {idle_s:.0f} s: a process that writes to it hangs",
                hint="see `marquee status`, or stop the service and try again",
            )
        time.sleep(wait_s)
        idle_s += wait_s
    yield until_us


def check_adoptable(config: Config, now_us: int) -> None:
    """Check that the service's learner is not at work, before much time is spent.

    Raises:
        LeaseHeldError: it is.
        OSError: its directory cannot be written.
    """
    Lease(Path(config.learner.directory), now_us).release()


def adopt(config: Config, directory: Path, now_us: int) -> None:
    """Let the service's learner go on from what was learned in ``directory``, once it starts.

    What it stood at becomes its previous checkpoint.

    Raises:
        LeaseHeldError: the service's learner is at work.
        OSError: its directory cannot be written; it is then as it was.
    """
    target = Path(config.learner.directory)
    learned = (directory / OWN_DIRECTORY / CURRENT_NAME).read_bytes()
    with Lease(target, now_us):
        put_checkpoint(target, learned)


def days_held(relearned: Relearned) -> float:
    """Return over how many days the log reached."""
    if relearned.begins_at_us is None:
        return 0.0
    return (relearned.log_clock_us - relearned.begins_at_us) / MICROSECONDS / 86_400


def examples_of(counts: LearningCounts) -> Mapping[Surface, int]:
    """Return how many examples each surface learned."""
    return {surface: counts.examples.get(surface, 0) for surface in SURFACES}


def _taught(counts: LearningCounts) -> set[Surface]:
    return {surface for surface, number in examples_of(counts).items() if number}


def _part(at_us: int, from_us: int, until_us: int) -> float:
    if until_us <= from_us:
        return 1.0
    return min(1.0, max(0.0, (at_us - from_us) / (until_us - from_us)))


def _is_whole(reader: EventReader) -> bool:
    firsts = [reader.read(spool, 0, 1).records[:1] for spool in reader.spools()]
    return all(not first or first[0].sequence == 1 for first in firsts)
