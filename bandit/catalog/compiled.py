"""The compiled form of a catalog version: its arrays in one file, mapped by all who serve from it.

::

    8 bytes    MAGIC
    32 bytes   SHA-256 of all that follows
    8 bytes    length of the header, little-endian
    header     MessagePack: revision, version, and each array's name, dtype, shape and place
    arrays     each from a multiple of 64 bytes on

The document is the truth, and this file can be thrown away at any time. It is taken only if its
digest is right, its revision is ours and its version the one asked for; else whoever finds it makes
it again from the document. Hashing it reads every page of it: what was verified is also in memory,
so that the first request that needs a page does not wait for the disk.
"""

from __future__ import annotations

import hashlib
import math
import mmap
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from bandit.errors import CatalogError
from bandit.files import READ_ONLY_MODE, write_atomically

Arrays = Mapping[str, npt.NDArray[Any]]
"""What a compiled form holds, by name."""

REVISION: Final = 1
"""Raise it whenever an equal document would give other arrays than before, or this form changes.

A test holds the digest that the arrays of one document have under this number.
"""

MAGIC: Final = b"MQCATLG\n"
_DIGEST_BYTES: Final = 32
_DIGESTED_FROM: Final = len(MAGIC) + _DIGEST_BYTES
_LENGTH_BYTES: Final = 8
_HEADER_FROM: Final = _DIGESTED_FROM + _LENGTH_BYTES
_ALIGNMENT: Final = 64
_HINT: Final = "it is made again from the catalog's document; it may be removed"


class ArrayPlace(msgspec.Struct, frozen=True):
    """Where one array lies."""

    name: str
    dtype: str
    """As in NumPy's array interface: byte order, kind and size."""
    shape: tuple[int, ...]
    offset: int
    """Bytes after the header's end, rounded up to the alignment."""


class Header(msgspec.Struct, frozen=True):
    """What a compiled form is of."""

    revision: int
    version: str
    arrays: list[ArrayPlace]


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Header)


def write_compiled(path: Path, version: str, arrays: Arrays) -> None:
    """Put the compiled form of a version at ``path``, whole or not at all.

    Raises:
        OSError: the directory is missing, full or not writable.
    """
    places: list[ArrayPlace] = []
    data: list[bytes] = []
    end = 0
    for name, array in arrays.items():
        places.append(ArrayPlace(name, array.dtype.str, array.shape, end))
        data += [array.tobytes(), bytes(_aligned(array.nbytes) - array.nbytes)]
        end += _aligned(array.nbytes)
    header = _encoder.encode(Header(REVISION, version, places))
    padding = bytes(_aligned(_HEADER_FROM + len(header)) - _HEADER_FROM - len(header))
    parts = [len(header).to_bytes(_LENGTH_BYTES, "little"), header, padding, *data]
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    write_atomically(path, b"".join([MAGIC, digest.digest(), *parts]), READ_ONLY_MODE)


def map_compiled(path: Path, version: str) -> Arrays:
    """Return the arrays of a version, read-only and shared with all who map the same file.

    Raises:
        CatalogError: the file is damaged, or is not the compiled form of this version as it would
            be made today.
        OSError: the file is missing or cannot be read.
    """
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size < _HEADER_FROM:
            raise _refused(path, "it ends within its header")
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    if mapped[: len(MAGIC)] != MAGIC:
        raise _refused(path, "it is not the compiled form of a catalog")
    with memoryview(mapped) as view, view[_DIGESTED_FROM:] as digested:
        found = hashlib.sha256(digested).digest()
    if found != mapped[len(MAGIC) : _DIGESTED_FROM]:
        raise _refused(path, "its content is not what was written")
    length = int.from_bytes(mapped[_DIGESTED_FROM:_HEADER_FROM], "little")
    try:
        header = _decoder.decode(mapped[_HEADER_FROM : _HEADER_FROM + length])
    except msgspec.MsgspecError as error:
        raise _refused(path, f"its header is of another form: {error}") from error
    if (header.revision, header.version) != (REVISION, version):
        raise _refused(
            path,
            f"it is revision {header.revision} of {header.version[:40]}, not {REVISION} of "
            f"{version}",
        )
    start = _aligned(_HEADER_FROM + length)
    return {place.name: _array(mapped, start, place) for place in header.arrays}


def _array(mapped: mmap.mmap, start: int, place: ArrayPlace) -> npt.NDArray[Any]:
    """Return a plain array over the map: indexing np.memmap itself runs Python code every time."""
    dtype = np.dtype(place.dtype)
    if math.prod(place.shape) == 0:
        return np.empty(place.shape, dtype)
    return np.ndarray(place.shape, dtype, buffer=mapped, offset=start + place.offset)


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def _refused(path: Path, why: str) -> CatalogError:
    return CatalogError(str(path), why, hint=_HINT)
