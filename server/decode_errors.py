"""From a decoder's error to one that names the field at fault and says how to mend it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec

from bandit.types import FeatureName, FeatureValue
from server.errors import BodyInvalidError

_SEARCHED_BYTES_MAX: Final = 262_144
"""Larger bodies are not looked at again to find which feature is at fault: an error stays cheap."""

_PLACED = re.compile(r"\A(?P<message>.*) - at (?P<key>`key` in )?`\$(?P<path>.*)`\Z", re.DOTALL)
_STEP = re.compile(r"\.(?P<field>[^.\[]+)|\[(?P<index>\d+)\]")
_SOME_KEY: Final = "[...]"

_HINTS: Final = (
    (
        "unknown field",
        "take it out or correct its spelling; GET /openapi.json lists the fields of each request",
    ),
    ("required field", "add the field"),
    ("[A-Za-z0-9_.@/-]", "name features with 1 to 256 of the characters A-Z a-z 0-9 _ . @ / -"),
    ("regex", "use 1 to 256 of the characters A-Z a-z 0-9 _ . : @ / -"),
    ("str` of length", "shorten the text"),
    ("array` of length", "send as many items as the message says"),
    ("float` ", "send a finite number within the bound"),
    ("int` ", "send a whole number within the bound"),
    ("out of range", "send a finite number of ordinary size"),
    ("`float | str | array`", "a feature is a number, a string, or a list of either"),
    ("enum value", "GET /openapi.json lists the values that the field takes"),
)
_ANY_HINT: Final = "GET /openapi.json shows the shape of each request"


def invalid_body(
    error: msgspec.ValidationError,
    body: bytes | msgspec.Raw,
    decode_untyped: Callable[[bytes], Any],
) -> BodyInvalidError:
    """Turn a decoder's error into one that names the field.

    msgspec does not say which feature of a map is at fault; it is found by decoding the body once
    more with ``decode_untyped``.
    """
    placed = _PLACED.match(str(error))
    message, path = (placed["message"], placed["path"]) if placed else (str(error), "")
    if placed and (placed["key"] or _SOME_KEY in path) and len(body) <= _SEARCHED_BYTES_MAX:
        holder = path.split(_SOME_KEY)[0]
        path, message = _feature_at_fault(holder, body, decode_untyped) or (holder, message)
    return BodyInvalidError(
        message, hint=_hint_for(message), field=path.replace(_SOME_KEY, "").lstrip(".") or None
    )


def _feature_at_fault(
    holder: str, body: bytes | msgspec.Raw, decode_untyped: Callable[[bytes], Any]
) -> tuple[str, str] | None:
    """Return path and message of the first wrong feature in the map that ``holder`` leads to."""
    try:
        value = decode_untyped(bytes(body))
        for step in _STEP.finditer(holder):
            value = value[step["field"] or int(step["index"])]
    except (ValueError, RecursionError, LookupError, TypeError, msgspec.MsgspecError):
        # What comes after the fault may be damaged as well; the typed decoder never got there.
        return None
    if not isinstance(value, dict):
        return None
    for name, feature in value.items():
        try:
            msgspec.convert(name, FeatureName)
        except msgspec.ValidationError as error:
            return holder, f"the feature name {str(name)[:80]!r} is refused: {error}"
        try:
            msgspec.convert(feature, FeatureValue)
        except msgspec.ValidationError as error:
            inner = _PLACED.match(str(error))
            where, message = (inner["path"], inner["message"]) if inner else ("", str(error))
            return f"{holder}.{name}{where}", message
    return None


def _hint_for(message: str) -> str:
    for sign, hint in _HINTS:
        if sign in message:
            return hint
    return _ANY_HINT
