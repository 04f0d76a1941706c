"""A client's socket that does not let a thread of the pool wait for its client without end.

A request may make its thread wait for :data:`PATIENCE_S` in all, to read and to write. What moves
earns more time: :data:`BYTES_A_SECOND`. Five seconds are what gunicorn allows a client for the
first bytes; with ``server.request_timeout_s``, half a minute by default, a handful of clients that
stall would keep the pool from feedback and probes for as long. Time that the service takes itself,
or that a request waits for a thread, does not count.
"""

from __future__ import annotations

import errno
import socket
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

PATIENCE_S: Final = 5.0
"""How long a request's thread waits for a client that neither sends nor takes anything."""

BYTES_A_SECOND: Final = 131_072
"""The slowest that a client may be for longer than that: 1 Mbit/s."""

_PIECE_BYTES: Final = 262_144
"""How much is sent before patience is reckoned anew: two seconds' worth."""

_LEAST_S: Final = 0.05
"""Enough to put a short answer into the kernel's buffer, even when patience has come to an end."""


class ClientSocket(socket.socket):
    """A connection to a client; ``recv`` and ``sendall`` share the patience of one request."""

    def __init__(self, accepted: socket.socket) -> None:
        kind = accepted.family, accepted.type, accepted.proto
        super().__init__(*kind, accepted.detach())
        self._patience_s = PATIENCE_S

    def renew_patience(self) -> None:
        """Begin another request."""
        self._patience_s = PATIENCE_S

    def setblocking(self, flag: bool, /) -> None:
        """Wait for the client, though not without end; or not at all."""
        self.settimeout(PATIENCE_S if flag else 0.0)

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """Read what has come.

        Raises:
            ConnectionResetError: the request's patience has come to an end.
            OSError: the connection is broken.
        """
        own = self.gettimeout()
        begun = time.monotonic()
        try:
            self.settimeout(self._patience_s if own is None else min(own, self._patience_s))
            data = super().recv(bufsize, flags)
        except TimeoutError:
            raise _late() from None
        finally:
            self.settimeout(own)
            self._spend(begun)
        self._earn(len(data))
        return data

    def sendall(self, data: ReadableBuffer, flags: int = 0, /) -> None:
        """Send all; errors are those of :meth:`recv`."""
        rest = memoryview(data).cast("B")
        while rest:
            self._send_piece(rest[:_PIECE_BYTES], flags)
            rest = rest[_PIECE_BYTES:]

    def _send_piece(self, piece: memoryview, flags: int) -> None:
        own = self.gettimeout()
        begun = time.monotonic()
        try:
            self.settimeout(self._patience_s)
            super().sendall(piece, flags)
        except TimeoutError:
            raise _late() from None
        finally:
            self.settimeout(own)
            self._spend(begun)
        self._earn(len(piece))

    def _spend(self, begun: float) -> None:
        self._patience_s = max(self._patience_s - (time.monotonic() - begun), _LEAST_S)

    def _earn(self, moved: int) -> None:
        self._patience_s = min(PATIENCE_S, self._patience_s + moved / BYTES_A_SECOND)


def _late() -> ConnectionResetError:
    return ConnectionResetError(errno.ECONNRESET, "the client took too long")
