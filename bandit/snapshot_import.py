"""Taking over a model that another Marquee learned: verified, tried, signed anew, not yet served.

What comes is a snapshot's directory, signed by whoever made it, or the bare file that ``marquee
snapshots export`` writes, which nobody signed. A signature is asked for unless the caller says
otherwise: weights decide what viewers see, and a stranger's could be anything. Either way the
model must be one that this configuration could have learned: the same bits, interactions, constant,
reduction and release of VW. Its bytes are loaded by :mod:`bandit.model_trial` alone, and a
directory's weights must be those of its bytes.

What is served does not change. The imported version is the newest for the moment; activating it
serves it, and the learner's next snapshot follows it as it would follow any other.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Protocol

import numpy as np

from bandit.config.schema import Config, ModelConfig
from bandit.engine import ModelArrays
from bandit.errors import SnapshotError
from bandit.keys import KeyRing
from bandit.model_trial import TriedModel, try_model
from bandit.scoring import ModelShape
from bandit.snapshots import Manifest, Snapshot, SnapshotDetails
from bandit.snapshots.foreign import model_bytes_max, read_bounded, read_foreign
from bandit.types import Surface

_LIKE_OURS: Final = "configure both installations' models alike, or let this one learn its own"


class TakesSnapshots(Protocol):
    """A store that keeps a snapshot without serving it."""

    def add(
        self, surface: Surface, arrays: ModelArrays, model: bytes, details: SnapshotDetails
    ) -> Manifest:
        """Add a snapshot; what is served stays."""
        ...


def import_directory(
    config: Config, directory: Path, keys: KeyRing | None, store: TakesSnapshots
) -> Manifest:
    """Import a snapshot's directory, signed with one of ``keys``, or by nobody where that is None.

    Raises:
        SnapshotError: it is damaged, not signed as asked, or no model for this configuration.
        SnapshotUnavailableError: the store cannot be written.
    """
    snapshot = read_foreign(directory, keys, lambda manifest: _check_shape(config, manifest))
    surface = snapshot.manifest.surface
    tried = try_model(surface, _models(config)[surface], snapshot.model)
    _check_agreement(snapshot, tried)
    details = snapshot.manifest.details_without_parent()
    return store.add(surface, snapshot.arrays, snapshot.model, details)


def import_model(
    config: Config, file: Path, surface: Surface, now_us: int, store: TakesSnapshots
) -> Manifest:
    """Import the bare file of a model, which nobody has signed.

    Raises:
        SnapshotError: it is damaged, or no model for this configuration.
        SnapshotUnavailableError: the store cannot be written.
    """
    own = _models(config)[surface]
    shape = ModelShape.of(surface, own)
    model = read_bounded(file, model_bytes_max(own.bits))
    tried = try_model(surface, own, model)
    details = SnapshotDetails(
        created_at_us=now_us,
        bits=shape.bits,
        interactions=[list(names) for names in shape.interactions],
        constant=shape.constant,
        engine_version=tried.engine_version,
        examples_learned=tried.examples_learned,
        log_clock_us=0,
    )
    return store.add(surface, tried.arrays, model, details)


def _models(config: Config) -> dict[Surface, ModelConfig]:
    return {"artwork": config.surfaces.artwork.model, "rows": config.surfaces.rows.model}


def _check_shape(config: Config, manifest: Manifest) -> None:
    ours = ModelShape.of(manifest.surface, _models(config)[manifest.surface])
    theirs = ModelShape(
        manifest.surface,
        manifest.bits,
        tuple(tuple(names) for names in manifest.interactions),
        manifest.constant,
    )
    if manifest.engine != "vw":
        raise SnapshotError(f"its engine is {manifest.engine!r}, not 'vw'", hint=_LIKE_OURS)
    if theirs != ours:
        raise SnapshotError(f"it is a model of {theirs}, not of {ours}", hint=_LIKE_OURS)


def _check_agreement(snapshot: Snapshot, tried: TriedModel) -> None:
    """Check that manifest, arrays and the engine's own form tell of one and the same model."""
    manifest = snapshot.manifest
    if manifest.engine_version != tried.engine_version:
        raise SnapshotError(
            f"VW {manifest.engine_version} made it, this is {tried.engine_version}",
            hint="import it with the release of Marquee that made it",
        )
    if manifest.examples_learned != tried.examples_learned or not np.array_equal(
        snapshot.arrays.weights, tried.arrays.weights
    ):
        raise SnapshotError(
            "its weights are not those of its model's bytes",
            hint="nothing was imported; have it exported anew",
        )
