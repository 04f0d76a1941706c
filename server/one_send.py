"""Answers that leave in one piece.

gunicorn sends an answer's head and its body by two calls, which makes two packets and wakes the
client up twice. What stands here takes the socket's place while an answer is written.
"""

from __future__ import annotations

import socket
from typing import Any, Final

_JOINED_MAX: Final = 65_536
"""Larger pieces, such as whole catalogs, are not copied to be joined with the head."""


class Outbox:
    """Keeps everything: the whole answer is sent by its owner."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def sendall(self, data: bytes) -> None:
        """Keep a piece."""
        self._pieces.append(data)

    def contents(self) -> bytes:
        """Return all that was written."""
        return b"".join(self._pieces)


class HeldHead:
    """Keeps the first piece, the head, until the second comes; the rest goes straight through."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._held: bytes | None = b""

    def sendall(self, data: bytes) -> None:
        """Send a piece, behind the one that was kept."""
        if self._held == b"":
            self._held = data
            return
        if len(data) > _JOINED_MAX:
            self.flush()
        elif self._held is not None:
            data, self._held = self._held + data, None
        self._sock.sendall(data)

    def flush(self) -> None:
        """Send what is still kept."""
        if self._held:
            data, self._held = self._held, None
            self._sock.sendall(data)

    def __getattr__(self, name: str) -> Any:
        """Whatever else is asked of a socket."""
        return getattr(self._sock, name)
