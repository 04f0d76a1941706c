"""The client's way over the network: one deadline over all tries, and what each outcome means.

A call is tried again when the connection failed, when no answer came in a try's time, and when the
server or a proxy said 429, 502, 503 or 504. It is never tried again when it was refused, nor past
its deadline. Every body carries the ids that make repeating it harmless.
"""

from __future__ import annotations

import random
import time
from typing import Any, Final, Literal, NamedTuple

import msgspec
import urllib3
from urllib3.exceptions import HTTPError

from server.wire import Problem

EncodingName = Literal["json", "msgpack"]

MEDIA_TYPES: Final[dict[EncodingName, str]] = {
    "json": "application/json",
    "msgpack": "application/msgpack",
}

_TRY_AGAIN: Final = frozenset({429, 502, 503, 504})
_BACKOFF_S: Final = 0.02
_BACKOFF_S_MAX: Final = 1.0
_CHUNK_BYTES: Final = 65_536


class ClientError(Exception):
    """The root of what the client raises."""


class NoAnswerError(ClientError):
    """No usable answer came before the deadline; ``reason`` tells the last try's fate."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class RequestRefusedError(ClientError):
    """The server refused the request; ``problem`` says why and what to do."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.status} {problem.title}: {problem.detail} ({problem.hint})")
        self.problem = problem


class Answer(NamedTuple):
    """A successful answer."""

    body: bytes
    media_type: str


class Patience(NamedTuple):
    """How long a call may take, and how often it is tried."""

    deadline_s: float
    """Seconds for all tries together."""
    retries: int
    """Tries after the first."""
    try_timeout_s: float | None = None
    """Seconds for one try; None for all that is left."""


class _TryAgainError(Exception):
    """One try failed in a way that another may not."""

    def __init__(self, reason: str, after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.after_s = after_s


class Transport:
    """Pooled connections to one server."""

    def __init__(
        self, base_url: str, *, api_key: str | None, encoding: EncodingName, connections: int
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._media_type = MEDIA_TYPES[encoding]
        self._encode = (
            msgspec.msgpack.Encoder() if encoding == "msgpack" else msgspec.json.Encoder()
        ).encode
        self._headers = {"Accept": self._media_type}
        if api_key is not None:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._pool = urllib3.PoolManager(maxsize=connections, retries=False)

    def call(
        self,
        method: str,
        path: str,
        asked: object = None,
        *,
        patience: Patience,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Send a request, with ``asked`` as its body unless that is None; return the answer.

        Raises:
            NoAnswerError: no usable answer came in time.
            RequestRefusedError: the server refused the request.
        """
        body = None if asked is None else self._encode(asked)
        sent = {**self._headers, **(headers or {})}
        if body is not None:
            sent["Content-Type"] = self._media_type
        ends = time.monotonic() + patience.deadline_s
        for attempt in range(patience.retries + 1):
            left = ends - time.monotonic()
            if left <= 0:
                break
            try:
                timeout_s = min(left, patience.try_timeout_s or left)
                return self._try(method, path, body, sent, timeout_s)
            except _TryAgainError as error:
                reason = error.reason
                wait = max(error.after_s, _backoff_s(attempt))
                if attempt == patience.retries or wait >= ends - time.monotonic():
                    raise NoAnswerError(reason) from error
                time.sleep(wait)
        raise NoAnswerError("the deadline passed")

    def close(self) -> None:
        """Close all connections."""
        self._pool.clear()

    def _try(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str], timeout_s: float
    ) -> Answer:
        ends = time.monotonic() + timeout_s
        try:
            response = self._pool.request(
                method,
                self._base_url + path,
                body=body,
                headers=headers,
                timeout=urllib3.Timeout(total=timeout_s),
                redirect=False,
                preload_content=False,
            )
            content = _read(response, ends)
        except (HTTPError, OSError) as error:
            raise _TryAgainError(f"{type(error).__name__}: {error}") from error
        media_type = response.headers.get("Content-Type", "").partition(";")[0].strip()
        return _judged(response, Answer(content, media_type))


def decode_answer(answer: Answer, answer_type: Any) -> Any:
    """Decode an answer by its media type.

    Raises:
        NoAnswerError: it is not what the server sends.
    """
    try:
        return _decoder(answer.media_type)(answer.body, type=answer_type)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise NoAnswerError(f"the answer cannot be read: {error}") from error


def _read(response: urllib3.BaseHTTPResponse, ends: float) -> bytes:
    """Read a body until the instant ``ends``, though it may come in drops."""
    chunks: list[bytes] = []
    try:
        while chunk := response.read1(_CHUNK_BYTES):
            chunks.append(chunk)
            _check_time(ends)
    except BaseException:
        response.close()
        raise
    response.release_conn()
    return b"".join(chunks)


def _check_time(ends: float) -> None:
    if time.monotonic() > ends:
        raise _TryAgainError("the answer came too slowly")


def _judged(response: urllib3.BaseHTTPResponse, answer: Answer) -> Answer:
    """Return the answer if it is a success.

    Raises:
        _TryAgainError: it says to try again.
        RequestRefusedError: it is a refusal.
        NoAnswerError: it is anything else.
    """
    status = response.status
    if 200 <= status < 300:
        return answer
    if status in _TRY_AGAIN:
        raise _TryAgainError(f"the server answered {status}", _retry_after_s(response))
    if 400 <= status < 500:
        raise RequestRefusedError(_problem(status, answer))
    raise NoAnswerError(f"the server answered {status}")


def _problem(status: int, answer: Answer) -> Problem:
    try:
        problem: Problem = _decoder(answer.media_type)(answer.body, type=Problem)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Problem(
            type="about:blank",
            title="Refused",
            status=status,
            detail="the answer is no problem document",
            hint="check that the base URL leads to Marquee",
        )
    return problem


def _decoder(media_type: str) -> Any:
    return msgspec.msgpack.decode if media_type.endswith("msgpack") else msgspec.json.decode


def _retry_after_s(response: urllib3.BaseHTTPResponse) -> float:
    """Return the seconds that Retry-After asks for, 0 if it is absent or a date."""
    given = response.headers.get("Retry-After", "")
    return float(given) if given.isascii() and given.isdigit() else 0.0


def _backoff_s(attempt: int) -> float:
    """Return a wait that doubles with each try, spread so that clients do not march in step."""
    spread = random.uniform(0.5, 1.0)  # noqa: S311 - no secret
    return min(_BACKOFF_S_MAX, _BACKOFF_S * 2.0**attempt) * spread
