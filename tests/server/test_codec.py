"""Choosing encodings, and decoding bodies into requests or into errors that help."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bandit.catalog import CatalogDocument, CatalogPatch
from bandit.config.schema import LimitsConfig
from server.codec import JSON, MSGPACK, Encoding, RequestDecoder, depth_of, encoding_of, negotiate
from server.errors import BodyInvalidError, BodySyntaxError, MediaTypeError, NotAcceptableError
from server.route_table import ROUTES
from server.wire import FeedbackEvent, FeedbackRequest, RankBatchRequest, RankRequest

BOTH = pytest.mark.parametrize("encoding", [JSON, MSGPACK], ids=lambda one: one.name)


@pytest.mark.parametrize(
    ("content_type", "encoding"),
    [
        ("application/json", JSON),
        ("application/json; charset=utf-8", JSON),
        ("Application/JSON", JSON),
        ("application/msgpack", MSGPACK),
        ("application/x-msgpack", MSGPACK),
        ("application/vnd.msgpack", MSGPACK),
    ],
)
def test_content_types(content_type: str, encoding: Encoding) -> None:
    assert encoding_of(content_type) is encoding


@pytest.mark.parametrize("content_type", [None, "", "text/plain", "application/jsonp", "json"])
def test_unknown_content_types_are_refused(content_type: str | None) -> None:
    with pytest.raises(MediaTypeError):
        encoding_of(content_type)


@pytest.mark.parametrize(
    ("accept", "default", "expected"),
    [
        (None, JSON, JSON),
        (None, MSGPACK, MSGPACK),
        ("*/*", MSGPACK, MSGPACK),
        ("application/*", JSON, JSON),
        ("application/json", MSGPACK, JSON),
        ("application/x-msgpack", JSON, MSGPACK),
        ("application/json;q=0.5, application/msgpack", JSON, MSGPACK),
        ("application/json, application/msgpack;q=0.9", MSGPACK, JSON),
        ("application/json, application/msgpack", MSGPACK, MSGPACK),
        ("application/msgpack;q=0, */*", MSGPACK, JSON),
        ("text/html, */*;q=0.1", JSON, JSON),
        ("application/json;q=nonsense, application/msgpack;q=0.1", JSON, MSGPACK),
    ],
)
def test_accept(accept: str | None, default: Encoding, expected: Encoding) -> None:
    assert negotiate(accept, default) is expected


@pytest.mark.parametrize(
    "accept", ["text/html", "application/json;q=0, application/msgpack;q=0", "image/*"]
)
def test_nothing_acceptable(accept: str) -> None:
    with pytest.raises(NotAcceptableError):
        negotiate(accept, JSON)


def refused(encoding: Encoding, value: Any, request_type: Any = RankRequest) -> BodyInvalidError:
    with pytest.raises(BodyInvalidError) as caught:
        RequestDecoder(request_type, depth_max=16).decode(encoding.encode(value), encoding)
    return caught.value


@BOTH
@pytest.mark.parametrize(
    ("value", "field", "hint"),
    [
        ({"rows": [{"id": "a"}, {"id": ""}]}, "rows[1].id", "characters"),
        ({"rows": [{"id": "a" * 257}]}, "rows[0].id", "256 characters"),
        ({"viewer_id": "a|b"}, "viewer_id", "characters"),
        ({"decision_id": "a\n"}, "decision_id", "characters"),
        ({"titles": [{"id": "a b", "artworks": [{"id": "a"}]}]}, "titles[0].id", "characters"),
        ({"rows": [{}]}, "rows[0]", "add the field"),
        ({"contxt": {}}, None, "spelling"),
        ({"context": {"ok": 1, "x" * 257: 1}}, "context", "name features"),
        ({"rows": [{"id": "r", "features": {"a:b": 1}}]}, "rows[0].features", "name features"),
        ({"context": {"ok": 1, "bad": {"x": 1}}}, "context.bad", "number, a string"),
        ({"context": {"ok": 1, "bad": [1, None]}}, "context.bad[1]", ""),
        ({"context": {"big": 1e300}}, "context.big", "finite"),
        ({"context": {"text": "x" * 257}}, "context.text", "shorten"),
        ({"context": [1]}, "context", "shape"),
        ({"titles": [{"id": "t", "artworks": []}]}, "titles[0].artworks", "as many items"),
        ({"titles": [{"id": "t", "artworks": [{"id": "a", "features": {"f": True}}]}]},
         "titles[0].artworks[0].features.f", ""),
        ({"max_rows": 0}, "max_rows", "within the bound"),
        ([], None, "shape"),
    ],
)  # fmt: skip
def test_a_wrong_body_names_the_field_and_the_mend(
    encoding: Encoding, value: Any, field: str | None, hint: str
) -> None:
    error = refused(encoding, value)
    assert error.field == field
    assert hint in error.hint
    assert error.hint


@pytest.mark.parametrize("number", ["nan", "inf", "-inf"])
def test_numbers_that_are_not_finite_are_refused(number: str) -> None:
    assert refused(MSGPACK, {"context": {"x": float(number)}}).field == "context.x"


@BOTH
@pytest.mark.parametrize("body", [b"", b"{", b"\xc1", b'{"a"', b"\x82\xa1a"])
def test_malformed_bodies(encoding: Encoding, body: bytes) -> None:
    with pytest.raises((BodySyntaxError, BodyInvalidError)):
        RequestDecoder(RankRequest, depth_max=16).decode(body, encoding)


@BOTH
def test_what_follows_a_body_is_refused(encoding: Encoding) -> None:
    with pytest.raises(BodySyntaxError):
        RequestDecoder(RankRequest, depth_max=16).decode(encoding.encode({}) * 2, encoding)


@BOTH
def test_equal_requests_from_both_encodings(encoding: Encoding) -> None:
    value = {
        "viewer_id": "v",
        "context": {"hour": 21, "tastes": ["noir"], "vector": [0.5, -1.0]},
        "rows": [{"id": "r", "pinned": 0, "titles": ["t1"]}],
        "titles": [{"id": "t2", "artworks": [{"id": "a", "features": {"mood": "eerie"}}]}],
    }
    decoded = RequestDecoder(RankRequest, depth_max=16).decode(encoding.encode(value), encoding)
    assert decoded == msgspec.convert(value, RankRequest)


def nested(depth: int) -> dict[str, Any]:
    """A rank request with inline titles, nested as deep as told, 9 at most."""
    artwork = {"id": "a", "features": {"f": [1.0]} if depth == 9 else {"f": 1.0}}
    return {"rows": [{"id": "r", "titles": [{"id": "t", "artworks": [artwork]}]}]}


def test_the_depth_of_each_type() -> None:
    assert depth_of(FeedbackEvent) == 1
    assert depth_of(FeedbackRequest) == 2
    assert depth_of(RankRequest) == 9
    assert depth_of(CatalogDocument) == depth_of(CatalogPatch) == 7


def test_the_default_depth_is_above_what_any_type_needs() -> None:
    for route in ROUTES:
        if route.request:
            needed = depth_of(route.request) + (depth_of(route.item) if route.item else 0)
            assert needed <= LimitsConfig().depth_max, route.name


@BOTH
def test_a_tighter_depth_holds_for_both_encodings(encoding: Encoding) -> None:
    body = encoding.encode(nested(9))
    RequestDecoder(RankRequest, depth_max=9).decode(body, encoding)
    with pytest.raises(BodyInvalidError, match="deeper than 8"):
        RequestDecoder(RankRequest, depth_max=8).decode(body, encoding)
    RequestDecoder(RankRequest, depth_max=8).decode(encoding.encode(nested(8)), encoding)


@BOTH
def test_a_tighter_depth_holds_for_what_is_kept_undecoded(encoding: Encoding) -> None:
    body = encoding.encode({"pages": [nested(8)]})
    decoder = RequestDecoder(RankBatchRequest, depth_max=9, item=RankRequest)
    with pytest.raises(BodyInvalidError, match="deeper than 9"):
        decoder.decode(body, encoding)
    RequestDecoder(RankBatchRequest, depth_max=10, item=RankRequest).decode(body, encoding)
