"""The listening sockets, opened by the supervisor and handed down to the HTTP server."""

from __future__ import annotations

import errno
import socket
import time
from typing import Final

import structlog

from bandit.errors import MarqueeError

log = structlog.get_logger()

LISTEN_FD_VARIABLE: Final = "MARQUEE_LISTEN_FD"
"""Names the descriptors of the listening sockets, for the HTTP server, with commas between."""

BACKLOG: Final = 2048
"""Connections that may wait to be accepted."""

WAIT_FOR_PORT_S: Final = 5.0
"""How long the last run's workers may take to let go of the port."""

_LOOK_AGAIN_S: Final = 0.1


class ListenError(MarqueeError):
    """The configured address cannot be listened on."""


def listen(
    host: str, port: int, wait_s: float = WAIT_FOR_PORT_S, *, shared: bool = False
) -> socket.socket:
    """Listen on an address; port 0 takes a free one.

    With ``shared``, :func:`listen_beside` can open more sockets on the same port.

    Workers of a run that was killed a moment ago may still be finishing their requests with the
    port in their hands, so that a port in use is waited for.

    Raises:
        ListenError: the address is not ours, or the port stays in use.
    """
    end = time.monotonic() + wait_s
    while True:
        try:
            return _bound_alone_first(host, port) if shared else _bound(host, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() >= end:
                raise ListenError(
                    f"cannot listen on {host}:{port}: {error.strerror}",
                    hint="choose another server.host, or another port, or stop what uses it",
                ) from error
        time.sleep(_LOOK_AGAIN_S)


def url_of(host: str, port: int) -> str:
    """Return the address of the service as a browser takes it."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def reachable(host: str, port: int) -> tuple[str, int]:
    """Return the address at which this machine reaches a listener on ``host``."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port  # noqa: S104 (no bind)


def listen_beside(listener: socket.socket) -> socket.socket:
    """Listen on the port of a shared listener; the kernel spreads connections over both."""
    host, port = listener.getsockname()[:2]
    return _bound(host, port, shared=True)


def _bound_alone_first(host: str, port: int) -> socket.socket:
    """Share a port that nobody else shares: to share it at once would always succeed."""
    with _bound(host, port) as alone:
        port = alone.getsockname()[1]
    return _bound(host, port, shared=True)


def _bound(host: str, port: int, *, shared: bool = False) -> socket.socket:
    family, kind, _, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener
