"""The front door: calls that come many times a second are served before any router sees them.

A call whose method and address are exactly those of a hot route goes straight to its endpoint;
everything else, wrong methods and unknown addresses included, goes to the application behind,
which serves the same endpoints by its own routes.

An address that does not begin with exactly one slash is unknown here: the router would take
``//metrics`` for ``/metrics``, past whatever a proxy before it forbids by its address.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from server.dispatch import NO_PATH, Endpoint, Environ

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication


class Front:
    """A WSGI application before another one.

    Args:
        hot: endpoints without variable parts, by method and address.
        behind: serves all other calls.
        unknown: answers calls to addresses that nothing may serve.
    """

    def __init__(
        self,
        hot: Mapping[tuple[str, str], Endpoint],
        behind: WSGIApplication,
        unknown: Endpoint,
    ) -> None:
        self._hot = dict(hot)
        self._behind = behind
        self._unknown = unknown

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        address = environ.get("PATH_INFO", "")
        endpoint = self._hot.get((environ["REQUEST_METHOD"], address))
        if endpoint is None:
            if not address or (address[0] == "/" and address[1:2] != "/"):
                return self._behind(environ, start_response)
            endpoint = self._unknown
        status, headers, body = endpoint(environ, NO_PATH)
        start_response(status, headers)
        return [body]


class ByPort:
    """Parts requests by the port that they came in by.

    Args:
        port: the one that counts, as WSGI writes it.
        there: serves what comes in by it.
        elsewhere: serves all other calls.
    """

    def __init__(self, port: str, there: WSGIApplication, elsewhere: WSGIApplication) -> None:
        self._port = port
        self._there = there
        self._elsewhere = elsewhere

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        is_there = environ["SERVER_PORT"] == self._port
        return (self._there if is_there else self._elsewhere)(environ, start_response)
