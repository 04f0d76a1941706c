"""Which namespaces each surface's model reads, and which of them may be crossed.

One list for all: the configuration is checked against it, scores and models are made by it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from bandit.features import ARTWORK, CONTEXT, ID, POSITION, ROW, TITLE
from bandit.types import Surface

Interaction = tuple[str, ...]

NAMESPACES: Final[Mapping[Surface, tuple[str, ...]]] = {
    "artwork": (CONTEXT, TITLE, ARTWORK, ID),
    "rows": (CONTEXT, ROW, ID, POSITION),
}
"""The namespaces of each surface, in their fixed order; a row's position is known in training only.
VW tells namespaces by their first letters, so that within a surface no two begin alike."""

DEFAULT_INTERACTIONS: Final[Mapping[Surface, tuple[Interaction, ...]]] = {
    "artwork": ((CONTEXT, ARTWORK), (CONTEXT, TITLE)),
    "rows": ((CONTEXT, ROW),),
}
"""Descriptions crossed with the context; identities stay linear."""


def wrong_interactions(
    surface: Surface, interactions: Sequence[Sequence[str]]
) -> Iterator[tuple[int, str]]:
    """Yield which of a surface's interactions cannot be, each by its index with the reason."""
    known = NAMESPACES[surface]
    for index, names in enumerate(interactions):
        strange = [name for name in names if name not in known]
        if strange:
            yield index, f"expected some of {', '.join(known)}, got {strange[0]!r}"
        elif len(names) not in (2, 3) or len(set(names)) != len(names):
            yield index, f"expected two or three distinct namespaces, got {list(names)}"
        elif any(set(names) == set(earlier) for earlier in interactions[:index]):
            yield index, f"{' × '.join(names)} is crossed twice: leave one of the two out"
