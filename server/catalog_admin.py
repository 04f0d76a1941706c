"""What an admin asks of the catalog: to be told it, to replace it, to change parts of it.

Large changes are made by :mod:`server.catalog_changing` in a process of its own, which decodes,
checks, stores and compiles: this worker goes on answering meanwhile, and takes over what was
compiled as it would from another worker. Telling a large catalog is done alike.

Measured by the longest wait of another request of the same worker, on a busy machine: a PUT of
20,000 artworks (4 MB of JSON) held it up for 156 ms when it was made in a thread; made apart it is
9 ms, and 39 ms for a million artworks (218 MB).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile
from threading import Lock, Semaphore
from typing import IO, Final, Literal, NamedTuple

import msgspec
import structlog

from bandit.catalog import Catalog, CatalogDocument, CatalogPatch, CatalogStore
from bandit.catalog.apart import APART_FROM_BYTES, ChildDiedError, run_apart
from bandit.config.schema import LimitsConfig
from bandit.disk_room import DiskRoom
from bandit.errors import CatalogConflictError, CatalogError
from bandit.metrics import Metrics
from server.catalog_changes import Changed, patch, put
from server.errors import BodyInvalidError, BodySyntaxError, StateUnavailableError
from server.serving import ServingState
from server.state_disk import disk
from server.wire import CatalogAnswer

log = structlog.get_logger()

EncodingName = Literal["json", "msgpack"]

LARGE_AT_ONCE: Final = 2
"""Large catalogs that one worker takes in hand at once: one is worked on, one arrives or waits.

Each holds a thread of the pool all the while. Further ones are refused: feedback finds a thread.
"""

_CHANGING: Final = "server.catalog_changing"
_TELLING: Final = "server.catalog_telling"
REFUSALS: Final = (CatalogError, CatalogConflictError, BodySyntaxError, BodyInvalidError)
"""What a change may be refused with."""


class UndecodedBody(NamedTuple):
    """A body that is too large to be decoded where requests are served."""

    copy_to: Callable[[IO[bytes]], object]
    """Writes it to a file."""
    encoding: EncodingName


class Order(msgspec.Struct, frozen=True):
    """What the child is to do with the body it is given."""

    call: Literal["put", "patch"]
    encoding: EncodingName
    if_match: str | None
    directory: str
    limits: LimitsConfig


class CatalogAdmin:
    """Reads and changes the catalog of one worker. May be called from several threads at once."""

    def __init__(
        self, catalogs: CatalogStore, serving: ServingState, room: DiskRoom, metrics: Metrics
    ) -> None:
        self._catalogs = catalogs
        self._room = room
        self._serving = serving
        self._metrics = metrics
        self._places = Semaphore(LARGE_AT_ONCE)
        self._one_child = Lock()
        """Held while a child is at work: each takes memory for a whole catalog."""

    def document(self, encoding: EncodingName) -> tuple[str, CatalogDocument | bytes]:
        """Return the version of the catalog being served and what it says; if large, encoded.

        Raises:
            StateUnavailableError: it cannot be read now, or was damaged since it was loaded.
        """
        version = self._serving.current.catalog.version
        try:
            with disk():
                if self._catalogs.size(version) < APART_FROM_BYTES:
                    return version, self._catalogs.document(version)
                if encoding == "msgpack":
                    # What is stored is what encoding it would give.
                    return version, self._catalogs.content(version)
                return version, self._as_json(version)
        except CatalogError as error:
            raise StateUnavailableError(error.message, hint=error.hint) from error

    def put(self, asked: CatalogDocument | UndecodedBody, if_match: str | None) -> CatalogAnswer:
        """Replace the catalog, whole.

        Raises:
            CatalogError: the new catalog is wrong.
            CatalogConflictError: the current version is not ``if_match``.
            BodySyntaxError, BodyInvalidError: an undecoded body cannot be decoded.
            StateUnavailableError: it could not be stored; what is served stays.
        """
        self._check_room()
        with disk():
            if isinstance(asked, UndecodedBody):
                return self._swapped(self._apart("put", asked, if_match))
            return self._swapped(put(self._catalogs, asked, if_match))

    def patch(self, asked: CatalogPatch | UndecodedBody, if_match: str | None) -> CatalogAnswer:
        """Change parts of the catalog; errors are those of :meth:`put`."""
        self._check_room()
        with disk():
            if isinstance(asked, CatalogPatch) and self._is_large():
                content = msgspec.msgpack.encode(asked)
                asked = UndecodedBody(lambda file: file.write(content), "msgpack")
            if isinstance(asked, UndecodedBody):
                return self._swapped(self._apart("patch", asked, if_match))
            return self._swapped(patch(self._catalogs, asked, if_match))

    def _check_room(self) -> None:
        self._room.look()
        if (why := self._room.why()) is not None:
            raise StateUnavailableError(why, hint="try again then; what is served stays")

    @contextmanager
    def _place(self) -> Iterator[None]:
        """Hold one of the few threads that large catalogs may take from other requests."""
        if not self._places.acquire(blocking=False):
            self._metrics.count("marquee_requests_refused_total", "catalog_busy")
            raise StateUnavailableError(
                "a large catalog is being worked on, and another one waits for that",
                hint="try again after Retry-After; change large catalogs one after the other",
            )
        try:
            yield
        finally:
            self._places.release()

    def _as_json(self, version: str) -> bytes:
        directory = str(self._catalogs.directory)
        with self._place(), self._one_child, TemporaryFile() as file:
            handle = file.fileno()
            try:
                run_apart(
                    _TELLING, [directory, version, str(handle)], inherited=[handle], kinds=REFUSALS
                )
            except ChildDiedError as error:
                log.warning("catalog could not be written as JSON", why=str(error))
                raise StateUnavailableError(
                    "the process that writes the catalog as JSON did not finish",
                    hint="try again, or ask for application/msgpack, which needs no such process",
                ) from error
            file.seek(0)
            return file.read()

    def _is_large(self) -> bool:
        """Tell whether the catalog to be patched is too large for a worker's thread."""
        try:
            version = self._catalogs.current()
            return version is not None and self._catalogs.size(version) >= APART_FROM_BYTES
        except CatalogError:
            # Whoever applies the patch tells what is wrong.
            return False

    def _apart(
        self, call: Literal["put", "patch"], body: UndecodedBody, if_match: str | None
    ) -> Changed:
        store = self._catalogs
        order = Order(call, body.encoding, if_match, str(store.directory.absolute()), store.limits)
        argument = msgspec.json.encode(order).decode()
        # Without a name, so that nothing is left of it however this ends.
        with self._place(), TemporaryFile(dir=store.directory) as file:
            body.copy_to(file)
            file.seek(0)
            try:
                with self._one_child:
                    return Changed(*run_apart(_CHANGING, [argument], body=file, kinds=REFUSALS))
            except ChildDiedError as error:
                log.warning("catalog could not be changed", why=str(error))
                raise StateUnavailableError(
                    "the process that changes the catalog did not finish",
                    hint="try again; if it stays, see that the machine has memory for the catalog",
                ) from error

    def _swapped(self, changed: Changed) -> CatalogAnswer:
        catalog = self._served(changed.version)
        return CatalogAnswer(
            version=changed.version,
            titles=len(catalog.title_ids),
            artworks=len(catalog.artwork_ids),
            rows=len(catalog.row_ids),
            changed=changed.before != changed.version,
        )

    def _served(self, version: str) -> Catalog:
        self._serving.refresh_catalog(anew=True)
        catalog = self._serving.current.catalog
        # Another one is served if somebody replaced it already, or it cannot be loaded now.
        return catalog if catalog.version == version else self._catalogs.load(version)
