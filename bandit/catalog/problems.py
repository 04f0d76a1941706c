"""Many faults, one error: whoever mends a catalog wants to see all of them at once.

A list of faults ends at :data:`PROBLEMS_MAX`, so that a file that is wrong throughout costs no more
than its first page.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from bandit.decode_faults import Hints, decode_fault
from bandit.errors import CatalogError

PROBLEMS_MAX: Final = 20
"""Most faults that one error lists."""


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


_FORMAT: Final = (
    'a title is {"id", "features", "artworks": [{"id", "features"}]}, a row {"id", "features", '
    '"titles": [id]}, in well-formed JSON or MessagePack'
)
_HINTS: Final[Hints] = (
    (
        "unknown field",
        "take it out, or correct its spelling: the fields are id, features, and artworks for a "
        "title, titles for a row",
    ),
    ("array` of length", "give a title between 1 and 64 artworks"),
    ("Invalid value", 'give each object "kind": "title" or "kind": "row"'),
    ("nested", "a catalog needs no more than six levels"),
)


def decoding_problem(
    error: Exception, content: bytes, decode_untyped: Callable[[bytes], Any], where: str = ""
) -> Problem:
    """Return the fault behind a decoder's error on ``content``, with its field.

    ``where`` stands before the field: a file, or file and line.
    """
    fault = decode_fault(error, content, decode_untyped)
    place = " ".join(part for part in (where, fault.path) if part)
    return Problem(place, fault.message, fault.hint(_HINTS, _FORMAT))
