"""Compiling a version: the arrays of its document, built once and put beside it for all to map.

Whoever needs a version first compiles it, under a lock; others wait for that and map what was made.
Large documents are compiled by ``python -m bandit.catalog.compiling <directory> <version>``, a
child that inherits the lock: where its parent dies, others still wait for the child, and where the
child dies, nothing stands under the version's name, and the next to come compiles it.

A version whose child died is left alone for a while, longer each time: a machine that lacks the
memory for it is not made to try without end. Whatever was compiled meanwhile is taken all the same.

What is damaged, or of another version or revision, is told by whoever finds it, and made again. A
directory that takes no file (read-only, full) costs sharing, not service: the arrays then lie in
the memory of each process. Forms that went unused for a day go with the next change of the catalog,
the current one's excepted; whoever has one mapped keeps it, whoever needs one again makes it again.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from bandit.catalog.apart import APART_FROM_BYTES, ChildDiedError, answer, run_apart
from bandit.catalog.arrays import Catalog
from bandit.catalog.compiled import map_compiled, write_compiled
from bandit.catalog.documents import CatalogDocument
from bandit.catalog.versions import StoredDocuments
from bandit.errors import CatalogError
from bandit.files import exclusive_lock, remove_unfinished

_log = structlog.get_logger(__name__)

_MODULE: Final = "bandit.catalog.compiling"
_LOCK: Final = ".compiling"
_KINDS: Final = (CatalogError,)
_SUFFIX: Final = ".arrays"

KEEP_UNUSED_S: Final = 86_400
"""How long a compiled form that is not the current one is kept after it was last mapped anew."""
WAIT_FIRST_S: Final = 5.0
"""How long a version is left alone once the process that compiled it died; twice as long each
time after."""
WAIT_MAX_S: Final = 3600.0


class _Died(NamedTuple):
    """What came of compiling a version."""

    how: str
    wait_s: float
    until_s: float
    """By the monotonic clock."""


class CompiledCatalogs:
    """The compiled forms of stored documents, beside them."""

    def __init__(
        self, documents: StoredDocuments, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Keep the forms of ``documents``; ``monotonic`` tells seconds, for waits."""
        self._documents = documents
        self._lock = documents.directory / _LOCK
        self._monotonic = monotonic
        self._died: dict[str, _Died] = {}
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
        with self._compiling():
            try:
                _mapped(path, version)
            except (CatalogError, FileNotFoundError):
                _write(path, Catalog.build(document, version=version))

    def remove_unused(self, current: str, now_s: float) -> None:
        """Remove the forms that were not mapped anew for a day, but for the current version's.

        ``now_s`` is the file system's time, in seconds since the Unix epoch.
        """
        for path in self._documents.directory.glob(f"*{_SUFFIX}"):
            with suppress(OSError):
                if path.stem != current and path.stat().st_mtime < now_s - KEEP_UNUSED_S:
                    path.unlink()

    @contextmanager
    def _compiling(self) -> Iterator[int]:
        """Hold the lock under which all forms are written, and leave none unfinished."""
        with exclusive_lock(self._lock) as held:
            directory = self._documents.directory
            remove_unfinished(directory, f"*{_SUFFIX}")
            try:
                yield held
            finally:
                remove_unfinished(directory, f"*{_SUFFIX}")

    def _compiled(self, path: Path, version: str) -> Catalog:
        document = self._documents.path(version)
        with self._compiling() as held:
            try:
                # Perhaps another process made it while this one waited for the lock.
                return _mapped(path, version)
            except (CatalogError, FileNotFoundError):
                pass
            if document.stat().st_size < APART_FROM_BYTES:
                compile_version(self._documents, version)
            else:
                self._compile_apart(document, version, held)
            return _mapped(path, version)

    def _compile_apart(self, document: Path, version: str, held: int) -> None:
        died = self._died.get(version)
        if died is not None and self._monotonic() < died.until_s:
            raise _not_compiled(document, died)
        try:
            arguments = [str(self._documents.directory), version]
            run_apart(_MODULE, arguments, inherited=[held], kinds=_KINDS)
        except ChildDiedError as error:
            wait_s = WAIT_FIRST_S if died is None else min(2 * died.wait_s, WAIT_MAX_S)
            died = _Died(str(error), wait_s, self._monotonic() + wait_s)
            self._died[version] = died
            raise _not_compiled(document, died) from error
        self._died.pop(version, None)


def compiled_path(documents: StoredDocuments, version: str) -> Path:
    """Return where the compiled form of a version lies, or would.

    Raises:
        CatalogError: there is no such version.
    """
    return documents.path(version).with_suffix(_SUFFIX)


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
    with suppress(OSError):
        # Tells that it is in use; who may not say so reads it all the same.
        os.utime(path)
    try:
        return Catalog.from_arrays(version, arrays)
    except KeyError as error:
        raise CatalogError(str(path), f"it has no array {error}") from error


def _not_compiled(document: Path, died: _Died) -> CatalogError:
    return CatalogError(
        str(document),
        f"cannot be compiled: the process that does it {died.how}",
        hint=f"see that the machine has memory for it; it is tried again after {died.wait_s:g} s",
    )


def _write(path: Path, catalog: Catalog) -> None:
    write_compiled(path, catalog.version, catalog.to_arrays())


def _compile_as_told(directory: str, version: str) -> None:
    compile_version(StoredDocuments(Path(directory)), version)


if __name__ == "__main__":
    answer(lambda: _compile_as_told(*sys.argv[1:]), _KINDS)
