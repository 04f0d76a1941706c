"""What a catalog says, as it is sent and stored, and how a part of it is replaced.

A document's version is the hash of its content: map keys are sorted and numbers are written as
64-bit floats first, so that neither the order of features nor ``7`` for ``7.0`` makes a new
version. The order of titles, artworks and rows is content: the first artwork of a title is its
default, and rows list their titles in editorial order.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Final, TypeVar

import msgspec

from bandit.catalog.problems import Problems, decoding_problem
from bandit.types import Id, Row, Title

VERSION_PATTERN: Final = re.compile(r"\Ac[0-9a-f]{16}\Z")
_VERSION_DIGITS: Final = 16

Item = TypeVar("Item", Title, Row)


class CatalogDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole catalog."""

    titles: list[Title]
    rows: list[Row] = []


class CatalogPatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Changes to a catalog: items to add or to replace by id, and ids to remove."""

    titles: list[Title] = []
    rows: list[Row] = []
    remove_titles: list[Id] = []
    remove_rows: list[Id] = []


_encoder = msgspec.msgpack.Encoder(order="deterministic")
_decoder = msgspec.msgpack.Decoder(CatalogDocument)
_patch_decoder = msgspec.msgpack.Decoder(CatalogPatch)


def decode_document(content: bytes, where: str = "") -> CatalogDocument:
    """Read a document from MessagePack; ``where`` names its origin in errors.

    Raises:
        CatalogError: the bytes are no catalog document; names the field.
    """
    try:
        return _decoder.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        problem = decoding_problem(error, content, msgspec.msgpack.decode, where)
        raise problem.error() from error


def canonical_bytes(document: CatalogDocument) -> bytes:
    """Return the one MessagePack encoding that documents of equal content share.

    Raises:
        CatalogError: a document made in memory holds what the types do not allow.
    """
    # Numbers made in memory may be ints: the first decoding makes floats of them.
    return _encoder.encode(decode_document(_encoder.encode(document)))


def decoded_bytes(document: CatalogDocument) -> bytes:
    """Return the canonical bytes of a document that came from a decoder, unchanged since."""
    return _encoder.encode(document)


def decoded_patch(patch: CatalogPatch) -> CatalogPatch:
    """Return a patch as a decoder would give it.

    Raises:
        CatalogError: a patch made in memory holds what the types do not allow.
    """
    content = _encoder.encode(patch)
    try:
        return _patch_decoder.decode(content)
    except msgspec.ValidationError as error:
        raise decoding_problem(error, content, msgspec.msgpack.decode).error() from error


def version_of(content: bytes) -> str:
    """Return the version that canonical bytes stand for: ``c`` and 16 hexadecimal digits."""
    return "c" + hashlib.sha256(content).hexdigest()[:_VERSION_DIGITS]


def content_version(document: CatalogDocument) -> str:
    """Return the version of a document: equal content has equal versions.

    >>> content_version(CatalogDocument([]))
    'c2c208f8b33c2e153'
    """
    return version_of(canonical_bytes(document))


def apply_patch(document: CatalogDocument, patch: CatalogPatch) -> CatalogDocument:
    """Return the document with the patch applied; neither is changed.

    Removals come first. A title or row that is there already is replaced in its place, a new one
    is appended. A removed title also leaves the title lists of the rows that the patch does not
    replace. The outcome is not checked: see :func:`bandit.catalog.checking.check_document`.

    Raises:
        CatalogError: an id to remove is unknown, or the patch names an item twice.
    """
    problems = Problems()
    titles = _replaced(document.titles, patch.titles, patch.remove_titles, "titles", problems)
    gone = set(patch.remove_titles)
    kept = [_without(row, gone) for row in document.rows] if gone else document.rows
    rows = _replaced(kept, patch.rows, patch.remove_rows, "rows", problems)
    problems.raise_if_any()
    return CatalogDocument(titles, rows)


def _without(row: Row, gone: set[str]) -> Row:
    if gone.isdisjoint(row.titles):
        return row
    return Row(row.id, row.features, [name for name in row.titles if name not in gone])


def _replaced(
    items: Sequence[Item],
    new: Sequence[Item],
    removed: Sequence[str],
    name: str,
    problems: Problems,
) -> list[Item]:
    by_id = {item.id: item for item in items}
    for index, item_id in enumerate(removed):
        if by_id.pop(item_id, None) is None:
            problems.add(
                f"remove_{name}[{index}]",
                f"{item_id!r} is not in the catalog, or is removed twice",
                "take it out of the patch",
            )
    seen = set(removed)
    for index, item in enumerate(new):
        if item.id in seen:
            problems.add(
                f"{name}[{index}].id",
                f"the patch names {item.id!r} twice",
                "send each item once, either to be replaced or to be removed",
            )
        seen.add(item.id)
        by_id[item.id] = item
    return list(by_id.values())
