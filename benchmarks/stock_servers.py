"""Other applications under measurement: gunicorn or granian over the naive server and the floor.

They are started like ours, with as many workers and threads, and told by their process id.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from bandit.catalog import CatalogDocument
from server.local import children_of, wait_until

WORKERS: Final = 3
THREADS: Final = 8
GTHREAD: Final = "gthread"
GRANIAN: Final = "granian"
OUR_WORKER: Final = "server.inline_worker.InlineWorker"

NAIVE: Final = "benchmarks.naive_server"
FLOOR: Final = "benchmarks.floor_server"

_ROOT: Final = Path(__file__).resolve().parents[1]
_READY_WITHIN_S: Final = 60


class Stock(NamedTuple):
    """A server that runs."""

    port: int
    pid: int

    def ready(self) -> Stock:
        """Wait until it answers, and return it."""
        wait_until(self._answers, _READY_WITHIN_S, f"an answer on port {self.port}")
        return self

    @property
    def workers(self) -> tuple[int, ...]:
        """The ids of its worker processes."""
        return tuple(children_of(self.pid))

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/livez", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


@contextmanager
def stock_server(
    module: str, environ: Mapping[str, str], kind: str = GTHREAD, threads: int = THREADS
) -> Iterator[Stock]:
    """Run ``module``'s ``create()`` under granian or a worker class of gunicorn's.

    It is yielded at once; call :meth:`Stock.ready` before it is asked anything.
    """
    port = free_port()
    # BLAS threads would fight with the workers for the cores; ours are limited as well.
    limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    process = subprocess.Popen(
        _command(module, port, kind, threads),
        env={**os.environ, **limits, **environ},
        cwd=_ROOT,
        stdin=subprocess.DEVNULL,
    )
    try:
        yield Stock(port, process.pid)
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def naive_server(document: CatalogDocument, directory: Path) -> Iterator[Stock]:
    """Run the naive server over a catalog; its file goes to ``directory``."""
    catalog = directory / "naive.json"
    catalog.write_bytes(msgspec.json.encode(document))
    with stock_server(NAIVE, {"NAIVE_CATALOG": str(catalog)}) as server:
        yield server


class Floor(NamedTuple):
    """One server under the floor."""

    kind: str = GTHREAD
    rank: str = "page"
    """Which answer ``POST /v1/rank`` gives."""
    threads: int = THREADS
    """Of each worker."""


@contextmanager
def floor_servers(
    answers: Mapping[str, bytes], directory: Path, floors: Mapping[str, Floor]
) -> Iterator[dict[str, Stock]]:
    """Run the floor under several servers, by name; ``answers`` is what its endpoints answer."""
    files = directory / "floor"
    files.mkdir()
    for name, content in answers.items():
        (files / name).write_bytes(content)
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(
                stock_server(
                    FLOOR,
                    {"FLOOR_ANSWERS": str(files), "FLOOR_RANK": floor.rank},
                    floor.kind,
                    floor.threads,
                )
            )
            for name, floor in floors.items()
        }


def _command(module: str, port: int, kind: str, threads: int) -> list[str]:
    if kind == GRANIAN:
        return _granian(module, port, threads)
    return _gunicorn(module, port, kind, threads)


def _gunicorn(module: str, port: int, worker_class: str, threads: int) -> list[str]:
    settings = ["--config", "python:benchmarks.floor_settings"] * (worker_class == OUR_WORKER)
    return [
        sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}",
        "--workers", str(WORKERS), "--worker-class", worker_class, "--threads", str(threads),
        "--log-level", "warning", "--keep-alive", "15", "--no-control-socket", *settings,
        f"{module}:create()",
    ]  # fmt: skip


def _granian(module: str, port: int, threads: int) -> list[str]:
    return [
        sys.executable, "-m", "granian", "--interface", "wsgi", "--factory",
        "--host", "127.0.0.1", "--port", str(port), "--workers", str(WORKERS),
        "--blocking-threads", str(threads), "--log-level", "warning", "--no-ws", f"{module}:create",
    ]  # fmt: skip


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
