"""Asks the service once whether it lives, and waits for the answer as an event.

The supervisor holds the listening socket, so that the question can be put before any worker is
there to take it: it waits in the socket's queue, and its answer means that a worker serves.
"""

from __future__ import annotations

import socket
from typing import Final

_REQUEST: Final = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
_ANSWER_BYTES_MAX: Final = 65_536
_CONNECT_TIMEOUT_S: Final = 1.0


class ReadyProbe:
    """One question at a time over a connection to our own listening socket."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._socket: socket.socket | None = None
        self._answer = b""

    def fileno(self) -> int | None:
        """Return the descriptor to watch, None if no question is out."""
        return None if self._socket is None else self._socket.fileno()

    def ask(self) -> bool:
        """Put the question; tell whether that was possible."""
        self.close()
        try:
            self._socket = socket.create_connection(self._address, timeout=_CONNECT_TIMEOUT_S)
            self._socket.sendall(_REQUEST)
            self._socket.setblocking(False)
        except OSError:
            self.close()
            return False
        return True

    def take(self) -> bool | None:
        """Read what came: True for a good answer, False for none, None if more is to come."""
        if self._socket is None:
            return False
        try:
            received = self._socket.recv(_ANSWER_BYTES_MAX)
        except BlockingIOError:
            return None
        except OSError:
            received = b""
        self._answer += received
        status_line, ended, _ = self._answer.partition(b"\r\n")
        if received and not ended:
            return None
        self.close()
        return status_line.split(b" ")[1:2] == [b"200"]

    def close(self) -> None:
        """Give up the question."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        self._answer = b""
