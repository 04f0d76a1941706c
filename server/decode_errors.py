"""From a decoder's error to one that names the field at fault and says how to mend it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from bandit.decode_faults import Hints, decode_fault
from server.errors import BodyInvalidError

_SEARCHED_BYTES_MAX: Final = 262_144
"""Larger bodies are not looked at again to find which feature is at fault: an error stays cheap."""

_HINTS: Final[Hints] = (
    (
        "unknown field",
        "take it out or correct its spelling; GET /openapi.json lists the fields of each request",
    ),
    ("array` of length", "send as many items as the message says"),
    ("str` of length >= 1", "use 1 to 256 of the characters A-Z a-z 0-9 _ . : @ / -"),
    ("enum value", "GET /openapi.json lists the values that the field takes"),
)
_ANY_HINT: Final = "GET /openapi.json shows the shape of each request"


def invalid_body(
    error: msgspec.ValidationError,
    body: bytes | msgspec.Raw,
    decode_untyped: Callable[[bytes], Any],
) -> BodyInvalidError:
    """Turn a decoder's error into one that names the field."""
    fault = decode_fault(error, body, decode_untyped, searched_bytes_max=_SEARCHED_BYTES_MAX)
    hint = fault.hint(_HINTS, _ANY_HINT)
    return BodyInvalidError(fault.message, hint=hint, field=fault.path or None)
