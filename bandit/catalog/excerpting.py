"""The child that reads a large catalog to tell a part of it.

``python -m bandit.catalog.excerpting <directory> <version>``, with what is asked on standard input.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from bandit.catalog.apart import answer
from bandit.catalog.documents import CatalogDocument
from bandit.catalog.excerpts import KINDS, Asked, Vocabularies, tell


def _tell(directory: str, version: str) -> CatalogDocument | Vocabularies:
    asked = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Asked)
    return tell(Path(directory), version, asked)


if __name__ == "__main__":
    answer(lambda: _tell(*sys.argv[1:]), KINDS)
