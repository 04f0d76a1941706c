"""Every version of the catalog, and which one is current.

A version lies in ``<version>.msgpack``, named after its content, written atomically and never
changed or deleted: any logged decision can be scored again. The file ``current`` names the version
that is served. Changes of it are made under a lock on the file ``.lock``, so that of two workers
that patch at once neither undoes the other; the kernel frees the lock of a process that dies.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from bandit.catalog.arrays import EMPTY_VERSION, Catalog, empty_catalog
from bandit.catalog.checking import check_document
from bandit.catalog.documents import (
    VERSION_PATTERN,
    CatalogDocument,
    CatalogPatch,
    apply_patch,
    canonical_bytes,
    decode_document,
    version_of,
)
from bandit.config.schema import LimitsConfig
from bandit.errors import CatalogConflictError, CatalogError
from bandit.files import exclusive_lock, write_atomically

_LOCK: Final = ".lock"
_POINTER: Final = "current"


class CatalogStore:
    """The catalog versions in one directory, which is made if it is missing.

    Any number of processes and threads may use the same directory. Where it cannot be read or
    written, the operating system's OSError comes through.
    """

    def __init__(self, directory: Path | str, limits: LimitsConfig) -> None:
        self._directory = Path(directory)
        self._directory.mkdir(parents=True, exist_ok=True)
        self._limits = limits

    def current(self) -> str | None:
        """Return the version that is served, None if there is none yet. Costs one small read.

        Raises:
            CatalogError: the pointer is damaged.
        """
        pointer = self._directory / _POINTER
        try:
            content = pointer.read_bytes()
        except FileNotFoundError:
            return None
        version = content.decode(errors="replace")
        if not VERSION_PATTERN.match(version):
            raise CatalogError(
                str(pointer),
                f"holds {version[:40]!r}, which is no catalog version",
                hint="load the catalog again: `marquee catalog load` or PUT /v1/catalog",
            )
        return version

    def document(self, version: str) -> CatalogDocument:
        """Return what a version says.

        Raises:
            CatalogError: the version is unknown, or its file does not hold what it held.
        """
        if version == EMPTY_VERSION:
            return CatalogDocument([])
        return decode_document(self._content(version), str(self._path(version)))

    def load(self, version: str) -> Catalog:
        """Return a version ready to serve.

        Raises:
            CatalogError: the version is unknown, or its file does not hold what it held.
        """
        if version == EMPTY_VERSION:
            return empty_catalog()
        return Catalog.build(self.document(version), version=version)

    def save(self, document: CatalogDocument) -> str:
        """Check and keep a document and return its version; what is served stays as it is.

        Raises:
            CatalogError: the document is wrong; names the places and the mends.
        """
        check_document(document, self._limits)
        content = canonical_bytes(document)
        if len(content) > self._limits.catalog_bytes_max:
            raise CatalogError(
                "",
                f"a catalog of {len(content)} bytes is larger than the "
                f"{self._limits.catalog_bytes_max} allowed",
                hint="raise catalog_bytes_max in the configuration's [limits]",
            )
        version = version_of(content)
        path = self._path(version)
        # A stored file that was damaged since is mended by saving its content again.
        if not path.exists() or path.read_bytes() != content:
            write_atomically(path, content)
        return version

    def set_current(self, version: str) -> None:
        """Serve a version that is kept here.

        Raises:
            CatalogError: the version is unknown, or its file does not hold what it held.
        """
        self._content(version)
        with exclusive_lock(self._directory / _LOCK):
            self._point_to(version)

    def replace(self, expected: str | None, document: CatalogDocument) -> str:
        """Serve a document in place of the version ``expected``, and return its version.

        Raises:
            CatalogConflictError: another version is current by now.
            CatalogError: the document is wrong; names the places and the mends.
        """
        version = self.save(document)
        with exclusive_lock(self._directory / _LOCK):
            self._check_current(expected)
            self._point_to(version)
        return version

    def patch(self, patch: CatalogPatch) -> str:
        """Apply a patch to whatever is current, serve the outcome, and return its version.

        Raises:
            CatalogError: the patch, or what it makes of the catalog, is wrong.
        """
        with exclusive_lock(self._directory / _LOCK):
            changed = apply_patch(self.document(self.current() or EMPTY_VERSION), patch)
            version = self.save(changed)
            self._point_to(version)
        return version

    def _check_current(self, expected: str | None) -> None:
        current = self.current()
        if current != expected:
            raise CatalogConflictError(expected, current)

    def _point_to(self, version: str) -> None:
        write_atomically(self._directory / _POINTER, version.encode())

    def _path(self, version: str) -> Path:
        return self._directory / f"{version}.msgpack"

    def _content(self, version: str) -> bytes:
        """Return a version's bytes, verified against its name."""
        # The pattern also keeps a name from outside from leading out of the directory.
        if not VERSION_PATTERN.match(version) or not self._path(version).exists():
            raise CatalogError(
                "",
                f"there is no catalog version {version[:40]!r}",
                hint="GET /v1/catalog names the current version",
            )
        content = self._path(version).read_bytes()
        if version_of(content) != version:
            raise CatalogError(
                str(self._path(version)),
                f"is damaged: its {len(content)} bytes are not those the version was named after",
                hint="load the same catalog again, or restore the file from a backup",
            )
        return content
