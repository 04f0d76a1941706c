"""Bodies that hold a catalog or a patch of one: large ones are handed on, not read here."""

from __future__ import annotations

from functools import partial
from typing import Any

from bandit.catalog.apart import APART_FROM_BYTES
from server.body import announced_length, copy_body
from server.catalog_admin import UndecodedBody
from server.codec import Encoding


def large_body(
    environ: dict[str, Any], bytes_max: int, limit_key: str, encoding: Encoding
) -> UndecodedBody | None:
    """Return a large body, not read yet; None where it is small.

    Raises:
        LengthRequiredError, BodyLengthError, BodyTooLargeError: see :func:`announced_length`.
    """
    length = announced_length(environ, bytes_max, limit_key)
    if length < APART_FROM_BYTES:
        return None
    return UndecodedBody(partial(copy_body, environ, length), encoding.name)
