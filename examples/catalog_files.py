"""Reads the example catalog and its facts for the drawings, the viewers and the demo."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from bandit.catalog import CatalogDocument, read_catalog_file
from bandit.types import Title
from examples.rows import Film

HERE: Final = Path(__file__).resolve().parent
CATALOG: Final = HERE / "catalog.jsonl"


class Facts(msgspec.Struct, frozen=True):
    """What a page prints: films by title id, and rows' names by row id."""

    titles: dict[str, Film]
    rows: dict[str, str]


def read_facts() -> Facts:
    """Read ``facts.json``."""
    return msgspec.json.decode((HERE / "facts.json").read_bytes(), type=Facts)


def read_document() -> CatalogDocument:
    """Read the catalog as the server does."""
    return read_catalog_file(CATALOG)


def read_titles() -> list[Title]:
    """Read the catalog's titles with their artworks."""
    return read_document().titles
