"""Who learns a simulated service's log, and one learner that does.

Learners take records as they are logged, learn when told to, and publish models to serve. Only the
log and the snapshots lie in memory: it is :class:`bandit.learner.Learner` that joins, rewards,
trains and publishes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from bandit.catalog import Catalog
from bandit.clock import Clock
from bandit.config.schema import Config
from bandit.engines import Engines, shape_of
from bandit.errors import CatalogError
from bandit.eventlog.memory import MemoryEventLog
from bandit.events import Record
from bandit.learner import Learner
from bandit.metrics import NoMetrics
from bandit.policy import ServedModel
from bandit.snapshots import MemorySnapshotStore
from bandit.status import LearnerStatus
from bandit.types import SURFACES, Surface
from simulator.errors import SimulationError


class Learners(Protocol):
    """Who learns a log."""

    def append(self, record: Record) -> None:
        """Log a record now."""
        ...

    def learn(self, now_us: int) -> None:
        """Learn all that is there.

        Raises:
            SimulationError: a learner failed.
        """
        ...

    def publish(self, now_us: int) -> Mapping[Surface, ServedModel]:
        """Return the models to be served from now on, of what was learned by now."""
        ...

    def status(self, now_us: int) -> LearnerStatus:
        """Return what there is to tell; of several learners, what the first has."""
        ...


class _OneCatalog:
    """The catalog of a run, as the learner looks for it."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def load(self, version: str) -> Catalog:
        """Return the catalog.

        Raises:
            CatalogError: it is not of this version.
        """
        if version != self._catalog.version:
            raise CatalogError("catalog", f"there is no version {version}", hint="start a new run")
        return self._catalog


class OneLearner:
    """One learner of the whole log."""

    def __init__(self, config: Config, catalog: Catalog, clock: Clock) -> None:
        """Learn into ``config.learner.directory``, from nothing."""
        self._event_log = MemoryEventLog(clock)
        self._writer = self._event_log.writer()
        self._snapshots = MemorySnapshotStore()
        self._learner = Learner(
            config,
            self._event_log.reader(),
            self._snapshots,
            _OneCatalog(catalog),
            clock,
            NoMetrics(),
        )
        self._served: dict[Surface, ServedModel] = {}

    def append(self, record: Record) -> None:
        """Log a record now."""
        self._writer.append([record])

    def learn(self, now_us: int) -> None:
        """Learn all that is there.

        Raises:
            SimulationError: the learner failed.
        """
        while not (report := self._learner.step(now_us)).idle:
            if report.failed:
                raise SimulationError(
                    f"the learner failed: {report.failed}", hint="mend what the error names"
                )
        # The learner, which would read them again after a failure only, has taken them all.
        self._event_log.forget()

    def publish(self, now_us: int) -> Mapping[Surface, ServedModel]:
        """Publish snapshots of what was learned, and return them."""
        self._learner.publish(now_us)
        models = {surface: self._newest(surface) for surface in SURFACES}
        self._served = {surface: one for surface, one in models.items() if one is not None}
        return self._served

    def status(self, now_us: int) -> LearnerStatus:
        """Return what the learner has to tell."""
        return self._learner.status(now_us)

    @property
    def engines(self) -> Engines:
        """The models as they stand."""
        return self._learner.engines

    def _newest(self, surface: Surface) -> ServedModel | None:
        pointer = self._snapshots.pointer(surface)
        before = self._served.get(surface)
        if pointer is None or (before is not None and before.version == pointer.version):
            return before
        snapshot = self._snapshots.load(surface, pointer.version)
        manifest = snapshot.manifest
        return ServedModel(
            pointer.version, shape_of(manifest), snapshot.arrays, manifest.created_at_us
        )
