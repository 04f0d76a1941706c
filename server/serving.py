"""What a worker serves from, kept fresh: one catalog and the pointed-to snapshot of each surface.

Where there is a challenger, its snapshots are kept fresh as well, whoever serves, so that a change
of the line is one assignment too. A line that lacks a model which the champion has does not serve.

One thread polls the snapshots' pointers, another one the catalog's, so that a catalog that takes
long to be compiled holds no snapshot up. Whatever is new is loaded and verified in its thread, off
the request path, and then swapped in by one assignment: a request sees the old bundle or the new
one, never a mixture. What cannot be loaded is counted and remembered, and the last good keeps
serving. What was refused is tried again after a while, since a file may be restored, and at once
when an operator has just changed something. What the operating system does not let be read now is
tried again at the next turn.

What is loaded is hashed and checked whole, which also brings each page of it into memory before it
is served from, and lets other threads run. Measured: a snapshot of 2^18 weights takes 2 ms, one of
2^24 120 ms, a catalog of a million artworks 60 ms; other threads then wait for at most 3, 9 and
10 ms. A turn that finds nothing new takes 0.04 ms.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from bandit.catalog import CatalogStore, empty_catalog
from bandit.catalog.importing import import_first
from bandit.challenger.line_file import LineFile
from bandit.clock import MICROSECONDS, Clock
from bandit.config.schema import Config
from bandit.errors import (
    CatalogError,
    ChallengerError,
    SnapshotError,
    SnapshotUnavailableError,
)
from bandit.metrics import Metrics
from bandit.policy import ServedModel, Serving
from bandit.scoring import ModelShape
from bandit.snapshots import Manifest, SnapshotStore
from bandit.status import Rejection
from bandit.types import SURFACES, LineName, Surface

log = structlog.get_logger()

_CATALOG_POINTER: Final = "the catalog's pointer"

RETRY_AFTER_US: Final = 5_000_000
"""How long what was refused is left alone: each try reads and hashes it whole."""

_CLOSE_WAIT_S: Final = 2.0
"""Longest wait for the threads at the end: one may be waiting for a large catalog to be compiled,
while records of the log wait to be made durable."""


class Contender(NamedTuple):
    """The challenger as a worker knows it."""

    snapshots: SnapshotStore
    lines: LineFile
    overlay: str
    """Digest of what its file sets."""


class ServingState:
    """The bundle in use, and the threads that renew it."""

    def __init__(
        self,
        config: Config,
        catalogs: CatalogStore,
        snapshots: SnapshotStore,
        clock: Clock,
        metrics: Metrics,
        challenger: Contender | None = None,
    ) -> None:
        self._catalogs = catalogs
        self._stores: dict[LineName, SnapshotStore] = {"champion": snapshots}
        self._challenger = challenger
        if challenger is not None:
            self._stores["challenger"] = challenger.snapshots
        self._models: dict[LineName, dict[Surface, ServedModel]] = {
            line: {} for line in self._stores
        }
        self._line: LineName = "champion"
        self._clock = clock
        self._metrics = metrics
        self._stop = threading.Event()
        self._renewing_catalog = threading.Lock()
        self._renewing_models = threading.Lock()
        self._swapping = threading.Lock()
        """Held for no longer than it takes to put a part into the bundle."""
        self._refused: dict[str, int] = {}
        """What was refused → when to try it again. Each key belongs to one of the two locks."""
        self._threads = [
            threading.Thread(target=self._keep_renewing, args=args, name=name, daemon=True)
            for name, *args in (
                ("serving-snapshots", self.refresh_models, config.snapshots.poll_interval_s),
                ("serving-catalog", self.refresh_catalog, config.catalog.poll_interval_s),
            )
        ]
        self.current = Serving(empty_catalog())
        self.last_rejection: Rejection | None = None

    def start(self) -> None:
        """Load what there is, then keep it fresh until :meth:`close`."""
        self.refresh()
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop renewing; what is being loaded is not waited for long."""
        self._stop.set()
        # That for snapshots is the first, and has little to wait for.
        for thread in self._threads:
            if thread.is_alive():
                thread.join(_CLOSE_WAIT_S)

    def refresh(self, *, anew: bool = False) -> None:
        """Take over whatever the stores point to that is not being served yet: snapshots first.

        ``anew`` tries also what was refused before.
        """
        self.refresh_models(anew=anew)
        self.refresh_catalog(anew=anew)

    def refresh_models(self, *, anew: bool = False) -> None:
        """Take over the snapshots pointed to; does not wait for a catalog that is being loaded."""
        with self._renewing_models:
            for line in self._stores:
                for surface in SURFACES:
                    self._refresh_model(line, surface, anew=anew)
            if self._challenger is not None:
                self._refresh_line(self._challenger)

    def refresh_catalog(self, *, anew: bool = False) -> None:
        """Take over the catalog pointed to."""
        with self._renewing_catalog:
            self._refresh_catalog(anew=anew)

    def _keep_renewing(self, renew: Callable[[], None], interval_s: float) -> None:
        while not self._stop.wait(interval_s):
            renew()

    def _refresh_catalog(self, *, anew: bool) -> None:
        what = _CATALOG_POINTER
        try:
            version = self._catalogs.current()
            self._refused.pop(what, None)
            what = f"catalog {version}"
            if version is None or version == self.current.catalog.version:
                return
            if self._waits(what, anew=anew):
                return
            catalog = self._catalogs.load(version)
        except CatalogError as error:
            if self._reject(what, str(error), RETRY_AFTER_US):
                self._metrics.count("marquee_catalog_rejected_total")
            return
        except OSError as error:
            self._reject(what, f"cannot be read now: {error}", 0)
            return
        self._refused.pop(what, None)
        with self._swapping:
            self.current = replace(self.current, catalog=catalog)
        log.info("catalog swapped in", catalog=version)

    def _refresh_model(self, line: LineName, surface: Surface, *, anew: bool) -> None:
        store, models = self._stores[line], self._models[line]
        of = surface if line == "champion" else f"{surface}, the {line}'s"
        what = f"the snapshots' pointer of {of}"
        served = models.get(surface)
        try:
            pointer = store.pointer(surface)
            self._refused.pop(what, None)
            if pointer is None or (served is not None and served.version == pointer.version):
                return
            what = f"snapshot {pointer.version} of {of}"
            if self._waits(what, anew=anew):
                return
            manifest, arrays = store.load_arrays(surface, pointer.version)
        except (OSError, SnapshotUnavailableError) as error:
            self._reject(what, f"cannot be read now: {error}", 0)
            return
        except SnapshotError as error:
            if self._reject(what, str(error), RETRY_AFTER_US):
                self._metrics.count("marquee_snapshot_rejected_total", surface)
            return
        self._refused.pop(what, None)
        models[surface] = ServedModel(
            pointer.version, shape_of(manifest), arrays, manifest.created_at_us
        )
        self._metrics.count("marquee_snapshot_loaded_total", surface)
        if line == self._line:
            self._serve(line)

    def _refresh_line(self, challenger: Contender) -> None:
        """Serve the line that is to serve, as soon as it has the models for it."""
        what = "the file that says which line serves"
        try:
            line = challenger.lines.read().serves(challenger.overlay)
        except (OSError, ChallengerError) as error:
            self._reject(what, str(error), RETRY_AFTER_US)
            return
        if line != self._line and not self._models["champion"].keys() <= self._models[line].keys():
            self._reject(what, f"the {line} has no model to serve with yet", RETRY_AFTER_US)
            return
        self._refused.pop(what, None)
        if line != self._line:
            self._line = line
            self._serve(line)
            log.info("another line serves", line=line)

    def _serve(self, line: LineName) -> None:
        models = dict(self._models[line])
        with self._swapping:
            self.current = replace(self.current, models=models, line=line)
        for surface, model in models.items():
            created_s = model.created_at_us / MICROSECONDS
            self._metrics.set("marquee_snapshot_created_timestamp_seconds", surface, to=created_s)

    def _waits(self, what: str, *, anew: bool) -> bool:
        if anew:
            self._refused.pop(what, None)
        return self._clock.now_us() < self._refused.get(what, 0)

    def _reject(self, what: str, why: str, wait_us: int) -> bool:
        """Remember what was refused and for how long; return whether it is news."""
        now_us = self._clock.now_us()
        is_news = what not in self._refused
        self._refused[what] = now_us + wait_us
        if is_news:
            self.last_rejection = Rejection(what, why, now_us)
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


def first_catalog(config: Config, catalogs: CatalogStore) -> None:
    """Store the configured source as the first catalog, where none was stored yet.

    Raises:
        CatalogError: the source is wrong.
    """
    if config.catalog.source is None:
        return
    try:
        if catalogs.current() is not None:
            return
    except CatalogError as error:
        # There was one, so that the source is not wanted; whoever renews what is served tells.
        log.warning("the source is not loaded in place of a damaged catalog", why=str(error))
        return
    import_first(catalogs, Path(config.catalog.source))
