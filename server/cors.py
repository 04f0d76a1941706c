"""Which pages of other sites may call from a browser: none, but those of ``server.cors_origins``.

They may send feedback, the one call for which a token is enough. Every other call needs an API key,
and a key in a page is everybody's; so ranking from a browser is not offered, and the hot path pays
nothing. Origins are compared as they stand, never by a pattern. Credentials are never allowed:
Marquee knows no cookies.

Where no origin is configured nothing of this exists: a preflight meets 405, as any other OPTIONS.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from server.dispatch import Answer, Endpoint, Environ, Path
from server.route_table import ROUTES
from server.strict_headers import Header

BROWSERS_CALL: Final = next(route for route in ROUTES if route.name == "feedback")
"""The call that pages of other sites may make."""

_MAX_AGE_S: Final = 600

_VARY: Final[Header] = ("Vary", "Origin")
_PREFLIGHT: Final[tuple[Header, ...]] = (
    ("Access-Control-Allow-Methods", BROWSERS_CALL.method),
    ("Access-Control-Allow-Headers", "Content-Type, X-Request-Id"),
    ("Access-Control-Max-Age", str(_MAX_AGE_S)),
)
_EXPOSED: Final[Header] = ("Access-Control-Expose-Headers", "Retry-After, X-Request-Id")


class CrossOrigin:
    """Lets pages of the configured origins read the answers to their calls."""

    def __init__(self, origins: Collection[str]) -> None:
        self._origins = frozenset(origins)

    def __call__(self, endpoint: Endpoint) -> Endpoint:
        """Return an endpoint whose answers the origins' pages may read."""

        def serve(environ: Environ, path: Path) -> Answer:
            return self._opened(environ, endpoint(environ, path), (_EXPOSED,))

        return serve

    def preflight(self, endpoint: Endpoint) -> Endpoint:
        """Return an endpoint that also tells the origins' browsers what they may send."""

        def serve(environ: Environ, path: Path) -> Answer:
            return self._opened(environ, endpoint(environ, path), _PREFLIGHT)

        return serve

    def _opened(self, environ: Environ, answer: Answer, more: tuple[Header, ...]) -> Answer:
        headers = [*answer.headers, _VARY]
        origin = environ.get("HTTP_ORIGIN")
        if origin in self._origins:
            headers += [("Access-Control-Allow-Origin", origin), *more]
        return answer._replace(headers=headers)
