"""Overrides from the environment: ``MARQUEE__SERVER__PORT=9000`` sets ``server.port``.

Two underscores part the names, which may be in any case. A value is read by the key's type: text
stands as it is, numbers and ``true``/``false`` are parsed, lists and tables are JSON or TOML
literals. What cannot be read as that is passed on as text, for the check of types to refuse.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from msgspec import inspect

from bandit.config.keys import Key, members, nearest_path, table_of, value_kinds, walk
from bandit.config.schema import Config
from bandit.config.validating import Problem

PREFIX: Final = "MARQUEE__"


class Override(NamedTuple):
    """One variable and the key it sets."""

    variable: str
    path: str
    value: Any


def read_overrides(environ: Mapping[str, str]) -> tuple[list[Override], list[Problem]]:
    """Return the overrides, outer tables before what lies in them, and what names no key."""
    keys = dict(walk(Config))
    overrides: list[Override] = []
    problems: list[Problem] = []
    for variable, text in environ.items():
        if not variable.upper().startswith(PREFIX):
            continue
        path = ".".join(variable[len(PREFIX) :].lower().split("__"))
        if path in keys:
            overrides.append(Override(variable, path, parse_value(text, keys[path])))
        else:
            problems.append(Problem(path, f"unknown key (from {variable}){_suggestion(path)}"))
    overrides.sort(key=lambda override: (override.path.count("."), override.path))
    return overrides, problems


def _suggestion(path: str) -> str:
    section, _, name = path.rpartition(".")
    prefix = f"{section}." if section else ""
    siblings = [
        known.rpartition(".")[2] for known, _ in walk(Config) if known.rpartition(".")[0] == section
    ]
    near = nearest_path(prefix, name, siblings or list(table_of(Config).keys), Config)
    return f"; did you mean {variable_name(near)}?" if near else ""


def variable_name(path: str) -> str:
    """Return the variable that sets a key.

    >>> variable_name("surfaces.artwork.model.bits")
    'MARQUEE__SURFACES__ARTWORK__MODEL__BITS'
    """
    return PREFIX + path.upper().replace(".", "__")


def parse_value(text: str, key: Key) -> Any:
    """Read a variable's text as the key's type asks for."""
    if members(key.type):
        return _literal(text)
    kinds = value_kinds(key.type)
    if any(_takes_text(kind) for kind in kinds):
        return text
    if any(isinstance(kind, inspect.BoolType) for kind in kinds):
        return {"true": True, "false": False}.get(text.strip().lower(), text)
    return _literal(text)


def _takes_text(kind: inspect.Type) -> bool:
    if isinstance(kind, inspect.LiteralType):
        return any(isinstance(value, str) for value in kind.values)
    return isinstance(kind, inspect.StrType)


def _literal(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        return text


def apply_override(data: dict[str, Any], override: Override) -> None:
    """Set one key in nested data; tables merge with what is there.

    Where the data holds something else than a table on the way, nothing is set: that is a fault
    by itself, which the check of types reports.
    """
    *sections, name = override.path.split(".")
    table = data
    for section in sections:
        inner = table.setdefault(section, {})
        if not isinstance(inner, dict):
            return
        table = inner
    if isinstance(override.value, dict) and isinstance(table.get(name), dict):
        table[name].update(override.value)
    else:
        table[name] = override.value
