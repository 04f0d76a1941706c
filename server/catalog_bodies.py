"""Bodies that hold a catalog or a patch of one: small ones are decoded, large ones handed on."""

from __future__ import annotations

from typing import Any

import msgspec

from bandit.catalog.apart import APART_FROM_BYTES
from server.catalog_admin import UndecodedBody
from server.codec import Encoding, RequestDecoder


class CatalogBodyDecoder(RequestDecoder[Any]):
    """Decodes what can be decoded without holding up other requests of the worker."""

    def decode(self, body: bytes | msgspec.Raw, encoding: Encoding) -> Any:
        """Return the request that the body holds, or the body itself if it is large.

        Raises:
            BodySyntaxError: the body is not well-formed, or nested beyond reason.
            BodyInvalidError: the body is well-formed and wrong; names the field.
        """
        if len(body) >= APART_FROM_BYTES:
            return UndecodedBody(bytes(body), encoding.name)
        return super().decode(body, encoding)
