"""Changes of the stored catalog, as PUT and PATCH ask for them, in whichever process."""

from __future__ import annotations

from typing import NamedTuple

import structlog

from bandit.catalog import EMPTY_VERSION, CatalogDocument, CatalogPatch, CatalogStore, apply_patch
from bandit.errors import CatalogConflictError, CatalogError

log = structlog.get_logger()


class Changed(NamedTuple):
    """What a change came to."""

    before: str | None
    """The version that was current, None where none was, or none that could be told."""
    version: str


def put(store: CatalogStore, document: CatalogDocument, if_match: str | None) -> Changed:
    """Replace the catalog by a document that was decoded.

    Raises:
        CatalogError: the new catalog is wrong.
        CatalogConflictError: the current version is not ``if_match``.
    """
    before = _current(store)
    if if_match is None:
        version = store.save(document, decoded=True)
        store.set_current(version)
        return Changed(before, version)
    return Changed(before, store.replace(_expected(if_match), document, decoded=True))


def patch(store: CatalogStore, patch: CatalogPatch, if_match: str | None) -> Changed:
    """Change parts of the catalog by a patch that was decoded.

    Raises:
        CatalogError: the patch, or what it makes of the catalog, is wrong.
        CatalogConflictError: the current version is not ``if_match``.
    """
    before = _current(store)
    if if_match is None:
        return Changed(before, store.patch(patch))
    expected = _expected(if_match)
    if before != expected:
        raise CatalogConflictError(expected, before)
    document = apply_patch(store.document(expected or EMPTY_VERSION), patch)
    return Changed(before, store.replace(expected, document, decoded=True))


def _current(store: CatalogStore) -> str | None:
    try:
        return store.current()
    except CatalogError as error:
        log.warning("catalog's pointer cannot be read", why=str(error))
        return None


def _expected(if_match: str) -> str | None:
    """Return the version that must be current; None for that of a service without a catalog."""
    return None if if_match == EMPTY_VERSION else if_match
