"""Connections that only wait for their client, and so need no thread: the poller watches them.

- What did not fit into a socket's buffer is sent as the client takes it.
- A connection that ends *lingers* (RFC 9112, section 9.6): the sending side is shut, and what the
  client still sends is thrown away until it hangs up. Closing at once would make the kernel take
  back an answer that the client has not read yet.

Both for a bounded time. All methods are for the worker's main thread.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

from server.client_socket import BYTES_A_SECOND, PATIENCE_S
from server.whole_requests import Connection

LINGER_S: Final = 2.0
"""How long a client has to hang up after its connection's last answer, as gunicorn grants it."""

DISCARDED_MAX: Final = 1_048_576
"""How much a lingering connection throws away before it is closed all the same, in bytes."""

_PIECE_BYTES: Final = 65_536

# Past the client socket's own method, whose patience is for threads that wait.
_recv: Final = socket.socket.recv


class Poller(Protocol):
    """What watches the connections."""

    def register(self, fileobj: socket.socket, events: int, data: object = None) -> object:
        """Watch a file."""
        ...

    def unregister(self, fileobj: socket.socket) -> object:
        """Stop to watch a file."""
        ...


class SlowClients:
    """The connections of one worker that wait for their clients.

    Args:
        poller: watches them.
        keep: takes a connection back whose answer was sent and whose client may ask again.
        drop: closes a connection.
    """

    def __init__(
        self,
        poller: Poller,
        keep: Callable[[Connection], None],
        drop: Callable[[Connection], None],
    ) -> None:
        self._poller = poller
        self._keep = keep
        self._drop = drop
        self._sending: set[Connection] = set()
        self._lingering: deque[Connection] = deque()

    def __len__(self) -> int:
        """How many there are."""
        return len(self._sending) + len(self._lingering)

    def send(self, conn: Connection, rest: memoryview, *, keep: bool) -> None:
        """Send the rest of an answer as the client takes it; then keep the connection, or not."""
        conn.unsent, conn.keep_after = rest, keep
        conn.timeout = time.monotonic() + PATIENCE_S
        self._sending.add(conn)
        self._poller.register(conn.sock, selectors.EVENT_WRITE, partial(self._send_more, conn))

    def linger(self, conn: Connection) -> None:
        """Close a connection once its client hangs up, or has had time to."""
        try:
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._drop(conn)
            return
        conn.timeout = time.monotonic() + LINGER_S
        conn.discarded = 0
        self._lingering.append(conn)
        self._poller.register(conn.sock, selectors.EVENT_READ, partial(self._discard, conn))

    def end_overdue(self, now: float) -> None:
        """Close the connections of clients that have neither taken their answer nor hung up."""
        while self._lingering and now >= self._lingering[0].timeout:
            self._end_lingering(self._lingering[0])
        for conn in [conn for conn in self._sending if now >= conn.timeout]:
            self._end_sending(conn)
            self._drop(conn)

    def _send_more(self, conn: Connection, _sock: socket.socket) -> None:
        try:
            sent = conn.sock.send(conn.unsent, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            self._end_sending(conn)
            self._drop(conn)
            return
        conn.unsent = conn.unsent[sent:]
        conn.timeout += sent / BYTES_A_SECOND
        conn.timeout = min(conn.timeout, time.monotonic() + PATIENCE_S)
        if conn.unsent:
            return
        self._end_sending(conn)
        if conn.keep_after:
            self._keep(conn)
        else:
            self.linger(conn)

    def _end_sending(self, conn: Connection) -> None:
        self._sending.remove(conn)
        self._poller.unregister(conn.sock)

    def _discard(self, conn: Connection, _sock: socket.socket) -> None:
        try:
            discarded = len(_recv(conn.sock, _PIECE_BYTES, socket.MSG_DONTWAIT))
        except BlockingIOError:
            return
        except OSError:
            discarded = 0
        conn.discarded += discarded
        if not discarded or conn.discarded > DISCARDED_MAX:
            self._end_lingering(conn)

    def _end_lingering(self, conn: Connection) -> None:
        self._lingering.remove(conn)
        self._poller.unregister(conn.sock)
        self._drop(conn)
