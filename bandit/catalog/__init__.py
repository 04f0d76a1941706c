"""Titles, artworks, rows and their features: versioned, array-backed, swapped as a whole.

Why a package: what is stored (:mod:`documents`), whether it is right (:mod:`checking`), what is
served from (:mod:`arrays`), and where it lies (:mod:`files`, :mod:`store`) change for different
reasons.
"""

from bandit.catalog.arrays import EMPTY_VERSION, INLINE_VERSION, Catalog, empty_catalog
from bandit.catalog.checking import check_document
from bandit.catalog.documents import (
    CatalogDocument,
    CatalogPatch,
    apply_patch,
    canonical_bytes,
    content_version,
    decode_document,
)
from bandit.catalog.files import read_catalog_file, write_catalog_file
from bandit.catalog.store import CatalogStore
from bandit.catalog.summary import CatalogSummary, summarise

__all__ = [
    "EMPTY_VERSION",
    "INLINE_VERSION",
    "Catalog",
    "CatalogDocument",
    "CatalogPatch",
    "CatalogStore",
    "CatalogSummary",
    "apply_patch",
    "canonical_bytes",
    "check_document",
    "content_version",
    "decode_document",
    "empty_catalog",
    "read_catalog_file",
    "summarise",
    "write_catalog_file",
]
