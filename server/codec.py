"""Two encodings, one set of types: choosing an encoding, encoding answers, decoding requests.

Why there is no scan for depth before decoding: the types themselves bound it. A typed decoder
refuses the first array or map that stands where the type has none, without looking further, so
nothing nests deeper than the deepest request type does; what is kept undecoded at first (the items
of batches) is passed over under msgspec's own recursion guard and then decoded by its type. Only
where ``limits.depth_max`` is below the depth of a type does a second look at the body hold it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Generic, Literal, NamedTuple, TypeVar

import msgspec
from msgspec import inspect

from server.decode_errors import invalid_body
from server.errors import (
    BodyInvalidError,
    BodySyntaxError,
    MediaTypeError,
    NotAcceptableError,
)

T = TypeVar("T")
EncodingName = Literal["json", "msgpack"]


class Encoding(NamedTuple):
    """One way to put answers and problems into bytes."""

    name: EncodingName
    media_type: str
    problem_type: str
    encode: Callable[[Any], bytes]
    decode_untyped: Callable[[bytes], Any]


JSON: Final = Encoding(
    "json",
    "application/json",
    "application/problem+json",
    msgspec.json.Encoder().encode,
    msgspec.json.decode,
)
MSGPACK: Final = Encoding(
    "msgpack",
    "application/msgpack",
    "application/problem+msgpack",
    msgspec.msgpack.Encoder().encode,
    msgspec.msgpack.decode,
)

ENCODINGS: Final[dict[str, Encoding]] = {
    "application/json": JSON,
    "application/msgpack": MSGPACK,
    "application/x-msgpack": MSGPACK,
    "application/vnd.msgpack": MSGPACK,
}
"""Encodings by the media types that name them; each answers under its own ``media_type``."""


def encoding_of(content_type: str | None) -> Encoding:
    """Return the encoding that a Content-Type names.

    Raises:
        MediaTypeError: it names none of ours, or is missing.
    """
    exact = ENCODINGS.get(content_type or "")
    if exact is not None:
        return exact
    name = (content_type or "").partition(";")[0].strip().lower()
    found = ENCODINGS.get(name)
    if found is None:
        raise MediaTypeError(
            f"a body of type {name[:80]!r} cannot be read" if name else "Content-Type is missing",
            hint="set Content-Type to application/json or application/msgpack",
        )
    return found


def negotiate(accept: str | None, default: Encoding) -> Encoding:
    """Return the encoding that an Accept header prefers; ``default`` if it does not care.

    Raises:
        NotAcceptableError: it excludes both.
    """
    if not accept or accept == "*/*":
        return default
    exact = ENCODINGS.get(accept)
    if exact is not None:
        return exact
    ranges = [_media_range(part) for part in accept.split(",")]
    candidates = [default, MSGPACK if default is JSON else JSON]
    qualities = [_quality(encoding, ranges) for encoding in candidates]
    best = max(qualities)
    if best <= 0:
        raise NotAcceptableError(
            f"none of {accept[:80]!r} is on offer",
            hint="accept application/json or application/msgpack",
        )
    return candidates[qualities.index(best)]


def _media_range(part: str) -> tuple[str, float]:
    name, *parameters = (piece.strip().lower() for piece in part.split(";"))
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return name, float(parameter[2:])
            except ValueError:
                return name, 0.0
    return name, 1.0


def _quality(encoding: Encoding, ranges: list[tuple[str, float]]) -> float:
    """Return the quality of the most specific range that matches, 0 if none does."""
    for names in (
        {name for name, known in ENCODINGS.items() if known is encoding},
        {"application/*"},
        {"*/*"},
    ):
        matching = [quality for name, quality in ranges if name in names]
        if matching:
            return max(matching)
    return 0.0


class RequestDecoder(Generic[T]):
    """Decodes one type of request, or of an item of one, from either encoding."""

    def __init__(self, request_type: type[T], *, depth_max: int, item: type | None = None) -> None:
        self._depth_max = depth_max
        self._decode: dict[EncodingName, Callable[[Any], T]] = {
            "json": msgspec.json.Decoder(request_type).decode,
            "msgpack": msgspec.msgpack.Decoder(request_type).decode,
        }
        deepest = depth_of(request_type) + (depth_of(item) if item else 0)
        self._needs_depth_check = deepest > depth_max

    def decode(self, body: bytes | msgspec.Raw, encoding: Encoding) -> T:
        """Return the request that the body holds.

        Raises:
            BodySyntaxError: the body is not well-formed, or nested beyond reason.
            BodyInvalidError: the body is well-formed and wrong; names the field.
        """
        try:
            request = self._decode[encoding.name](body)
            if self._needs_depth_check:
                self._check_depth(body, encoding)
        except msgspec.ValidationError as error:
            raise invalid_body(error, body, encoding.decode_untyped) from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BodySyntaxError(
                f"the body is not well-formed: {error}",
                hint=f"send one {encoding.media_type} value with strings in UTF-8, and nothing "
                "after it",
            ) from error
        except RecursionError as error:
            raise BodySyntaxError(
                "the body is nested beyond reason",
                hint="GET /openapi.json shows the shape of each request",
            ) from error
        return request

    def _check_depth(self, body: bytes | msgspec.Raw, encoding: Encoding) -> None:
        if _nests_deeper(encoding.decode_untyped(bytes(body)), self._depth_max):
            raise BodyInvalidError(
                f"the body is nested deeper than {self._depth_max} levels",
                hint="send titles by id instead of inline, or raise limits.depth_max in the "
                "configuration",
            )


def _nests_deeper(value: Any, depth_max: int) -> bool:
    level = [value]
    for _ in range(depth_max):
        containers = (member for member in level if isinstance(member, list | dict))
        level = [
            inner
            for container in containers
            for inner in (container.values() if isinstance(container, dict) else container)
        ]
    return any(isinstance(member, list | dict) for member in level)


def depth_of(any_type: Any) -> int:
    """Return how many arrays and maps nest at most in values of a type."""
    return _depth(inspect.type_info(any_type))


def _depth(info: inspect.Type) -> int:
    match info:
        case inspect.Metadata(type=inner):
            return _depth(inner)
        case inspect.StructType(fields=fields):
            return 1 + max((_depth(field.type) for field in fields), default=0)
        case inspect.ListType(item_type=inner) | inspect.DictType(value_type=inner):
            return 1 + _depth(inner)
        case inspect.UnionType(types=members):
            return max(_depth(member) for member in members)
    return 0
