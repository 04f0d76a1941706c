"""Compares decoded data with the configuration's types and finds every fault at once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from bandit.config.keys import (
    SECRET_KEYS,
    UNSET_WORD,
    Key,
    Table,
    in_words,
    may_be_unset,
    members,
    nearest,
    nearest_path,
    table_of,
)
from bandit.config.schema import Config

TEXT_SHOWN_MAX = 80
"""Longest excerpt of a wrong value in an error, in characters."""


class Problem(NamedTuple):
    """One fault, at a dotted path."""

    path: str
    message: str


def find_problems(data: Mapping[str, Any]) -> list[Problem]:
    """Return what is wrong with data that should be a :class:`Config`, in the data's order."""
    problems: list[Problem] = []
    _check_table(data, table_of(Config), "", problems)
    return problems


def with_unset(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data as ``msgspec.convert`` takes it: "none" made null, missing tags added."""
    return _prepare(data, table_of(Config))


def member_for(data: Mapping[str, Any], key: Key) -> Table | None:
    """Return the section that data for a key is meant to be, None for a tag that is unknown.

    A table of a tagged union that does not say its type is of the default's type.
    """
    tables = members(key.type)
    if len(tables) == 1 and tables[0].tag is None:
        return tables[0]
    tag = data.get(tables[0].tag_field or "")
    if tag is None and isinstance(key.default, msgspec.Struct):
        return table_of(type(key.default))
    return next((table for table in tables if table.tag == tag), None)


def _check_table(
    data: Mapping[str, Any], table: Table, prefix: str, problems: list[Problem]
) -> None:
    for name, value in data.items():
        if name == table.tag_field:
            continue
        path = f"{prefix}{name}"
        key = table.keys.get(name)
        if key is None:
            problems.append(Problem(path, _unknown(prefix, name, table)))
        elif members(key.type):
            _check_member(value, key, path, problems)
        else:
            problems.extend(_check_value(value, key, path))
    problems.extend(
        Problem(f"{prefix}{name}", f"missing; expected {in_words(key.type)}")
        for name, key in table.keys.items()
        if key.default is msgspec.NODEFAULT and name not in data
    )


def _unknown(prefix: str, name: str, table: Table) -> str:
    siblings = [*table.keys, *([table.tag_field] if table.tag_field else [])]
    near = nearest_path(prefix, name, siblings, Config)
    of_type = f" of type {table.tag}" if table.tag else ""
    return f"unknown key{of_type}" + (f"; did you mean {near}?" if near else "")


def _check_member(value: Any, key: Key, path: str, problems: list[Problem]) -> None:
    if not isinstance(value, Mapping):
        problems.append(Problem(path, _mismatch(value, key, path)))
        return
    table = member_for(value, key)
    if table is not None:
        _check_table(value, table, f"{path}.", problems)
        return
    tables = members(key.type)
    tag_field = tables[0].tag_field or ""
    tags = [str(each.tag) for each in tables]
    given = value.get(tag_field)
    near = nearest(given, tags) if isinstance(given, str) else None
    problems.append(
        Problem(
            f"{path}.{tag_field}",
            f"expected one of {', '.join(tags)}, got {_shown(given)}"
            + (f"; did you mean {near}?" if near else ""),
        )
    )


def _check_value(value: Any, key: Key, path: str) -> list[Problem]:
    if value == UNSET_WORD and may_be_unset(key.type):
        return []
    try:
        msgspec.convert(value, key.annotation, strict=True)
    except msgspec.ValidationError:
        return [Problem(path, _mismatch(value, key, path))]
    if isinstance(value, float) and not math.isfinite(value):
        return [Problem(path, f"expected a finite number, got {value}")]
    return []


def _mismatch(value: Any, key: Key, path: str) -> str:
    given = f"a {_kind_name(value)}" if path in SECRET_KEYS else _shown(value)
    return f"expected {in_words(key.type)}, got {given}"


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a table"
    text = repr(value) if isinstance(value, str) else str(value)
    if isinstance(value, bool):
        text = text.lower()
    if len(text) > TEXT_SHOWN_MAX:
        text = text[:TEXT_SHOWN_MAX] + "…"
    return f"{text} ({_kind_name(value)})"


def _kind_name(value: Any) -> str:
    names = {bool: "boolean", int: "whole number", float: "number", str: "text", list: "list"}
    return names.get(type(value), "table" if isinstance(value, Mapping) else "date or time")


def _prepare(data: Mapping[str, Any], table: Table) -> dict[str, Any]:
    prepared: dict[str, Any] = dict(data)
    for name, value in data.items():
        key = table.keys.get(name)
        if key is None:
            continue
        if members(key.type):
            member = member_for(value, key)
            if member is not None:
                prepared[name] = _prepare(value, member)
                if member.tag_field is not None:
                    prepared[name][member.tag_field] = member.tag
        elif value == UNSET_WORD and may_be_unset(key.type):
            prepared[name] = None
    return prepared
