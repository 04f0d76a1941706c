"""The servers under measurement: ours with all its processes, and the naive one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec
import numpy as np

from bandit.catalog import CatalogDocument, write_catalog_file
from bandit.types import Page
from benchmarks.load import ID_PLACE, Target
from server.client import Client
from server.local import LocalServer, wait_until
from server.wire import RankRequest

WORKERS: Final = 3
THREADS: Final = 8
SEEN_TITLES: Final = 20
PLAYS_OF_SEEN: Final = 0.1

_CONTENT_TYPES: Final = {"msgpack": "application/msgpack", "json": "application/json"}


@contextmanager
def our_server(document: CatalogDocument) -> Iterator[LocalServer]:
    """Run ``marquee serve`` over a catalog, by default settings but for a quiet log.

    Requests are not written to the log, as they are not by the naive server.
    """
    with tempfile.TemporaryDirectory(prefix="marquee-bench-") as name:
        catalog = Path(name) / "catalog.msgpack"
        write_catalog_file(catalog, document)
        settings = {
            "MARQUEE__CATALOG__SOURCE": str(catalog),
            "MARQUEE__SERVER__WORKERS": str(WORKERS),
            "MARQUEE__SERVER__THREADS": str(THREADS),
            "MARQUEE__SERVER__LOG_LEVEL": "warning",
        }
        with LocalServer(Path(name) / "state", settings=settings) as server:
            yield server


@contextmanager
def naive_server(document: CatalogDocument) -> Iterator[int]:
    """Run the naive server under gunicorn like ours; yields its port."""
    with tempfile.TemporaryDirectory(prefix="marquee-bench-naive-") as name:
        catalog = Path(name) / "catalog.json"
        catalog.write_bytes(msgspec.json.encode(document))
        port = free_port()
        command = [
            sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}",
            "--workers", str(WORKERS), "--worker-class", "gthread", "--threads", str(THREADS),
            "--log-level", "warning", "--keep-alive", "15", "benchmarks.naive_server:create()",
        ]  # fmt: skip
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        environ = {**os.environ, **threads, "NAIVE_CATALOG": str(catalog)}
        root = Path(__file__).resolve().parents[1]
        process = subprocess.Popen(command, env=environ, cwd=root)
        try:
            wait_until(lambda: _answers(port), 60, "an answer of the naive server")
            yield port
        finally:
            process.terminate()
            process.wait(30)


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/livez", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def port_of(server: LocalServer) -> int:
    """Return the port of a running server of ours."""
    return urlsplit(server.url).port or 0


def rank_request(page: Page, decision_id: str | None = None) -> RankRequest:
    """Make the request for a page."""
    return RankRequest(
        viewer_id=page.viewer_id, context=page.context, rows=page.rows, decision_id=decision_id
    )


def rank_target(port: int, path: str, pages: Sequence[Page], encoding: str) -> Target:
    """Encode pages once, as the public client would send them."""
    encode = msgspec.msgpack.encode if encoding == "msgpack" else msgspec.json.encode
    bodies = [encode(rank_request(page, ID_PLACE.decode())) for page in pages]
    kind = _CONTENT_TYPES[encoding]
    headers = {"Content-Type": kind, "Accept": kind}
    return Target(port, "POST", path, headers, bodies, 201)


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
    """Viewers who visit at a steady pace and send feedback while something else is measured."""

    def __init__(self, server: LocalServer, pages: Sequence[Page], per_second: float) -> None:
        self._url = server.url
        self._pages = pages
        self._pause_s = 1.0 / per_second
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.visits = 0

    def _run(self) -> None:
        random = np.random.default_rng(6)
        with Client(self._url, deadline_s=10.0) as client:
            while not self._stop.wait(self._pause_s):
                visit(client, self._pages[self.visits % len(self._pages)], random)
                self.visits += 1

    def __enter__(self) -> Visitors:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
