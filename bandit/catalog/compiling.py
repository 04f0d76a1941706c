"""Compiling a version: the arrays of its document, built once and put beside it for all to map.

Whoever needs a version first compiles it, under a lock; others wait for that and map what was made.
Large documents are compiled by ``python -m bandit.catalog.compiling <directory> <version>``, a
child that inherits the lock: where its parent dies, others still wait for the child, and where the
child dies, nothing stands under the version's name, and the next to come compiles it.

What is damaged, or of another version or revision, is told by whoever finds it, and made again. A
directory that takes no file (read-only, full) costs sharing, not service: the arrays then lie in
the memory of each process.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import structlog

from bandit.catalog.apart import APART_FROM_BYTES, ChildDiedError, answer, run_apart
from bandit.catalog.arrays import Catalog
from bandit.catalog.compiled import map_compiled, write_compiled
from bandit.catalog.documents import CatalogDocument
from bandit.catalog.versions import StoredDocuments
from bandit.errors import CatalogError
from bandit.files import exclusive_lock

_log = structlog.get_logger(__name__)

_MODULE: Final = "bandit.catalog.compiling"
_LOCK: Final = ".compiling"
_KINDS: Final = (CatalogError,)


class CompiledCatalogs:
    """The compiled forms of stored documents, beside them."""

    def __init__(self, documents: StoredDocuments) -> None:
        self._documents = documents
        self._lock = documents.directory / _LOCK
        self._told = False
        """Whether it was told that the directory takes no compiled forms."""

    def load(self, version: str) -> Catalog:
        """Return a version, mapped; compiled first where it is not, or not soundly.

        The document is not looked at where there is a sound compiled form, which costs little more
        than hashing that.

        Raises:
            CatalogError: the version is unknown, its document is damaged, or compiling failed.
        """
        path = compiled_path(self._documents, version)
        try:
            return _mapped(path, version)
        except CatalogError as error:
            _log.warning("compiled catalog is made again", file=error.place, why=error.message)
        except OSError:
            # Mostly it is not there yet; what cannot be read can perhaps be replaced.
            pass
        try:
            return self._compiled(path, version)
        except OSError as error:
            if not self._told:
                self._told = True
                _log.warning(
                    "catalogs cannot be kept compiled; each process builds its own", why=str(error)
                )
        return Catalog.build(self._documents.document(version), version=version)

    def keep(self, version: str, document: CatalogDocument) -> None:
        """Compile a version whose document is at hand, unless it is compiled already.

        Raises:
            OSError: the directory takes no file.
        """
        path = compiled_path(self._documents, version)
        with exclusive_lock(self._lock):
            try:
                _mapped(path, version)
            except (CatalogError, FileNotFoundError):
                _write(path, Catalog.build(document, version=version))

    def _compiled(self, path: Path, version: str) -> Catalog:
        document = self._documents.path(version)
        with exclusive_lock(self._lock) as held:
            try:
                # Perhaps another process made it while this one waited for the lock.
                return _mapped(path, version)
            except (CatalogError, FileNotFoundError):
                pass
            if document.stat().st_size < APART_FROM_BYTES:
                compile_version(self._documents, version)
            else:
                directory = str(self._documents.directory)
                try:
                    run_apart(_MODULE, [directory, version], inherited=[held], kinds=_KINDS)
                except ChildDiedError as error:
                    raise CatalogError(
                        str(document),
                        f"cannot be compiled: the process that does it {error}",
                        hint="see that the machine has memory for it; it is tried again",
                    ) from error
            return _mapped(path, version)


def compiled_path(documents: StoredDocuments, version: str) -> Path:
    """Return where the compiled form of a version lies, or would.

    Raises:
        CatalogError: there is no such version.
    """
    return documents.path(version).with_suffix(".arrays")


def compile_version(documents: StoredDocuments, version: str) -> None:
    """Compile a stored version.

    Raises:
        CatalogError: the version is unknown, or its document is damaged.
        OSError: the directory takes no file.
    """
    catalog = Catalog.build(documents.document(version), version=version)
    _write(compiled_path(documents, version), catalog)


def _mapped(path: Path, version: str) -> Catalog:
    arrays = map_compiled(path, version)
    try:
        return Catalog.from_arrays(version, arrays)
    except KeyError as error:
        raise CatalogError(str(path), f"it has no array {error}") from error


def _write(path: Path, catalog: Catalog) -> None:
    write_compiled(path, catalog.version, catalog.to_arrays())


def _compile_as_told(directory: str, version: str) -> None:
    compile_version(StoredDocuments(Path(directory)), version)


if __name__ == "__main__":
    answer(lambda: _compile_as_told(*sys.argv[1:]), _KINDS)
