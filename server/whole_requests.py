"""Requests that have arrived as a whole, read without ever waiting for a client.

The kernel's buffer is looked into, not emptied: whatever is not plainly a whole request of the one
kind that is served at once stays where it is. A part of a request is told from the rest, so that
no thread need wait for its end; all that is whole, too long to be looked at as a whole, or odd is
for gunicorn's own way of reading.

What it costs: gunicorn's parser and environ take 45 µs a request, mostly for the head. A client
that keeps its connection open sends the same head again and again, but for the body's length; so
each connection keeps what gunicorn made of the last one, and a repeated head takes 5 µs. Nothing
is understood here that gunicorn did not read before: every new head goes through its parser.
"""

from __future__ import annotations

import io
import re
import socket
from collections.abc import Mapping
from enum import Enum
from typing import Any, Final, NamedTuple

from gunicorn.config import Config
from gunicorn.http.message import Request
from gunicorn.http.unreader import IterUnreader
from gunicorn.http.wsgi import create
from gunicorn.workers.gthread import TConn

from server.client_socket import ClientSocket

REQUEST_BYTES_MAX: Final = 65_536
"""Longest request that is served at once, or waited for without a thread, head and body."""

_START: Final = b"POST /v1/rank HTTP/1.1\r\n"
_HEAD_END: Final = b"\r\n\r\n"
_HEAD_BYTES_KEPT: Final = 4_096
_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,6})[ \t]*\r\n", re.IGNORECASE)
_NOT_BY_LENGTH: Final = re.compile(rb"\r\n(?:expect|transfer-encoding)[ \t]*:", re.IGNORECASE)
_HAS_BODY: Final = re.compile(rb"\r\n(?:content-length|transfer-encoding)[ \t]*:", re.IGNORECASE)
_PROBE: Final = re.compile(rb"GET /(?:livez|readyz) HTTP/1\.[01]\r\n")
_REQUEST_LINE: Final = re.compile(rb"[A-Z]+ [!-~]+ HTTP/1\.[01]\r\n")
_LINE_BYTES_MAX: Final = 4_096
_UNUSUAL: Final = frozenset({"EXPECT", "TRANSFER-ENCODING", "UPGRADE"})


# Past the client socket's own method, whose patience is for threads that wait.
_recv: Final = socket.socket.recv


class KnownHead(NamedTuple):
    """A head without its body's length, and what gunicorn made of it."""

    text: bytes
    request: Request
    environ: Mapping[str, Any]


class WholeRequest(NamedTuple):
    """A request taken from its socket: what gunicorn read of its head, and its environ."""

    request: Request
    environ: dict[str, Any]


class Arrival(Enum):
    """What waits in a connection's buffer, if not a request to be served at once."""

    PART = "the beginning of a request, whose end is still to come"
    PROBE = "the question whether the worker lives or is ready, as a whole"
    LONG = "a request whose thread will wait for its client, or for long"
    FOR_THE_POOL = "anything else"


class Connection(TConn):  # type: ignore[misc]  # gunicorn comes without types
    """A client's connection; it may be closed twice."""

    sock: ClientSocket

    def __init__(self, cfg: Config, sock: ClientSocket, client: object, server: object) -> None:
        super().__init__(cfg, sock, client, server)
        self.has_part = False
        """Whether a part of a request has come."""
        self.unsent = memoryview(b"")
        """What is left of an answer that the client takes slowly."""
        self.keep_after = False
        """Whether the connection stays open behind that."""
        self.discarded = 0
        """How much came and was thrown away since the last answer."""
        self.is_long = False
        """Whether its request is a long one, while it is in the pool."""
        self.known_head: KnownHead | None = None
        self.closed = False

    def close(self, graceful: bool = False) -> None:
        """Close it once; gracefully, that waits up to two seconds for the client to do the same."""
        if not self.closed:
            self.closed = True
            super().close(graceful)


def take_whole_request(conn: Connection, *, at_once: bool) -> WholeRequest | Arrival:
    """Take a rank request that waits in a connection's buffer as a whole.

    If there is anything else, or nothing may be served at once, nothing is taken.

    Raises:
        BlockingIOError: nothing has come.
        OSError: the connection is broken.
    """
    seen = _recv(conn.sock, REQUEST_BYTES_MAX, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    if not seen:
        raise ConnectionAbortedError("closed by the client")
    end = seen.find(_HEAD_END)
    if end < 0:
        return Arrival.PART if _may_become_a_head(seen) else Arrival.FOR_THE_POOL
    length = _LENGTH.search(seen, 0, end + 2)
    body_at = end + len(_HEAD_END)
    if length is None:
        return _without_length(seen, body_at)
    whole = body_at + int(length[1])
    if len(seen) < whole:
        if whole > REQUEST_BYTES_MAX or _NOT_BY_LENGTH.search(seen, 0, end + 2):
            return Arrival.LONG
        return Arrival.PART
    # A second request behind the first one is gunicorn's to keep in order.
    if not at_once or len(seen) != whole or not seen.startswith(_START):
        return Arrival.FOR_THE_POOL
    head = _head(conn, seen[:body_at], seen[: length.start(1)] + seen[length.end(1) : body_at])
    if head is None:
        return Arrival.FOR_THE_POOL
    _recv(conn.sock, len(seen), socket.MSG_DONTWAIT)
    environ = {
        **head.environ,
        "CONTENT_LENGTH": length[1].decode(),
        "wsgi.input": io.BytesIO(seen[body_at:]),
    }
    return WholeRequest(head.request, environ)


def take_probe(conn: Connection) -> WholeRequest | None:
    """Take a probe's question that waits in a connection's buffer; None if it is odd.

    Raises:
        OSError: the connection is broken.
    """
    seen = _recv(conn.sock, REQUEST_BYTES_MAX, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    head = _head(conn, seen, seen)
    if head is None:
        return None
    _recv(conn.sock, len(seen), socket.MSG_DONTWAIT)
    return WholeRequest(head.request, {**head.environ, "wsgi.input": io.BytesIO()})


def _without_length(seen: bytes, body_at: int) -> Arrival:
    """Tell what a head announces that names no length of less than seven digits."""
    if _HAS_BODY.search(seen, 0, body_at - 2):
        return Arrival.LONG
    if len(seen) == body_at and _PROBE.match(seen):
        return Arrival.PROBE
    return Arrival.FOR_THE_POOL


def _may_become_a_head(seen: bytes) -> bool:
    """Tell whether to wait for more; what gunicorn would refuse already, it refuses at once."""
    if b"\n" in seen:
        return len(seen) < REQUEST_BYTES_MAX and _REQUEST_LINE.match(seen) is not None
    return len(seen) < _LINE_BYTES_MAX and seen[:1].isupper()


def _head(conn: Connection, whole: bytes, text: bytes) -> KnownHead | None:
    """Return what gunicorn makes of a head; None if it is unusual or wrong."""
    known = conn.known_head
    if known is not None and known.text == text:
        return known
    try:
        request = Request(conn.cfg, IterUnreader(iter((whole,))), conn.client)
        if not _UNUSUAL.isdisjoint(name for name, _ in request.headers):
            return None
        _, environ = create(request, conn.sock, conn.client, conn.server, conn.cfg)
    except Exception:  # noqa: BLE001 - gunicorn meets the same fault again, and answers it
        return None
    environ["wsgi.multithread"] = True
    # It would belong to the first answer alone.
    del environ["wsgi.early_hints"]
    known = KnownHead(text, request, environ)
    if len(text) <= _HEAD_BYTES_KEPT:
        conn.known_head = known
    return known
