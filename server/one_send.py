"""Answers that leave in one piece.

gunicorn sends an answer's head and its body by two calls, which makes two packets and wakes the
client up twice. What stands here either takes the socket's place while gunicorn writes an answer,
or puts the whole answer together by itself.

Why not always gunicorn's own response: it looks at each header by two patterns and makes the date
anew for each answer. With eight headers of ours that takes 13 µs in a loop of its own and 3 here,
where one pattern goes over the whole head and the date is made once a second.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterable
from email.utils import formatdate
from typing import Any, Final, NamedTuple

from gunicorn import SERVER

_JOINED_MAX: Final = 65_536
"""Larger pieces, such as whole catalogs, are not copied to be joined with the head."""

_LINES: Final = re.compile(r"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+: [\t\x20-\x7e\x80-\xff]*\r\n)*")
_STATUS: Final = re.compile(r"[1-5][0-9]{2} [\t\x20-\x7e\x80-\xff]*")
_NO_BODY: Final = frozenset({"204", "304"})

_Headers = list[tuple[str, str]]


class WholeAnswer:
    """What an application answers to one request, as bytes.

    It is for applications whose body is at hand as a whole, and for requests other than HEAD.
    """

    def __init__(self) -> None:
        self._status = ""
        self._headers: _Headers = []

    def start_response(self, status: str, headers: _Headers, exc_info: object = None) -> None:
        """Take the status line and the headers, as WSGI has it; an error's take their place."""
        if self._status and exc_info is None:
            raise AssertionError("the answer was begun already")
        self._status, self._headers = status, headers

    def contents(self, pieces: Iterable[bytes], version: tuple[int, int], *, keep: bool) -> bytes:
        """Return the answer whose body ``pieces`` are.

        ``version`` is the request's, of HTTP; ``keep`` says that the connection stays open.

        Raises:
            ValueError: the status or a header is not lawful; nothing of it may be sent.
        """
        body = b"".join(pieces)
        lines = "".join([f"{name}: {value}\r\n" for name, value in self._headers])
        is_lawful = _LINES.fullmatch(lines) and lines.count("\n") == len(self._headers)
        if not is_lawful or not _STATUS.fullmatch(self._status):
            raise ValueError(f"an answer's head is not lawful: {self._status!r} {lines!r}")
        if self._status[:3] in _NO_BODY:
            body = b""
        elif not any(name == "Content-Length" for name, _ in self._headers):
            lines += f"Content-Length: {len(body)}\r\n"
        connection = "keep-alive" if keep else "close"
        head = (
            f"HTTP/{version[0]}.{version[1]} {self._status}\r\n"
            f"Server: {SERVER}\r\nDate: {_date()}\r\nConnection: {connection}\r\n{lines}\r\n"
        )
        return head.encode("latin-1") + body


class _Second(NamedTuple):
    """A second, and how a header tells of it."""

    number: int
    told: str


_second = _Second(0, "")


def _date() -> str:
    """Return the time as a Date header has it."""
    global _second
    now = int(time.time())
    if _second.number != now:
        _second = _Second(now, formatdate(now, usegmt=True))
    return _second.told


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
