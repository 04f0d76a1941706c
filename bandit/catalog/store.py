"""Every version of the catalog, and which one is current.

A version lies in ``<version>.msgpack``, named after its content (:mod:`versions`), and its arrays,
made of that, beside it in ``<version>.arrays`` (:mod:`compiling`). The file ``current`` names the
version that is served. Changes of it are made under a lock on the file ``.lock``, so that of two
workers that patch at once neither undoes the other; the kernel frees the lock of a process that
dies. A version is compiled before it becomes current, so that no worker has to wait for that.

Whoever has a document from a decoder says so by ``decoded``: one made in memory may hold what the
types do not allow, and takes being encoded and decoded first, ten times what is left to do.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bandit.catalog.arrays import EMPTY_VERSION, Catalog, empty_catalog
from bandit.catalog.checking import check_document
from bandit.catalog.compiling import CompiledCatalogs
from bandit.catalog.documents import (
    VERSION_PATTERN,
    CatalogDocument,
    CatalogPatch,
    apply_patch,
    canonical_bytes,
    decoded_bytes,
    decoded_patch,
)
from bandit.catalog.versions import StoredDocuments
from bandit.config.schema import LimitsConfig
from bandit.errors import CatalogConflictError, CatalogError
from bandit.files import exclusive_lock, remove_unfinished, write_atomically

_LOCK: Final = ".lock"
_POINTER: Final = "current"
_UNFINISHED_S: Final = 3600
"""A file that is being written changes more often than this."""


class CatalogStore:
    """The catalog versions in one directory, which is made if it is missing.

    Any number of processes and threads may use the same directory. Where it cannot be read or
    written, the operating system's OSError comes through.
    """

    def __init__(self, directory: Path | str, limits: LimitsConfig) -> None:
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.limits = limits
        self._documents = StoredDocuments(self.directory)
        self._compiled = CompiledCatalogs(self._documents)

    def current(self) -> str | None:
        """Return the version that is served, None if there is none yet. Costs one small read.

        Raises:
            CatalogError: the pointer is damaged.
        """
        pointer = self.directory / _POINTER
        try:
            content = pointer.read_bytes()
        except FileNotFoundError:
            return None
        version = content.decode(errors="replace")
        if not VERSION_PATTERN.match(version):
            raise CatalogError(
                str(pointer),
                f"holds {version[:40]!r}, which is no catalog version known here",
                hint="load the catalog again: `marquee catalog load` or PUT /v1/catalog; or run "
                "the later release that wrote it",
            )
        return version

    def document(self, version: str) -> CatalogDocument:
        """Return what a version says.

        Raises:
            CatalogError: the version is unknown, or its file does not hold what it held.
        """
        if version == EMPTY_VERSION:
            return CatalogDocument([])
        return self._documents.document(version)

    def content(self, version: str) -> bytes:
        """Return what a version says in its canonical bytes; errors are those of :meth:`document`.

        A service without a catalog has none: there is no version of that name here.
        """
        return self._documents.content(version)

    def size(self, version: str) -> int:
        """Return the bytes of a version's document.

        Raises:
            CatalogError: the version is unknown.
        """
        return 0 if version == EMPTY_VERSION else self._documents.size(version)

    def load(self, version: str) -> Catalog:
        """Return a version ready to serve, its arrays shared with all who load it.

        Where it is compiled already its document is not looked at.

        Raises:
            CatalogError: the version is unknown, or it is not compiled and cannot be: its file does
                not hold what it held, or the process that compiled it died.
        """
        if version == EMPTY_VERSION:
            return empty_catalog()
        return self._compiled.load(version)

    def save(self, document: CatalogDocument, *, decoded: bool = False) -> str:
        """Check and keep a document and return its version; what is served stays as it is.

        Raises:
            CatalogError: the document is wrong; names the places and the mends.
        """
        check_document(document, self.limits)
        content = decoded_bytes(document) if decoded else canonical_bytes(document)
        if len(content) > self.limits.catalog_bytes_max:
            raise CatalogError(
                "",
                f"a catalog of {len(content)} bytes is larger than the "
                f"{self.limits.catalog_bytes_max} allowed",
                hint="raise catalog_bytes_max in the configuration's [limits]",
            )
        version = self._documents.keep(content)
        self._compiled.keep(version, document)
        return version

    @contextmanager
    def unchanging(self) -> Iterator[None]:
        """Keep all processes from changing what is current."""
        with exclusive_lock(self.directory / _LOCK):
            yield

    def set_current(self, version: str) -> None:
        """Serve a version that is kept here.

        Raises:
            CatalogError: the version is unknown, or its file does not hold what it held.
        """
        self._documents.content(version)
        with exclusive_lock(self.directory / _LOCK):
            self._point_to(version)

    def replace(
        self, expected: str | None, document: CatalogDocument, *, decoded: bool = False
    ) -> str:
        """Serve a document in place of the version ``expected``, and return its version.

        Raises:
            CatalogConflictError: another version is current by now.
            CatalogError: the document is wrong; names the places and the mends.
        """
        version = self.save(document, decoded=decoded)
        with exclusive_lock(self.directory / _LOCK):
            self._check_current(expected)
            self._point_to(version)
        return version

    def patch(self, patch: CatalogPatch) -> str:
        """Apply a patch to whatever is current, serve the outcome, and return its version.

        Raises:
            CatalogError: the patch, or what it makes of the catalog, is wrong.
        """
        patch = decoded_patch(patch)
        with exclusive_lock(self.directory / _LOCK):
            changed = apply_patch(self.document(self.current() or EMPTY_VERSION), patch)
            version = self.save(changed, decoded=True)
            self._point_to(version)
        return version

    def _check_current(self, expected: str | None) -> None:
        current = self.current()
        if current != expected:
            raise CatalogConflictError(expected, current)

    def _point_to(self, version: str) -> None:
        pointer = self.directory / _POINTER
        write_atomically(pointer, version.encode())
        # The time of what was just written is the file system's own, whichever clock we go by.
        now_s = pointer.stat().st_mtime
        remove_unfinished(self.directory, before_s=now_s - _UNFINISHED_S)
        self._compiled.remove_unused(version, now_s)
