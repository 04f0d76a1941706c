"""From what is valid to what is nearly so: changed bytes, and changed values before encoding.

All chance comes from the ``Random`` that is passed in, so that a seed tells the whole story.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import msgspec

SLICE_MAX = 64
"""Most bytes that one change moves, doubles, removes or makes up."""


def mutated(data: bytes, others: Sequence[bytes], random: Random) -> bytes:
    """Return the bytes after one to three changes; ``others`` are there to splice with."""
    for _ in range(random.randint(1, 3)):
        data = random.choice(_BYTE_CHANGES)(data, others, random)
    return data


def _flip(data: bytes, _others: Sequence[bytes], random: Random) -> bytes:
    if not data:
        return data
    changed = bytearray(data)
    for _ in range(random.randint(1, 4)):
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def _truncate(data: bytes, _others: Sequence[bytes], random: Random) -> bytes:
    return data[: random.randint(0, len(data))]


def _splice(data: bytes, others: Sequence[bytes], random: Random) -> bytes:
    other = random.choice(others) if others else data
    return data[: random.randint(0, len(data))] + other[random.randint(0, len(other)) :]


def _insert(data: bytes, _others: Sequence[bytes], random: Random) -> bytes:
    at = random.randint(0, len(data))
    return data[:at] + random.randbytes(random.randint(1, SLICE_MAX)) + data[at:]


def _remove(data: bytes, _others: Sequence[bytes], random: Random) -> bytes:
    at = random.randint(0, len(data))
    return data[:at] + data[at + random.randint(1, SLICE_MAX) :]


def _double(data: bytes, _others: Sequence[bytes], random: Random) -> bytes:
    at = random.randint(0, len(data))
    part = data[at : at + random.randint(1, SLICE_MAX)]
    return data[:at] + part * random.randint(1, 8) + data[at:]


def _overwrite(data: bytes, _others: Sequence[bytes], random: Random) -> bytes:
    """Put in the words of both encodings where sizes, kinds and numbers may stand."""
    at = random.randint(0, len(data))
    return data[:at] + random.choice(_WORDS) + data[at + random.randint(0, 5) :]


_BYTE_CHANGES: tuple[Callable[[bytes, Sequence[bytes], Random], bytes], ...] = (
    _flip,
    _truncate,
    _splice,
    _insert,
    _remove,
    _double,
    _overwrite,
)

_WORDS: tuple[bytes, ...] = (
    b"\xdd\xff\xff\xff\xff",  # an array, a map, text, bytes and an extension of 4 G
    b"\xdf\xff\xff\xff\xff",
    b"\xdb\xff\xff\xff\xff",
    b"\xc6\xff\xff\xff\xff",
    b"\xc9\xff\xff\xff\xff\x01",
    b"\xc1",
    b"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00",  # NaN, Inf, -0.0
    b"\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00",
    b"\xcb\x80\x00\x00\x00\x00\x00\x00\x00",
    b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\xd3\x80\x00\x00\x00\x00\x00\x00\x00",
    b"\xd6\xff\xff\xff\xff\xff",  # a time
    b"\x91" * 600,
    b"[" * 600,
    b'{"a":' * 600,
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"-1e-400",
    b"9" * 400,
    b'"\\ud800"',
    b'"\\u0000"',
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",  # a lone surrogate as bytes
    b"\xc0\x80",  # an overlong zero
    b"null",
    b"\x00",
    b"\r\n\r\n",
)

NASTY: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    -0.0,
    1e308,
    -1e308,
    5e-324,
    2**31,
    2**63 - 1,
    2**64 - 1,
    -(2**63),
    math.nan,
    math.inf,
    -math.inf,
    "",
    " ",
    "a b",
    "a|b",
    "a:b",
    "a\nb",
    "\x00",
    "../../../etc/passwd",
    "ﬀ’\u202e\U0001f3ac",
    "x" * 257,
    "x" * 5000,
    [],
    {},
    [[]],
    [[[[[[[[1]]]]]]]],
    {"a": {"b": {"c": {"d": 1}}}},
    [1, "a"],
    ["a"] * 300,
    [0.5] * 300,
    {f"f{index}": index for index in range(300)},
)
"""Values that stand where others are meant to."""


def with_nasty_value(value: Any, random: Random) -> Any:
    """Return a copy in which one to three places hold something else, or are gone or doubled."""
    changed = copy.deepcopy(value)
    for _ in range(random.randint(1, 3)):
        holder, key = _somewhere(changed, random)
        if holder is None:
            return random.choice(NASTY)
        _change(holder, key, random)
    return changed


def _somewhere(value: Any, random: Random) -> tuple[Any, Any]:
    """Return a container within a value and a key of it, at any depth."""
    places = []
    waiting = [value]
    while waiting:
        container = waiting.pop()
        keys = container.keys() if isinstance(container, dict) else range(len(container))
        for key in keys:
            places.append((container, key))
            if isinstance(container[key], dict | list):
                waiting.append(container[key])
    return random.choice(places) if places else (None, None)


def _change(holder: Any, key: Any, random: Random) -> None:
    nasty = copy.deepcopy(random.choice(NASTY))
    kind = random.randrange(5)
    if kind == 0 and isinstance(holder, dict):
        holder[str(nasty)[:300]] = holder.pop(key)
    elif kind == 1 and isinstance(holder, dict):
        holder[f"{key}2"] = nasty
    elif kind == 2 and isinstance(holder, list):
        holder.extend(copy.deepcopy(holder[key]) for _ in range(random.choice((1, 70))))
    elif kind == 3:
        del holder[key]
    else:
        holder[key] = nasty


def encoded(value: Any, kind: str) -> bytes:
    """Encode as a careless client does: NaN, lone surrogates and all go out as they are."""
    if kind == "msgpack":
        return msgspec.msgpack.encode(value)
    return json.dumps(value).encode()
