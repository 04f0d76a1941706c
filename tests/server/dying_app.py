"""An application whose workers do at their start what a file says: serve, die, fail, or wait."""

from __future__ import annotations

import fcntl
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication

ORDERS = "DYING_APP_ORDERS"


def create() -> WSGIApplication:
    """Follow the orders, and build the application."""
    orders = Path(os.environ[ORDERS])
    order = orders.read_text()
    if order == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if order == "fail":
        raise RuntimeError("as ordered")
    # A lock of its own for each worker, so that whoever holds the file holds all of them up.
    with orders.open() as file:
        fcntl.flock(file, fcntl.LOCK_SH)
    return application


def application(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """Answer with the worker's process id."""
    time.sleep(float(environ.get("HTTP_X_LASTS", "0")))
    text = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Length", str(len(text)))])
    return [text]
