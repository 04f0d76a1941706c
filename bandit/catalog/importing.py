"""A file's catalog made the one that is served: the first of a service, or a new one.

A large file is imported by ``python -m bandit.catalog.importing <directory> <file> <limits>``, so
that a process that serves does not keep the memory that this takes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import msgspec

from bandit.catalog.apart import APART_FROM_BYTES, ChildDiedError, answer, run_apart
from bandit.catalog.documents import CatalogDocument
from bandit.catalog.files import read_catalog_file
from bandit.catalog.store import CatalogStore
from bandit.config.schema import LimitsConfig
from bandit.errors import CatalogError
from bandit.files import exclusive_lock

_MODULE: Final = "bandit.catalog.importing"
_LOCK: Final = ".importing"
_KINDS: Final = (CatalogError,)


def import_catalog(catalogs: CatalogStore, source: Path) -> tuple[str, CatalogDocument]:
    """Check, keep, compile and serve the catalog in a file; return its version and content.

    Raises:
        CatalogError: the file is wrong.
    """
    document = read_catalog_file(source, catalogs.limits)
    version = catalogs.save(document, decoded=True)
    catalogs.set_current(version)
    return version, document


def import_first(catalogs: CatalogStore, source: Path) -> None:
    """Import a file unless there is a current catalog; of many processes one does it.

    Raises:
        CatalogError: the file is wrong, the pointer is damaged, or importing failed.
    """
    with exclusive_lock(catalogs.directory / _LOCK) as held:
        if catalogs.current() is not None:
            return
        if not source.exists() or source.stat().st_size < APART_FROM_BYTES:
            import_catalog(catalogs, source)
            return
        limits = msgspec.json.encode(catalogs.limits).decode()
        arguments = [str(catalogs.directory), str(source), limits]
        try:
            run_apart(_MODULE, arguments, inherited=[held], kinds=_KINDS)
        except ChildDiedError as error:
            raise CatalogError(
                str(source),
                f"cannot be loaded: the process that does it {error}",
                hint="see that the machine has memory for it; `marquee catalog load` loads it, too",
            ) from error


def _import_as_told(directory: str, source: str, limits: str) -> None:
    decoded = msgspec.json.decode(limits, type=LimitsConfig)
    import_catalog(CatalogStore(directory, decoded), Path(source))


if __name__ == "__main__":
    answer(lambda: _import_as_told(*sys.argv[1:]), _KINDS)
