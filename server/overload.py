"""What a client is told that comes when a worker has more to do than it may take on.

The answer is the same for everybody and made once: at that moment no time is spent on reading the
request, which is why it is JSON whatever was asked for. It ends the connection, as the request
behind it was not read.
"""

from __future__ import annotations

from typing import Final

import msgspec

from server.http_errors import PROBLEM_NAMESPACE
from server.wire import Problem

RETRY_AFTER_S: Final = 1

_BODY: Final = msgspec.json.encode(
    Problem(
        type=PROBLEM_NAMESPACE + "overloaded",
        title="Too many requests wait already",
        status=503,
        detail="all threads of this worker are busy, and as many requests wait as may",
        hint="try again after Retry-After; if it stays so, more workers are needed",
    )
)

OVERLOADED: Final = (
    b"HTTP/1.1 503 SERVICE UNAVAILABLE\r\n"
    b"Connection: close\r\n"
    b"Content-Type: application/problem+json\r\n"
    b"Content-Length: %d\r\n"
    b"Retry-After: %d\r\n"
    b"Cache-Control: no-store\r\n"
    b"X-Content-Type-Options: nosniff\r\n"
    b"\r\n" % (len(_BODY), RETRY_AFTER_S)
) + _BODY
