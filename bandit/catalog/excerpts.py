"""What a stored version says of a few items, or of all features at large: for those who explain.

Serving keeps hashes; names stand in the document alone. A large document is read by a child process
(``python -m bandit.catalog.excerpting``), which tells only what was asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Final

import msgspec

from bandit.catalog.apart import APART_FROM_BYTES, ChildDiedError, run_apart
from bandit.catalog.arrays import EMPTY_VERSION, identity
from bandit.catalog.documents import CatalogDocument
from bandit.catalog.versions import StoredDocuments
from bandit.errors import CatalogError
from bandit.features import ARTWORK, ID, ROW, TITLE
from bandit.vocabularies import Vocabulary, gather

MODULE: Final = "bandit.catalog.excerpting"
KINDS: Final = (CatalogError,)


class Asked(msgspec.Struct, frozen=True):
    """Which items are wanted, by their ids; None asks for the vocabularies."""

    items: tuple[list[str], list[str]] | None = None
    """Titles and rows."""


class Vocabularies(msgspec.Struct, frozen=True):
    """The features of a whole catalog, by surface and namespace."""

    artwork: dict[str, Vocabulary]
    rows: dict[str, Vocabulary]


def excerpt(
    directory: Path, version: str, titles: Sequence[str], rows: Sequence[str]
) -> CatalogDocument:
    """Return what a version says of some titles and rows; those it lacks are left out.

    Raises:
        CatalogError: the version is unknown or damaged, or it could not be read apart.
        OSError: it cannot be read now.
    """
    if version == EMPTY_VERSION:
        return CatalogDocument([])
    told = _told(directory, version, Asked((list(titles), list(rows))))
    return msgspec.convert(told, CatalogDocument)


def vocabularies(directory: Path, version: str) -> Vocabularies:
    """Return the features that a version's items have; errors are those of :func:`excerpt`."""
    if version == EMPTY_VERSION:
        return Vocabularies({}, {})
    return msgspec.convert(_told(directory, version, Asked()), Vocabularies)


def tell(directory: Path, version: str, asked: Asked) -> CatalogDocument | Vocabularies:
    """Read the whole version and return what is asked of it; errors as of :func:`excerpt`."""
    document = StoredDocuments(directory).document(version)
    if asked.items is None:
        return _gathered(document)
    titles, rows = (frozenset(names) for names in asked.items)
    return CatalogDocument(
        [title for title in document.titles if title.id in titles],
        [row for row in document.rows if row.id in rows],
    )


def _told(directory: Path, version: str, asked: Asked) -> Any:
    if StoredDocuments(directory).size(version) < APART_FROM_BYTES:
        return msgspec.to_builtins(tell(directory, version, asked))
    with TemporaryFile() as body:
        body.write(msgspec.msgpack.encode(asked))
        body.seek(0)
        try:
            return run_apart(MODULE, [str(directory), version], body=body, kinds=KINDS)
        except ChildDiedError as error:
            raise CatalogError(
                str(directory),
                f"the process that reads catalog {version} {error}",
                hint="it may lack memory; try again, or look into the service's log",
            ) from error


def _gathered(document: CatalogDocument) -> Vocabularies:
    artworks = [(title, artwork) for title in document.titles for artwork in title.artworks]
    return Vocabularies(
        {
            # A title's features stand with each of its artworks.
            TITLE: gather(title.features for title, _ in artworks),
            ARTWORK: gather(artwork.features for _, artwork in artworks),
            ID: gather({"id": identity(title.id, artwork.id)} for title, artwork in artworks),
        },
        {
            ROW: gather(row.features for row in document.rows),
            ID: gather({"id": row.id} for row in document.rows),
        },
    )
