"""A process that publishes snapshots at a steady pace, as the learner does while feedback comes.

Each is the model that was published last, its weights moved by a little. For comparison the same
work can be done into a store of which nobody knows.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.synchronize
import time
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

import numpy as np

from bandit.clock import MICROSECONDS
from bandit.engine import ModelArrays
from bandit.keys import read_keys
from bandit.snapshots import FileSnapshotStore, Snapshot, SnapshotDetails
from bandit.types import SURFACES, Surface

KEEP: Final = 20
WITHIN_S: Final = 60.0


class Published(NamedTuple):
    """One snapshot; times by the system's monotonic clock."""

    surface: Surface
    version: str
    began_s: float
    published_s: float


class SnapshotPublisher:
    """Publishes both surfaces' snapshots every ``every_s`` while the context lasts.

    Args:
        state: the state directory of the server whose models are published anew.
        every_s: seconds from one publication to the next.
        into: the store's directory; by default the server's own.
    """

    def __init__(self, state: Path, every_s: float, into: Path | None = None) -> None:
        spawner = multiprocessing.get_context("spawn")
        self._stop = spawner.Event()
        self._results = spawner.Queue()
        self._process = spawner.Process(
            target=_publish,
            args=(state, every_s, into or state / "snapshots", self._stop, self._results),
            daemon=True,
        )
        self.published: list[Published] = []

    def __enter__(self) -> Self:
        self._process.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        try:
            if kind is None:
                self.published = self._results.get(timeout=WITHIN_S)
        finally:
            self._process.join(WITHIN_S)
            self._process.kill()


def _publish(
    state: Path,
    every_s: float,
    into: Path,
    stop: multiprocessing.synchronize.Event,
    results: multiprocessing.Queue[list[Published]],
) -> None:
    keys = read_keys(state / "secrets" / "snapshots.keys")
    ours = FileSnapshotStore(state / "snapshots", keys)
    store = FileSnapshotStore(into, keys)
    models = {surface: _newest(ours, surface) for surface in SURFACES}
    published = []
    count = 0
    while not stop.wait(every_s):
        count += 1
        for surface in SURFACES:
            model = models[surface]
            moved = ModelArrays(
                model.arrays.weights * np.float32(1 + count * 1e-5), model.arrays.variances
            )
            began_s = time.monotonic()
            manifest = store.publish(surface, moved, model.model, _details(model))
            published.append(Published(surface, manifest.version, began_s, time.monotonic()))
            store.prune(surface, KEEP)
    results.put(published)


def _newest(store: FileSnapshotStore, surface: Surface) -> Snapshot:
    pointer = store.pointer(surface)
    if pointer is None:
        raise RuntimeError(f"no model of {surface} was published yet; train the server first")
    return store.load(surface, pointer.version)


def _details(model: Snapshot) -> SnapshotDetails:
    known = model.manifest
    return SnapshotDetails(
        created_at_us=time.time_ns() * MICROSECONDS // 10**9,
        bits=known.bits,
        interactions=known.interactions,
        constant=known.constant,
        engine=known.engine,
        engine_version=known.engine_version,
        examples_learned=known.examples_learned,
        log_clock_us=known.log_clock_us,
        parent=known.version,
    )
