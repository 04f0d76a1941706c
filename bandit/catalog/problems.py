"""Many faults, one error: whoever mends a catalog wants to see all of them at once.

A list of faults ends at :data:`PROBLEMS_MAX`, so that a file that is wrong throughout costs no more
than its first page.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec

from bandit.errors import CatalogError
from bandit.types import FeatureName, FeatureValue

PROBLEMS_MAX: Final = 20
"""Most faults that one error lists."""

_PATH = re.compile(r"\A(?P<message>.*) - at (?:`key` in )?`\$(?P<path>.*)`\Z", re.DOTALL)
_STEP = re.compile(r"\.(?P<field>[^.\[]+)|\[(?P<index>\d+)\]")
_ANY_KEY: Final = "[...]"


class Problem(NamedTuple):
    """One fault."""

    place: str
    message: str
    hint: str

    def error(self) -> CatalogError:
        """Return the fault as an error of its own."""
        return CatalogError(self.place, self.message, hint=self.hint)


class Problems:
    """Collects faults and raises them together."""

    def __init__(self) -> None:
        self._found: list[Problem] = []

    def add(self, place: str, message: str, hint: str) -> None:
        """Note a fault.

        Raises:
            CatalogError: this was the last that one error can list.
        """
        self._found.append(Problem(place, message, hint))
        if len(self._found) >= PROBLEMS_MAX:
            self.raise_if_any()

    def raise_if_any(self) -> None:
        """Raise what was found, if anything was.

        Raises:
            CatalogError: at the place of the first fault, listing all of them.
        """
        if not self._found:
            return
        first, *others = self._found
        if not others:
            raise first.error()
        lines = [f"{first.message} ({first.hint})", *(str(other.error()) for other in others)]
        hint = f"mend these {len(self._found)} places and try again"
        if len(self._found) >= PROBLEMS_MAX:
            hint += "; what comes after them was not looked at"
        raise CatalogError(first.place, "\n".join(lines), hint=hint)


def decoding_problem(
    error: Exception, content: bytes, decode_untyped: Callable[[bytes], Any], where: str = ""
) -> Problem:
    """Return the fault behind a decoder's error on ``content``, with its field.

    msgspec does not tell which feature of a map is at fault; it is found by looking at the content
    once more with ``decode_untyped``. ``where`` stands before the field: a file, or file and line.
    """
    place, message = _place_of(error)
    if isinstance(error, msgspec.ValidationError):
        found = _feature_at_fault(place, content, decode_untyped)
        place, message = found or (place.split(_ANY_KEY)[0], message)
    parts = [part for part in (where, place.removeprefix(".")) if part]
    return Problem(" ".join(parts), message, _hint_for(message))


def _place_of(error: Exception) -> tuple[str, str]:
    """Split an error into the path of the field and the message."""
    if isinstance(error, RecursionError):
        return "", "nested too deep"
    match = _PATH.match(str(error))
    return (match["path"], match["message"]) if match else ("", str(error))


def _feature_at_fault(
    path: str, content: bytes, decode_untyped: Callable[[bytes], Any]
) -> tuple[str, str] | None:
    """Return the (path, message) of the first wrong feature in the map that ``path`` leads to."""
    holder = path.split(_ANY_KEY)[0]
    if not holder.endswith(".features"):
        return None
    try:
        value = decode_untyped(content)
        for step in _STEP.finditer(holder):
            value = value[step["field"]] if step["field"] else value[int(step["index"])]
    except (msgspec.MsgspecError, RecursionError, LookupError, TypeError, ValueError):
        # What follows the fault may be malformed besides, or give a field a second time.
        return None
    if not isinstance(value, dict):
        return None
    for name, feature in value.items():
        try:
            msgspec.convert(name, FeatureName)
        except msgspec.ValidationError as error:
            return holder, f"the feature name {str(name)[:80]!r} is not allowed: {error}"
        try:
            msgspec.convert(feature, FeatureValue)
        except msgspec.ValidationError as error:
            inner, message = _place_of(error)
            return f"{holder}.{name}{inner}", message
    return None


_FORMAT: Final = (
    'a title is {"id", "features", "artworks": [{"id", "features"}]}, a row {"id", "features", '
    '"titles": [id]}, in well-formed JSON or MessagePack'
)
_HINTS: Final = (
    ("required field", "add the field"),
    ("unknown field", "take it out, or correct its spelling: the fields are id, features, and "
     "artworks for a title, titles for a row"),
    ("is not allowed", "use 1 to 256 of A-Z a-z 0-9 _ . @ / - in a feature's name"),
    ("regex", "use 1 to 256 of the characters A-Z a-z 0-9 _ . : @ / -"),
    ("array` of length", "give a title between 1 and 64 artworks"),
    ("str` of length", "shorten the text to 256 characters"),
    ("float` ", "give a finite number between -1e9 and 1e9"),
    ("float |", "a feature is a number, a string, or a list of either"),
    ("Invalid value", 'give each object "kind": "title" or "kind": "row"'),
    ("nested", "a catalog needs no more than six levels"),
)  # fmt: skip


def _hint_for(message: str) -> str:
    for sign, hint in _HINTS:
        if sign in message:
            return hint
    return _FORMAT
