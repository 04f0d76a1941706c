"""Reading a request's body, no further than it may go.

The length must be announced: a server that reads a chunked body as it comes either reads without
end or cuts it off unseen. Nothing is read of a body that announces more than is allowed.
"""

from __future__ import annotations

from typing import IO, Any, Final

from server.errors import BodyLengthError, BodyTooLargeError, LengthRequiredError

_PART_BYTES: Final = 65_536


def announced_length(environ: dict[str, Any], bytes_max: int, limit_key: str) -> int:
    """Return how many bytes the body of a WSGI request has.

    ``limit_key`` is the configuration's name of ``bytes_max``.

    Raises:
        LengthRequiredError: no length was announced.
        BodyLengthError: the length is not a number.
        BodyTooLargeError: the length is above ``bytes_max``.
    """
    announced = environ.get("CONTENT_LENGTH", "")
    if not announced or "HTTP_TRANSFER_ENCODING" in environ:
        raise LengthRequiredError(
            "the body's length was not announced",
            hint="send a Content-Length header, not Transfer-Encoding: chunked",
        )
    if not (announced.isascii() and announced.isdigit()):
        raise BodyLengthError(
            "Content-Length is not a number of bytes", hint="send the body's length in digits"
        )
    # A number of so many digits is too large; turning it into an int would take its time.
    length = int(announced) if len(announced) <= 18 else bytes_max + 1
    if length > bytes_max:
        raise BodyTooLargeError(
            f"a body of {announced[:32]} bytes is larger than the {bytes_max} allowed",
            hint=f"send less at once, or raise {limit_key} in the configuration",
        )
    return length


def read_body(environ: dict[str, Any], bytes_max: int, limit_key: str) -> bytes:
    """Return the whole body of a WSGI request.

    Raises:
        LengthRequiredError, BodyTooLargeError: as :func:`announced_length` does.
        BodyLengthError: the length is not a number, or the body ended before it.
    """
    length = announced_length(environ, bytes_max, limit_key)
    body = _read(environ, length)
    if len(body) < length:
        raise _ended(len(body), length)
    return body


def copy_body(environ: dict[str, Any], length: int, file: IO[bytes]) -> None:
    """Write a body of the announced length to a file, in small parts.

    A body of 200 MB in one piece takes seven times as long, and holds other threads up while its
    memory is got and given back.

    Raises:
        BodyLengthError: the body ended before its length.
        OSError: the file cannot be written.
    """
    copied = 0
    while copied < length:
        part = _read(environ, min(_PART_BYTES, length - copied))
        if not part:
            raise _ended(copied, length)
        file.write(part)
        copied += len(part)


def _read(environ: dict[str, Any], length: int) -> bytes:
    try:
        part: bytes = environ["wsgi.input"].read(length)
    except OSError as error:
        raise BodyLengthError(
            f"the connection failed within the body: {error}", hint="send the request again"
        ) from error
    return part


def _ended(after: int, length: int) -> BodyLengthError:
    return BodyLengthError(
        f"the body ended after {after} of {length} bytes",
        hint="send as many bytes as Content-Length says",
    )
