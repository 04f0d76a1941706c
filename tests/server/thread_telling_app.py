"""A WSGI application that tells who served a request, and gunicorn's settings for it."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server.connection_table import ConnectionTable
from server.inline_worker import InlineWorker

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse

bind = f"fd://{os.environ.get('LISTEN_FD')}"
workers = int(os.environ.get("WORKERS", "1"))
threads = 4
worker_connections = int(os.environ.get("CONNECTIONS", "1000"))
worker_class = InlineWorker
keepalive = 30
timeout = int(os.environ.get("TIMEOUT_S", "60"))
graceful_timeout = 10
loglevel = "error"
sendfile = False
control_socket_disable = True
_waiting: set[str] = set()
_connections = ConnectionTable(workers + 2)


def pre_fork(_server: Any, worker: InlineWorker) -> None:
    worker.slot = _connections.claim()
    worker.serves_inline = lambda: not _waiting
    worker.waiting_max = int(os.environ.get("WAITING_MAX", "256"))


def child_exit(_server: Any, worker: InlineWorker) -> None:
    assert worker.slot is not None
    worker.slot.free()


def application(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """Answer with the process and the thread that serve, and the length of the body."""
    body = environ["wsgi.input"].read()
    if environ.get("HTTP_X_FAIL"):
        raise ValueError("as asked")
    if environ.get("HTTP_X_RANKS"):
        _waiting.clear()
        _waiting.update({"wait"} & {environ["HTTP_X_RANKS"]})
    time.sleep(float(environ.get("HTTP_X_LASTS", "0")))
    if environ.get("HTTP_X_UNTIL"):
        # This lasts until whoever has locked the file lets go of it.
        with Path(environ["HTTP_X_UNTIL"]).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH)
    more = b"." * int(environ.get("HTTP_X_MORE", "0"))
    text = f"{os.getpid()} {threading.current_thread().name} {len(body)} ".encode()
    start_response("200 OK", [("Content-Length", str(len(text) + len(more)))])
    return [text + more]
