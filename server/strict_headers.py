"""What every answer tells browsers not to do with it.

- ``Cache-Control: no-store``: answers are of one viewer and one moment.
- ``X-Content-Type-Options: nosniff``: what is said to be JSON is never run as something else.
- ``Content-Security-Policy``: should an answer be opened as a page after all, it loads and runs
  nothing, is framed by nobody, and sends no form. A handler whose answer is a page gives a policy
  of its own among its reply's headers: each of these gives way to a header of the same name there.
- ``Referrer-Policy: no-referrer``: addresses may hold ids of decisions.
- ``Cross-Origin-Resource-Policy: same-origin``: other sites cannot embed an answer, as image or
  script, to look at what it leaves behind. It does not touch what CORS allows.

Left out: Strict-Transport-Security belongs to whoever ends TLS, the proxy in front;
X-Frame-Options says again what the policy says; X-XSS-Protection and Permissions-Policy mean
nothing to what is no page.

The last three cost 2 µs an answer of some 600, nearly all of it gunicorn's check of each header.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

Header = tuple[str, str]

STRICT: Final[tuple[Header, ...]] = (
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    (
        "Content-Security-Policy",
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)


def strict_beside(own: Mapping[str, str]) -> tuple[Header, ...]:
    """Return the strict headers but those that an answer has of its own."""
    if own.keys().isdisjoint(_NAMES):
        return STRICT
    return tuple(header for header in STRICT if header[0] not in own)


_NAMES: Final = frozenset(name for name, _ in STRICT)
