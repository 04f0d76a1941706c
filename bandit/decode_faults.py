"""From a decoder's error on content from outside to the field at fault and the way to mend it.

msgspec tells the path to most faults, but not which feature of a map is wrong: that is found by
looking at the content once more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from bandit.types import FeatureName, FeatureValue

_PLACED = re.compile(r"\A(?P<message>.*) - at (?P<key>`key` in )?`\$(?P<path>.*)`\Z", re.DOTALL)
_STEP = re.compile(r"\.(?P<field>[^.\[]+)|\[(?P<index>\d+)\]")
_SOME_KEY: Final = "[...]"

Hints = Sequence[tuple[str, str]]
"""A part of a message, and what to do about it."""

_HINTS: Final[Hints] = (
    ("required field", "add the field"),
    ("[A-Za-z0-9_.@/-]", "name features with 1 to 256 of the characters A-Z a-z 0-9 _ . @ / -"),
    ("regex", "use 1 to 256 of the characters A-Z a-z 0-9 _ . : @ / -"),
    ("str` of length", "shorten the text to 256 characters"),
    ("float` ", "give a finite number within the bound"),
    ("int` ", "give a whole number within the bound"),
    ("out of range", "give a finite number of ordinary size"),
    ("`float | str", "a feature is a number, a string, or a list of either"),
)


class DecodeFault(NamedTuple):
    """What is wrong, and where."""

    path: str
    """As in ``titles[2].features.year``; empty where the whole is wrong."""
    message: str

    def hint(self, own: Hints, otherwise: str) -> str:
        """Return what to do: by ``own`` hints first, then by those that hold everywhere."""
        for sign, hint in (*own, *_HINTS):
            if sign in self.message:
                return hint
        return otherwise


def decode_fault(
    error: Exception,
    content: bytes | msgspec.Raw,
    decode_untyped: Callable[[bytes], Any],
    *,
    searched_bytes_max: int | None = None,
) -> DecodeFault:
    """Return the fault behind a typed decoder's error on ``content``.

    Content of more than ``searched_bytes_max`` is not looked at again with ``decode_untyped``.
    """
    if isinstance(error, RecursionError):
        return DecodeFault("", "nested too deep")
    placed = _PLACED.match(str(error))
    if placed is None:
        return DecodeFault("", str(error))
    path, message = placed["path"], placed["message"]
    if placed["key"] or _SOME_KEY in path:
        path = path.split(_SOME_KEY)[0]
        if searched_bytes_max is None or len(content) <= searched_bytes_max:
            path, message = _feature_at_fault(path, content, decode_untyped) or (path, message)
    return DecodeFault(path.removeprefix("."), message)


def _feature_at_fault(
    holder: str, content: bytes | msgspec.Raw, decode_untyped: Callable[[bytes], Any]
) -> tuple[str, str] | None:
    """Return path and message of the first wrong feature in the map that ``holder`` leads to."""
    try:
        value = decode_untyped(bytes(content))
        for step in _STEP.finditer(holder):
            value = value[step["field"] or int(step["index"])]
    except (msgspec.MsgspecError, RecursionError, LookupError, TypeError, ValueError):
        # What follows the fault may be damaged besides, or give a field a second time: the typed
        # decoder never got there.
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
