"""Our server under measurement, with all its processes, and those who visit it."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec
import numpy as np

from bandit.catalog import CatalogDocument, write_catalog_file
from bandit.types import Page
from benchmarks.load import ID_PLACE, Target
from benchmarks.stock_servers import THREADS, WORKERS
from server.client import Client
from server.local import LocalServer, wait_until
from server.wire import RankRequest

HttpServer = Literal["gunicorn", "granian"]
Encoding = Literal["msgpack", "json"]

SEEN_TITLES: Final = 20
PLAYS_OF_SEEN: Final = 0.1
VISITS_PER_S: Final = 4.0

_CONTENT_TYPES: Final[dict[Encoding, str]] = {
    "msgpack": "application/msgpack",
    "json": "application/json",
}


@contextmanager
def our_server(
    document: CatalogDocument, *, http_server: HttpServer = "gunicorn"
) -> Iterator[LocalServer]:
    """Run ``marquee serve`` over a catalog, by default settings but for a quiet log.

    Requests are not written to the log, as they are not by the naive server.
    """
    with tempfile.TemporaryDirectory(prefix="marquee-bench-") as name:
        catalog = Path(name) / "catalog.msgpack"
        write_catalog_file(catalog, document)
        with LocalServer(
            Path(name) / "state", settings=settings_of(catalog, http_server=http_server)
        ) as server:
            yield server


def settings_of(
    catalog: Path | None = None, *, workers: int = WORKERS, http_server: HttpServer = "gunicorn"
) -> dict[str, str]:
    """Return the environment of a server under measurement; ``catalog`` is loaded at first."""
    settings = {
        "MARQUEE__SERVER__WORKERS": str(workers),
        "MARQUEE__SERVER__THREADS": str(THREADS),
        "MARQUEE__SERVER__HTTP_SERVER": http_server,
        "MARQUEE__SERVER__LOG_LEVEL": "warning",
        # Nobody balances loads here who would have to look away before the end.
        "MARQUEE__SERVER__DRAIN_S": "0",
    }
    if catalog is not None:
        settings["MARQUEE__CATALOG__SOURCE"] = str(catalog)
    return settings


def port_of(server: LocalServer) -> int:
    """Return the port of a running server of ours."""
    return urlsplit(server.url).port or 0


def rank_request(page: Page, decision_id: str | None = None) -> RankRequest:
    """Make the request for a page."""
    return RankRequest(
        viewer_id=page.viewer_id,
        context=page.context,
        rows=page.rows,
        titles=page.titles,
        decision_id=decision_id,
    )


def rank_target(
    port: int, path: str, pages: Sequence[Page], encoding: Encoding, workers: Sequence[int] = ()
) -> Target:
    """Encode pages once, as the public client would send them."""
    bodies = [encoded(rank_request(page, ID_PLACE.decode()), encoding) for page in pages]
    return Target(port, "POST", path, headers(encoding), bodies, 201, tuple(workers))


def encoded(body: object, encoding: Encoding) -> bytes:
    """Return a request's body."""
    encode = msgspec.msgpack.encode if encoding == "msgpack" else msgspec.json.encode
    return encode(body)


def headers(encoding: Encoding) -> dict[str, str]:
    """Return the headers of a request and of the answer it wants."""
    kind = _CONTENT_TYPES[encoding]
    return {"Content-Type": kind, "Accept": kind}


def visit(client: Client, page: Page, random: np.random.Generator) -> None:
    """Ask for a page, see its first titles, and play some of them."""
    result = client.rank(rank_request(page))
    if result.source != "server":
        raise RuntimeError(f"the server did not answer: {result.reason}")
    shown = [(row.id, title.id) for row in result.answer.rows for title in row.titles]
    for row, title in shown[:SEEN_TITLES]:
        client.report(result, "impression", title, row=row)
        if random.random() < PLAYS_OF_SEEN:
            client.report(result, "play", title, row=row, seconds=1800.0, fraction=0.5)


def train(server: LocalServer, pages: Sequence[Page]) -> None:
    """Let viewers visit until models of both surfaces are served."""
    random = np.random.default_rng(5)
    with Client(server.url, deadline_s=10.0) as client:
        for page in pages:
            visit(client, page, random)
        client.flush()
        wait_until(
            lambda: len(client.rank(rank_request(pages[0])).answer.snapshots) == 2,
            30, "a snapshot of both surfaces",
        )  # fmt: skip


class Visitors:
    """Viewers who visit and send feedback while something else is measured.

    A closed loop: each visit begins 1 / :data:`VISITS_PER_S` after the one before has ended. One
    that fails is raised when the context ends, and so is it if there was no visit.
    """

    def __init__(self, url: str, pages: Sequence[Page]) -> None:
        self._url = url
        self._pages = pages
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._failure: Exception | None = None
        self.visits = 0

    def _run(self) -> None:
        try:
            self._visit()
        except Exception as error:  # noqa: BLE001 - whatever it is, the context's end raises it
            self._failure = error

    def _visit(self) -> None:
        random = np.random.default_rng(6)
        with Client(self._url, deadline_s=10.0) as client:
            while True:
                visit(client, self._pages[self.visits % len(self._pages)], random)
                self.visits += 1
                if self._stop.wait(1.0 / VISITS_PER_S):
                    return

    def __enter__(self) -> Visitors:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        # What went wrong meanwhile comes first.
        if error is None and (self._failure is not None or not self.visits):
            raise RuntimeError(f"visits failed after {self.visits}") from self._failure
