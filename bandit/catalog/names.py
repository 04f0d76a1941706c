"""Many ids as one text: a million of them as Python strings would take 60 MB in every process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Final, overload

import numpy as np

from bandit.types import IndexArray

_DECODED_MAX: Final = 65_536
"""Where the distinct ids are no more than this, they are kept as strings as well."""

_PARTS: Final = ("text", "bounds", "which")


class Names(Sequence[str]):
    """M ids, of which equal ones are kept once."""

    def __init__(self, text: np.ndarray, bounds: np.ndarray, which: np.ndarray) -> None:
        """Take D distinct ids: their UTF-8 bytes, (D + 1,) their bounds, and (M,) which each is."""
        self._text = text
        self._bounds = bounds
        self._which = which
        self._decoded = strings(text, bounds) if len(bounds) <= _DECODED_MAX + 1 else None

    @classmethod
    def of(cls, ids: Iterable[str]) -> Names:
        """Lay ids out; those of different titles are equal in most catalogs, which number them."""
        known: dict[str, int] = {}
        which = np.array([known.setdefault(name, len(known)) for name in ids], np.uint32)
        return cls(*text_and_bounds(known), which)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], name: str) -> Names:
        """Return the names that :meth:`to_arrays` laid out under a name; nothing is copied."""
        return cls(*(arrays[f"{name}.{part}"] for part in _PARTS))

    def to_arrays(self, name: str) -> dict[str, np.ndarray]:
        """Return the names as C-contiguous arrays with names that start with ``name``."""
        arrays = (self._text, self._bounds, self._which)
        return {f"{name}.{part}": array for part, array in zip(_PARTS, arrays, strict=True)}

    def __len__(self) -> int:
        return len(self._which)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return self._named(self._which[index])
        return self._named(self._which[[index]])[0]

    def take(self, indices: IndexArray) -> list[str]:
        """Return the ids at (n,) indices."""
        return self._named(self._which.take(indices))

    def _named(self, which: np.ndarray) -> list[str]:
        if self._decoded is not None:
            return list(map(self._decoded.__getitem__, which.tolist()))
        text = self._text.data
        starts = self._bounds.take(which).tolist()
        ends = self._bounds[1:].take(which).tolist()
        return [str(text[start:end], "utf-8") for start, end in zip(starts, ends, strict=True)]


def text_and_bounds(ids: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the UTF-8 bytes of D ids, one after the other, and (D + 1,) their bounds."""
    parts = [name.encode() for name in ids]
    bounds = np.zeros(len(parts) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, parts), np.int64, len(parts)), out=bounds[1:])
    return np.frombuffer(b"".join(parts), np.uint8), bounds


def strings(text: np.ndarray, bounds: np.ndarray) -> list[str]:
    """Return the ids that :func:`text_and_bounds` laid out."""
    data = text.tobytes()
    return [data[start:end].decode() for start, end in pairwise(bounds.tolist())]
