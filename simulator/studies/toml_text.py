"""Changes a TOML file's text as little as may be, so that its comments and order stay.

The text is changed line by line, and what comes out is read again: unless it says exactly what was
wanted, the whole is written anew from its data, without the comments.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from bandit.config.reference import toml_literal

_HEADER: Final = re.compile(r"^\s*\[([^\[\]]+)\]\s*(?:#.*)?$")
_LINE: Final = re.compile(r"^(\s*)([\w.-]+)(\s*=\s*)(.*?)(\s*#.*)?$")

Data = Mapping[str, Any]


def rewritten(text: str, wanted: Data) -> str:
    """Return the text changed so that it says ``wanted``."""
    try:
        before = tomllib.loads(text)
        edited = _edited(text, dict(_leaves(before)), dict(_leaves(wanted)))
        if tomllib.loads(edited) == wanted:
            return edited
    except tomllib.TOMLDecodeError:
        # A line was not what it looked like, as in a text of several lines.
        pass
    return whole(wanted)


def whole(data: Data) -> str:
    """Write data as TOML."""
    return "\n".join(_section(data, "")).lstrip("\n") + "\n"


def _section(data: Data, path: str) -> Iterator[str]:
    values = {name: value for name, value in data.items() if not isinstance(value, Mapping)}
    if path and (values or not data):
        yield f"\n[{path}]"
    for name, value in values.items():
        yield f"{name} = {toml_literal(value)}"
    for name, value in data.items():
        if isinstance(value, Mapping):
            yield from _section(value, f"{path}.{name}" if path else name)


def _leaves(data: Data, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in data.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _edited(text: str, before: Data, after: Data) -> str:
    lines = text.splitlines()
    for key in before:
        if key not in after:
            lines = [line for place, line in enumerate(lines) if _key_at(lines, place) != key]
    for key, value in after.items():
        if key not in before or before[key] != value:
            lines = _with(lines, key, toml_literal(value))
    return "\n".join(lines) + "\n"


def _with(lines: list[str], key: str, literal: str) -> list[str]:
    for place, line in enumerate(lines):
        found = _LINE.match(line)
        if found and _key_at(lines, place) == key:
            indent, name, equals, _, comment = found.groups()
            changed = f"{indent}{name}{equals}{literal}{comment or ''}"
            return [*lines[:place], changed, *lines[place + 1 :]]
    section, _, name = key.rpartition(".")
    added = f"{name} = {literal}"
    ends = [
        place
        for place in range(len(lines))
        if lines[place].strip() and _section_at(lines, place) == section
    ]
    if ends:
        return [*lines[: ends[-1] + 1], added, *lines[ends[-1] + 1 :]]
    if not section:
        return [added, *lines]
    return [*lines, "", f"[{section}]", added]


def _key_at(lines: list[str], place: int) -> str | None:
    found = _LINE.match(lines[place])
    if found is None:
        return None
    section = _section_at(lines, place)
    return f"{section}.{found.group(2)}" if section else found.group(2)


def _section_at(lines: list[str], place: int) -> str:
    for line in reversed(lines[: place + 1]):
        if header := _HEADER.match(line):
            return header.group(1).strip()
    return ""
