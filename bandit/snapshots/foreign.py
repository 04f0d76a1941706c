"""Snapshots that come from elsewhere: read no further than announced, and verified before use.

A foreign snapshot is the directory of one version, as :class:`FileSnapshotStore` keeps it. Nothing
of it is trusted before the manifest's signature holds: the manifest is small and strictly typed,
each file is read once, whole and no further than the manifest and the model's size allow, and what
was read is what is hashed, checked and used, so that nothing can be exchanged in between. Links,
pipes and devices are not followed.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from bandit.engine import ModelArrays
from bandit.errors import SnapshotError
from bandit.keys import KeyRing
from bandit.snapshots.file_store import FILES, MANIFEST, MODEL, VARIANCES, WEIGHTS
from bandit.snapshots.manifest import (
    FORMAT_VERSION,
    Manifest,
    Snapshot,
    check_arrays,
    number_of,
)
from bandit.types import Float32Array

MANIFEST_BYTES_MAX: Final = 65_536
_NPY_HEAD_BYTES: Final = 4_096
_MODEL_HEAD_BYTES: Final = 1 << 20
_MODEL_BYTES_A_WEIGHT: Final = 64
"""VW writes an index and up to twice four floats for each weight that was touched."""


def model_bytes_max(bits: int) -> int:
    """Return how large the engine's own form of a model of 2^bits weights may be, in bytes."""
    return _MODEL_HEAD_BYTES + (_MODEL_BYTES_A_WEIGHT << bits)


def read_foreign(
    directory: Path, keys: KeyRing | None, check: Callable[[Manifest], None]
) -> Snapshot:
    """Read a snapshot's directory and verify it from end to end.

    Args:
        directory: holds ``manifest.json`` and the files that it names.
        keys: one of them must have signed the manifest; None asks for no signature.
        check: raises :class:`SnapshotError` where the model is not one that can be used here. It is
            called before anything large is read.

    Raises:
        SnapshotError: a part is missing, damaged, too large or not signed with one of the keys.
    """
    data = read_bounded(directory / MANIFEST, MANIFEST_BYTES_MAX)
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _refused(MANIFEST, f"cannot be read: {error}") from error
    if manifest.v != FORMAT_VERSION:
        raise _refused(MANIFEST, f"format {manifest.v} is not {FORMAT_VERSION}")
    if keys is not None and not manifest.is_signed_by(keys):
        raise SnapshotError(
            f"{MANIFEST}: it was not signed with one of the keys {', '.join(keys.key_ids)}",
            hint="give the key file of the installation that made it with --keys",
        )
    number_of(manifest.version)
    if manifest.files.keys() != FILES:
        raise _refused(MANIFEST, f"has the files {sorted(manifest.files)}, not {sorted(FILES)}")
    check(manifest)
    arrays_max = (np.dtype(np.float32).itemsize << manifest.bits) + _NPY_HEAD_BYTES
    arrays = ModelArrays(
        _array(WEIGHTS, _content(directory, manifest, WEIGHTS, arrays_max)),
        _array(VARIANCES, _content(directory, manifest, VARIANCES, arrays_max)),
    )
    check_arrays(arrays, manifest.bits)
    model = _content(directory, manifest, MODEL, model_bytes_max(manifest.bits))
    return Snapshot(manifest, arrays, model)


def read_bounded(path: Path, bytes_max: int) -> bytes:
    """Return a regular file's content.

    Raises:
        SnapshotError: it is none, cannot be read, or is larger than that.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise _refused(path.name, "is no regular file")
            data = file.read(bytes_max + 1)
    except OSError as error:
        raise _refused(path.name, f"cannot be read: {error.strerror}") from error
    if len(data) > bytes_max:
        raise _refused(path.name, f"is larger than {bytes_max} bytes")
    return data


def _content(directory: Path, manifest: Manifest, name: str, bytes_max: int) -> bytes:
    announced = manifest.files[name]
    if not 0 <= announced.size <= bytes_max:
        raise _refused(
            name, f"{announced.size} bytes are not in 0 to {bytes_max}, by the model's bits"
        )
    data = read_bounded(directory / name, announced.size)
    if len(data) != announced.size:
        raise _refused(name, f"{len(data)} bytes, not {announced.size}")
    if hashlib.sha256(data).hexdigest() != announced.sha256:
        raise _refused(name, "the content is not what the manifest names")
    return data


def _array(name: str, data: bytes) -> Float32Array:
    try:
        array: Float32Array = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    except (ValueError, OverflowError, MemoryError) as error:
        raise _refused(name, f"is no array: {error}") from error
    return array


def _refused(what: str, why: str) -> SnapshotError:
    return SnapshotError(f"{what}: {why}", hint="nothing was imported; have it exported anew")
