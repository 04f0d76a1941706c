"""Requests that mean harm, made from valid ones by a seed: bodies, lengths, encodings, headers."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from random import Random
from typing import Any, Final, NamedTuple

from tests.faults.mutations import encoded, mutated, with_nasty_value

MEDIA: Final = {"json": "application/json", "msgpack": "application/msgpack"}
TITLES: Final = [f"t{index}" for index in range(8)]
CATALOG: Final[dict[str, Any]] = {
    "titles": [
        {
            "id": name,
            "artworks": [{"id": f"{name}.{art}", "features": {"mood": f"m{art}"}} for art in "abc"],
            "features": {"genres": ["noir", "drama"], "year": 1945, "taste": [0.1, 0.2]},
        }
        for name in TITLES
    ],
    "rows": [{"id": f"r{index}", "features": {"kind": "k"}, "titles": TITLES} for index in (0, 1)],
}
_INLINE: Final = {"id": "own", "artworks": [{"id": "a"}, {"id": "b", "features": {"x": 1.5}}]}
_DEEP: Final = 100_000


class HostileRequest(NamedTuple):
    """A request as it goes over the wire; where it ``ends`` the connection is of no use after."""

    kind: str
    data: bytes
    ends: bool = False
    goes_alone: bool = False
    """A large catalog: the service works on one at a time, and says so to others by 503."""


class Hostile:
    """An endless source of hostile requests.

    ``decision`` is the answer to a page that was decided; the keys are those of the service.
    """

    def __init__(
        self, seed: str, client_key: str, admin_key: str, decision: Mapping[str, Any]
    ) -> None:
        self._random = Random(seed)
        self._keys = {"client": client_key, "admin": admin_key}
        self._token = str(decision["token"])
        self._decided = str(decision["decision_id"])
        self._made = 0
        self._bombs = _bombs()

    def next(self) -> HostileRequest:
        """Make one."""
        self._made += 1
        maker = self._random.choices(
            (self._bytes_changed, self._value_changed, self._noise, self._bomb, self._odd_head),
            (45, 35, 8, 6, 6),
        )[0]
        return maker()

    def _bytes_changed(self) -> HostileRequest:
        path, method, value = self._valid()
        kind = self._random.choice(("json", "msgpack"))
        others = [encoded(self._valid()[2], kind)]
        body = mutated(encoded(value, kind), others, self._random)
        return HostileRequest("bytes", self._request(method, path, body, MEDIA[kind]))

    def _value_changed(self) -> HostileRequest:
        path, method, value = self._valid()
        kind = self._random.choice(("json", "msgpack"))
        body = encoded(with_nasty_value(value, self._random), kind)
        return HostileRequest("values", self._request(method, path, body, MEDIA[kind]))

    def _noise(self) -> HostileRequest:
        path, method, _ = self._valid()
        body = self._random.randbytes(self._random.randint(0, 2000))
        media = self._random.choice(list(MEDIA.values()))
        return HostileRequest("noise", self._request(method, path, body, media))

    def _bomb(self) -> HostileRequest:
        path, media, body = self._random.choice(self._bombs)
        method = "PUT" if path == "/v1/catalog" else "POST"
        data = self._request(method, path, body, media)
        return HostileRequest("bombs", data, goes_alone=path == "/v1/catalog")

    def _odd_head(self) -> HostileRequest:
        path, method, value = self._valid()
        body = encoded(value, "json")
        head, sent, ends = self._random.choice(_odd_heads(body))
        lines = [f"{method} {path} HTTP/1.1", "Host: h", *self._key_lines(path), *head]
        data = "\r\n".join([*lines, "", ""]).encode("latin-1") + sent
        return HostileRequest("heads", data, ends, goes_alone=path == "/v1/catalog")

    def _valid(self) -> tuple[str, str, Any]:
        """Return path, method and body of a request that the service takes."""
        made, random = self._made, self._random
        page = {
            "viewer_id": f"v{random.randrange(40)}",
            "decision_id": f"d-{random.getrandbits(40):x}",
            "context": {"hour": 21.5, "device": "tv", "tastes": ["noir"], "vector": [0.1, -2]},
            "rows": [
                {"id": "r0", "titles": TITLES[:4], "features": {"kind": "k"}},
                {"id": "r1", "pinned": 0, "titles": [TITLES[5], _INLINE]},
            ],
            "titles": [TITLES[6]],
            "max_rows": 2,
            "defer": made % 5 == 0,
        }
        event = {
            "event_id": f"e-{random.getrandbits(40):x}",
            "decision_id": self._decided,
            "token": self._token,
            "type": random.choice(("impression", "click", "play")),
            "title": "t0",
            "row": "r0",
            "seconds": 100.5,
            "fraction": 0.5,
            "at": 1.7e9,
        }
        return random.choices(
            (
                ("/v1/rank", "POST", page),
                ("/v1/rank/batch", "POST", {"pages": [page, {**page, "decision_id": None}]}),
                ("/v1/feedback", "POST", {"events": [event, {**event, "event_id": f"f{made}"}]}),
                ("/v1/catalog", "PUT", CATALOG),
                ("/v1/catalog", "PATCH", {"titles": CATALOG["titles"][:1], "remove_rows": ["r9"]}),
            ),
            (40, 15, 35, 5, 5),
        )[0]

    def _request(self, method: str, path: str, body: bytes, media: str) -> bytes:
        lines = [
            f"{method} {path} HTTP/1.1",
            "Host: h",
            *self._key_lines(path),
            f"Content-Type: {media}",
            f"Content-Length: {len(body)}",
        ]
        return "\r\n".join([*lines, "", ""]).encode() + body

    def _key_lines(self, path: str) -> list[str]:
        role = "admin" if path == "/v1/catalog" else "client"
        return [f"X-API-Key: {self._keys[role]}"] if self._random.random() < 0.97 else []


def _odd_heads(body: bytes) -> list[tuple[list[str], bytes, bool]]:
    """Return header lines, what is sent after them, and whether the connection ends with it."""
    size, json = len(body), "Content-Type: application/json"
    right = f"Content-Length: {size}"
    chunked = f"{size:x}\r\n".encode() + body + b"\r\n0\r\n\r\n"
    return [
        ([json, "Content-Length: 3000000"], b"", True),
        ([json, f"Content-Length: {'9' * 300}"], b"", True),
        ([json, "Content-Length: -1"], b"", True),
        ([json, "Content-Length: 1e3"], b"", True),
        ([json, right, "Content-Length: 1"], body, True),
        ([json, f"Content-Length: {size - 1}"], body, True),
        ([json, f"Content-Length: {size + 9}"], body, True),
        ([json], b"", True),
        ([json, "Transfer-Encoding: chunked"], chunked, True),
        ([json, right, "Transfer-Encoding: chunked"], chunked, True),
        ([json, "Transfer-Encoding: gzip, chunked"], chunked, True),
        ([json, "Transfer-Encoding: xchunked", right], body, True),
        ([json, "Content-Encoding: gzip", right], body, False),
        ([json, "Content-Encoding: deflate", f"Content-Length: {len(zlib.compress(body))}"],
         zlib.compress(body), False),
        (["Content-Type: application/json; charset=utf-16", right], body, False),
        (["Content-Type: application/xml", right], body, False),
        (["Content-Type: " + "a" * 3000, right], body, False),
        ([right], body, False),
        ([json, right, "Accept: " + "a/b;q=9e9," * 300 + "*/*;q=x"], body, False),
        ([json, right, "Accept: application/msgpack;q=nan"], body, False),
        ([json, right, "If-Match: " + '"' * 500], body, False),
        ([json, right, "X-Request-Id: \xe4\xff\x80 {}|:"], body, False),
        ([json, right, "X-Request-Id: " + "../" * 200], body, False),
        ([json, right, "Authorization: Bearer \xff\xfe"], body, False),
        ([json, right, "Authorization: Basic " + "A" * 4000], body, False),
        ([json, right, "Expect: 100-continue"], body, True),
        ([json, right, "Expect: 200-nothing"], body, True),
        ([json, right, "X-Long: " + "x" * 9000], body, True),
        ([json, right, *(f"X-{index}: y" for index in range(200))], body, True),
        ([json, right, "Bad Header"], body, True),
        ([json, right, "Connection: upgrade", "Upgrade: h2c"], body, True),
    ]  # fmt: skip


def _keyed(name: str, value: bytes) -> bytes:
    return b"\x81" + encoded(name, "msgpack") + value


def _bombs() -> list[tuple[str, str, bytes]]:
    """Return bodies that promise or nest far more than they hold."""
    json, msgpack = MEDIA["json"], MEDIA["msgpack"]
    many = struct.pack(">BI", 0xDD, 1 << 20)
    return [
        ("/v1/rank", json, b'{"context":{"a":' + b"[" * _DEEP + b"]" * _DEEP + b"}}"),
        ("/v1/rank", json, b'{"context":' * _DEEP),
        ("/v1/rank", json, b"[" * _DEEP),
        ("/v1/rank/batch", json, b'{"pages":[' + b"[" * _DEEP),
        ("/v1/feedback", json, b'{"events":[' + b'{"a":' * _DEEP),
        ("/v1/rank", msgpack, _keyed("context", _keyed("a", b"\x91" * _DEEP))),
        ("/v1/rank/batch", msgpack, _keyed("pages", b"\x91" * _DEEP)),
        ("/v1/feedback", msgpack, _keyed("events", b"\x81\xa1a" * _DEEP)),
        ("/v1/rank", msgpack, _keyed("rows", b"\xdd\xff\xff\xff\xff")),
        ("/v1/rank/batch", msgpack, _keyed("pages", b"\xdd\xff\xff\xff\xff" + b"\xc0" * 1000)),
        ("/v1/rank/batch", msgpack, _keyed("pages", many * 20_000)),
        ("/v1/feedback", msgpack, _keyed("events", b"\xdd\x0f\xff\xff\xff")),
        ("/v1/rank", msgpack, b"\xdf\xff\xff\xff\xff"),
        ("/v1/rank", msgpack, b"\x81\x01\x02"),
        ("/v1/rank", msgpack, _keyed("context", b"\x81\x01\x02")),
        ("/v1/rank", msgpack, _keyed("viewer_id", b"\xdb\xff\xff\xff\xffab")),
        ("/v1/rank", msgpack, _keyed("rows", b"\x90") + b"\xc0"),
        ("/v1/rank", json, b'{"rows":[{"id":"a"}]}{"rows":[]}'),
        ("/v1/rank", json, b'{"rows":[{"id":"a"}],"rows":[{"id":"b"}]}'),
        ("/v1/rank", json, b'{"context":{"a":1,"a":2,"a":[]},"titles":["t0"]}'),
        ("/v1/rank", json, b'{"max_rows":' + b"9" * 100_000 + b"}"),
        ("/v1/rank", json, b'{"context":{"a":' + b"0." + b"1" * 100_000 + b"}}"),
        ("/v1/rank", json, b'{"titles":[' + b'"t0",' * 20_000 + b'"t0"]}'),
        ("/v1/rank", json, b'{"context":{' + b'"a":1,' * 20_000 + b'"b":1}}'),
        ("/v1/rank", json, b" " * 200_000),
        ("/v1/rank", json, b'"' + b"\\u0000" * 20_000 + b'"'),
        ("/v1/rank/batch", json, b'{"pages":[' + b"0," * 100_000 + b"0]}"),
        ("/v1/feedback", json, b'{"events":[' + b"{}," * 999 + b"{}]}"),
        ("/v1/feedback", json, b'{"events":[{"token":"' + b"A" * 100_000 + b'"}]}'),
        ("/v1/catalog", json, b'{"titles":[' + b"[" * _DEEP),
        ("/v1/catalog", msgpack, _keyed("titles", b"\xdd\xff\xff\xff\xff")),
        ("/v1/catalog", json, b'{"titles":[' + b"0," * 300_000 + b"0]}"),
        ("/v1/catalog", msgpack, _keyed("titles", b"\x91" * 600_000)),
    ]
