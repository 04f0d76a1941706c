"""What is answered to a request whose head cannot be understood, where gunicorn has it otherwise.

A body whose last transfer coding is not ``chunked`` has no length that anybody can tell, and the
answer to it is 400 (RFC 9112, 6.3). gunicorn answers 501, which counts as a failure of ours.
"""

from __future__ import annotations

from typing import Any

from gunicorn.http.errors import InvalidHeader, UnsupportedTransferCoding


class RefusedHeads:
    """Goes before a worker class of gunicorn's."""

    def handle_error(self, request: Any, client: Any, address: Any, error: Exception) -> None:
        """Answer a request that cannot be read, or that failed."""
        if isinstance(error, UnsupportedTransferCoding):
            error = InvalidHeader(f"Transfer-Encoding: {error}")
        following: Any = super()
        following.handle_error(request, client, address, error)
