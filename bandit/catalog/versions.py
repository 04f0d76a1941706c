"""Documents by version, as files: ``<version>.msgpack``, named after its content.

A file is written atomically, never changed, and verified against its name whenever it is read. It
is kept for as long as the log holds a decision that names it, which can thus be scored again; what
goes, and when, is in :mod:`bandit.catalog.pruning`.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from bandit.catalog.documents import (
    VERSION_PATTERN,
    CatalogDocument,
    decode_document,
    version_of,
)
from bandit.errors import CatalogError
from bandit.files import write_atomically


class StoredDocuments:
    """The documents in one directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def path(self, version: str) -> Path:
        """Return where the document of a version lies.

        Raises:
            CatalogError: there is no such version here.
        """
        # The pattern also keeps a name from outside from leading out of the directory.
        if not VERSION_PATTERN.match(version) or not self._path(version).exists():
            raise CatalogError(
                "",
                f"there is no catalog version {version[:40]!r}",
                hint="GET /v1/catalog names the current version",
            )
        return self._path(version)

    def size(self, version: str) -> int:
        """Return how many bytes a version's document has.

        Raises:
            CatalogError: there is no such version here.
        """
        return self.path(version).stat().st_size

    def content(self, version: str) -> bytes:
        """Return the bytes of a version's document, verified against its name.

        Raises:
            CatalogError: the version is unknown, or its file does not hold what it held.
        """
        path = self.path(version)
        content = path.read_bytes()
        if version_of(content) != version:
            raise CatalogError(
                str(path),
                f"is damaged: its {len(content)} bytes are not those the version was named after",
                hint="load the same catalog again, or restore the file from a backup",
            )
        return content

    def document(self, version: str) -> CatalogDocument:
        """Return what a version says; errors are those of :meth:`content`."""
        return decode_document(self.content(version), str(self._path(version)))

    def keep(self, content: bytes) -> str:
        """Store the canonical bytes of a document and return its version."""
        version = version_of(content)
        path = self._path(version)
        # A stored file that was damaged since is mended by storing its content again.
        if not path.exists() or path.read_bytes() != content:
            write_atomically(path, content)
        else:
            # Tells that it is wanted again.
            with suppress(OSError):
                path.touch()
        return version

    def _path(self, version: str) -> Path:
        return self.directory / f"{version}.msgpack"
