"""What a worker serves from, kept fresh: one catalog and the pointed-to snapshot of each surface.

A thread polls the stores' pointers. Whatever is new is loaded and verified in that thread, off the
request path, and then swapped in by one assignment: a request sees the old bundle or the new one,
never a mixture. What cannot be loaded is counted and remembered, and the last good keeps serving.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import structlog

from bandit.catalog import (
    Catalog,
    CatalogDocument,
    CatalogStore,
    empty_catalog,
    read_catalog_file,
)
from bandit.clock import MICROSECONDS, Clock
from bandit.config.schema import Config
from bandit.errors import CatalogError, SnapshotError
from bandit.metrics import Metrics
from bandit.policy import ServedModel, Serving
from bandit.scoring import ModelShape
from bandit.snapshots import Manifest, SnapshotStore
from bandit.status import Rejection
from bandit.types import SURFACES, Surface

log = structlog.get_logger()


class ServingState:
    """The bundle in use, and the thread that renews it."""

    def __init__(
        self,
        config: Config,
        catalogs: CatalogStore,
        snapshots: SnapshotStore,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._catalogs = catalogs
        self._snapshots = snapshots
        self._clock = clock
        self._metrics = metrics
        self._interval_s = min(config.catalog.poll_interval_s, config.snapshots.poll_interval_s)
        self._stop = threading.Event()
        self._refreshing = threading.Lock()
        self._refused: set[str] = set()
        self._thread = threading.Thread(target=self._run, name="serving-refresh", daemon=True)
        self.current = Serving(empty_catalog())
        self.last_rejection: Rejection | None = None

    def start(self) -> None:
        """Load what there is, then keep it fresh until :meth:`close`."""
        self.refresh()
        self._thread.start()

    def close(self) -> None:
        """Stop renewing."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def refresh(self) -> None:
        """Take over whatever the stores point to that is not being served yet."""
        with self._refreshing:
            self._refresh_catalog()
            for surface in SURFACES:
                self._refresh_model(surface)

    def _run(self) -> None:
        while not self._stop.wait(self._interval_s):
            try:
                self.refresh()
            except OSError as error:
                # A store that cannot be read now is read again at the next turn.
                self._reject("the state directory", str(error))

    def _refresh_catalog(self) -> None:
        what = "the catalog's pointer"
        try:
            version = self._catalogs.current()
            what = f"catalog {version}"
            if version is None or version == self.current.catalog.version:
                return
            if what in self._refused:
                return
            catalog = self._catalogs.load(version)
        except CatalogError as error:
            if self._reject(what, str(error)):
                self._metrics.count("marquee_catalog_rejected_total")
            return
        self.current = replace(self.current, catalog=catalog)
        log.info("catalog swapped in", catalog=version)

    def _refresh_model(self, surface: Surface) -> None:
        what = f"the snapshots' pointer of {surface}"
        served = self.current.models.get(surface)
        try:
            pointer = self._snapshots.pointer(surface)
            if pointer is None or (served is not None and served.version == pointer.version):
                return
            what = f"snapshot {pointer.version} of {surface}"
            if what in self._refused:
                return
            snapshot = self._snapshots.load(surface, pointer.version)
        except SnapshotError as error:
            if self._reject(what, str(error)):
                self._metrics.count("marquee_snapshot_rejected_total", surface)
            return
        model = ServedModel(
            pointer.version,
            shape_of(snapshot.manifest),
            snapshot.arrays,
            snapshot.manifest.created_at_us,
        )
        self.current = replace(self.current, models={**self.current.models, surface: model})
        self._metrics.count("marquee_snapshot_loaded_total", surface)
        created_s = model.created_at_us / MICROSECONDS
        self._metrics.set("marquee_snapshot_created_timestamp_seconds", surface, to=created_s)

    def _reject(self, what: str, why: str) -> bool:
        """Remember what was refused; return whether it is news."""
        is_news = what not in self._refused
        if is_news:
            self._refused.add(what)
            self.last_rejection = Rejection(what, why, self._clock.now_us())
            log.error("refused; the last good goes on serving", what=what, why=why)
        return is_news


def shape_of(manifest: Manifest) -> ModelShape:
    """Return the shape of the model that a manifest describes."""
    return ModelShape(
        surface=manifest.surface,
        bits=manifest.bits,
        interactions=tuple(tuple(names) for names in manifest.interactions),
        constant=manifest.constant,
    )


def first_catalog(config: Config, catalogs: CatalogStore) -> Catalog | None:
    """Store the configured source as the first catalog, where none was stored yet.

    Raises:
        CatalogError: the source is wrong.
    """
    if config.catalog.source is None or catalogs.current() is not None:
        return None
    document: CatalogDocument = read_catalog_file(Path(config.catalog.source))
    catalogs.set_current(catalogs.save(document))
    return Catalog.build(document)
