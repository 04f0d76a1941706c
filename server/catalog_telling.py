"""The child that writes a large catalog as JSON, into a file that it inherits.

``python -m server.catalog_telling <directory> <version> <descriptor>``. What is stored was checked
when it came in: it needs no types to be written in another encoding.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec

from bandit.catalog.apart import answer
from bandit.catalog.versions import StoredDocuments
from bandit.errors import CatalogError


def _tell(directory: str, version: str, descriptor: str) -> None:
    content = StoredDocuments(Path(directory)).content(version)
    with os.fdopen(int(descriptor), "wb") as file:
        file.write(msgspec.json.encode(msgspec.msgpack.decode(content)))


if __name__ == "__main__":
    answer(lambda: _tell(*sys.argv[1:]), (CatalogError,))
