"""A server that does what a test says: stall, hang, refuse, hang up."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

STALL_S = 0.2


class Scripted:
    """What the test's server does with each request, and what it was sent."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.lock = threading.Lock()
        self.stall_at: int | None = None
        self.stalled_from_s = 0.0
        self.hang = threading.Event()
        self.hang.set()
        self.hang_up = False

    def take(self, body: bytes) -> None:
        """Note a request; all wait while one stalls."""
        with self.lock:
            self.bodies.append(body)
            if len(self.bodies) == self.stall_at:
                self.stalled_from_s = time.monotonic()
                time.sleep(STALL_S)
        self.hang.wait(10)


@contextmanager
def server_of(script: Scripted) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            script.take(body)
            if script.hang_up:
                self.close_connection = True
                return
            self.send_response(500 if body.startswith(b"bad") else 201)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port
        finally:
            script.hang.set()
            server.shutdown()
            thread.join()
