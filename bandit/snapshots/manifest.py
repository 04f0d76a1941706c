"""What a snapshot says of itself, how that is signed, and what its arrays must look like.

The signature covers the manifest's canonical JSON (fields in order of their names) with an empty
signature; the manifest in turn names each file's size and SHA-256, so that nothing of a snapshot
can change unseen.

Why checked so closely: VW loads most damaged model bytes without a complaint.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec
import numpy as np

from bandit.engine import ModelArrays
from bandit.errors import SnapshotError
from bandit.keys import KeyRing, Signature
from bandit.types import Surface

FORMAT_VERSION: Final = 1
_VERSION: Final = re.compile(r"[0-9]{9}-[0-9a-f]{8}")
_CHECKED_AT_ONCE: Final = 1 << 20
"""Numbers checked at once: a large model needs no copy of itself to be looked through."""
_REFUSED: Final = "the last good snapshot goes on serving; activate another version or publish anew"


class FileDigest(msgspec.Struct, frozen=True):
    """What a file of a snapshot must be."""

    sha256: str
    """64 hexadecimal digits."""
    size: int
    """Bytes."""


class SnapshotDetails(msgspec.Struct, frozen=True, kw_only=True):
    """What the publisher knows of a model."""

    created_at_us: int
    bits: int
    """The model has 2^bits weights."""
    interactions: list[list[str]]
    """Namespaces that are crossed with each other."""
    constant: bool
    """Whether the model has an intercept."""
    engine: str = "vw"
    engine_version: str
    examples_learned: int
    log_clock_us: int
    """How far the log was learned."""
    parent: str | None = None
    """The version that learning went on from."""


class Manifest(
    SnapshotDetails, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """The details, with the snapshot's name, files and signature.

    Defaults are left out of the encoding, so that a field added later, with a default, does not
    invalidate the signatures made before.
    """

    v: int
    """The format's version."""
    version: str
    surface: Surface
    files: dict[str, FileDigest]
    key_id: str = ""
    signature: str = ""
    """HMAC-SHA256 in hexadecimal; empty in stores that do not sign."""

    def details_without_parent(self) -> SnapshotDetails:
        """Return the details as another store may take them, which holds no parent."""
        named = {name: getattr(self, name) for name in SnapshotDetails.__struct_fields__}
        return SnapshotDetails(**{**named, "parent": None})

    def signed(self, keys: KeyRing) -> Manifest:
        """Return a copy signed with the newest key."""
        named = msgspec.structs.replace(self, key_id=keys.key_ids[-1])
        return msgspec.structs.replace(named, signature=keys.sign(named.signed_bytes()).digest)

    def is_signed_by(self, keys: KeyRing) -> bool:
        """Tell whether a key of the ring made the signature."""
        return keys.verify(self.signed_bytes(), Signature(self.key_id, self.signature))

    def signed_bytes(self) -> bytes:
        """Return what the signature covers."""
        unsigned = msgspec.structs.replace(self, signature="")
        return msgspec.json.encode(unsigned, order="sorted")


class Snapshot(NamedTuple):
    """A whole published model."""

    manifest: Manifest
    arrays: ModelArrays
    """Read-only."""
    model: bytes
    """The engine's own form, to go on learning from."""


def make_manifest(
    surface: Surface, number: int, details: SnapshotDetails, files: Mapping[str, FileDigest]
) -> Manifest:
    """Name a snapshot by its number and its files' content; the manifest is not signed yet.

    Nine digits keep versions in order as strings for fifteen years at two snapshots a second.
    """
    content = hashlib.sha256()
    for name in sorted(files):
        content.update(f"{name} {files[name].sha256}\n".encode())
    return Manifest(
        **msgspec.structs.asdict(details),
        v=FORMAT_VERSION,
        version=f"{number:09}-{content.hexdigest()[:8]}",
        surface=surface,
        files=dict(files),
    )


def number_of(version: str) -> int:
    """Return a version's number; versions sort as strings in the same order.

    Raises:
        SnapshotError: it is no version.
    """
    if not _VERSION.fullmatch(version):
        raise SnapshotError(
            f"{version!r} is no snapshot version",
            hint="versions look like 000000042-1a2b3c4d; list them with `marquee snapshots list`",
        )
    return int(version.partition("-")[0])


def is_version(name: str) -> bool:
    """Tell whether a name is a version's."""
    return _VERSION.fullmatch(name) is not None


def check_arrays(arrays: ModelArrays, bits: int) -> None:
    """Check that arrays fit a model of ``bits`` and hold lawful numbers only.

    Raises:
        SnapshotError: naming the array.
    """
    for name, array in arrays._asdict().items():
        if array.shape != (1 << bits,) or array.dtype != np.float32:
            raise SnapshotError(
                f"{name}: {array.dtype} of shape {array.shape}, not float32 of ({1 << bits},)",
                hint="the model and its manifest do not belong together; publish anew",
            )
        for start in range(0, len(array), _CHECKED_AT_ONCE):
            part = array[start : start + _CHECKED_AT_ONCE]
            if not np.isfinite(part).all():
                raise refused(name, "not all numbers are finite")
            if name == "variances" and part.min() < 0:
                raise refused(name, "some are negative")


def refused(what: str, why: str) -> SnapshotError:
    """Return the error for a snapshot whose part ``what`` is wrong."""
    return SnapshotError(f"{what}: {why}", hint=_REFUSED)
