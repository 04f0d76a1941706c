"""Settings laid over a configuration's data, by dotted key, as a TOML file holds it.

Where a setting changes the kind of a tagged table (``surfaces.artwork.exploration.type``), keys of
the former kind that the new one does not know are dropped, so that what results is lawful.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import msgspec

from bandit.config import Config
from bandit.config.keys import UNSET_WORD, Key, Table, members, nearest, table_of, walk
from bandit.errors import ConfigError

Value = float | int | str | bool | None
Data = dict[str, Any]

ABSENT: Final = object()


@cache
def _keys() -> tuple[tuple[str, Key], ...]:
    return tuple(walk(Config))


def get(data: Mapping[str, Any], key: str) -> Any:
    """Return the value of a dotted key, ``ABSENT`` where it is not set."""
    found: Any = data
    for part in key.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return ABSENT
        found = found[part]
    return found


def settable(key: str) -> None:
    """Check that a key can be set to a value.

    Raises:
        ConfigError: there is no such key, or it is a table.
    """
    known = [path for path, one in _keys() if not members(one.type)]
    if key not in known:
        near = nearest(key, known)
        raise ConfigError(
            key,
            "is no key of the configuration",
            hint=f"did you mean {near}?" if near else "`marquee config reference` lists every key",
        )


def changed(base: Data, settings: Mapping[str, Value]) -> Data:
    """Return data with settings laid over it; those of another kind of table are left out."""
    data = copy.deepcopy(base)
    # Kinds come first: they decide which other keys there are.
    kinds = [key for key in settings if _is_kind(key)]
    for key in kinds:
        _set(data, key, settings[key])
    for key, value in settings.items():
        if key not in kinds and _belongs(data, key):
            _set(data, key, value)
    for path, one in _keys():
        tables = members(one.type)
        if tables and tables[0].tag_field is not None:
            _drop_strangers(data, path, _chosen(data, path, tables, one.default))
    return data


def _set(data: Data, key: str, value: Value) -> None:
    *sections, name = key.split(".")
    table = data
    for section in sections:
        table = table.setdefault(section, {})
    table[name] = UNSET_WORD if value is None else value


def _is_kind(key: str) -> bool:
    section, _, name = key.rpartition(".")
    tables = _tables(section)
    return bool(tables) and tables[0].tag_field == name


def _belongs(data: Data, key: str) -> bool:
    section, _, name = key.rpartition(".")
    tables = _tables(section)
    if not tables or tables[0].tag_field is None:
        return True
    default = next(one.default for path, one in _keys() if path == section)
    return name in _chosen(data, section, tables, default).keys


def _tables(section: str) -> tuple[Table, ...]:
    return next((members(one.type) for path, one in _keys() if path == section), ())


def _chosen(data: Data, path: str, tables: tuple[Table, ...], default: Any) -> Table:
    """Return which kind of table the data has at a path; the default's where it does not say."""
    tag = get(data, f"{path}.{tables[0].tag_field}")
    for table in tables:
        if table.tag == tag:
            return table
    if isinstance(default, msgspec.Struct):
        return table_of(type(default))
    return tables[0]


def _drop_strangers(data: Data, path: str, chosen: Table) -> None:
    found = get(data, path)
    if not isinstance(found, dict):
        return
    others = {name for table in _tables(path) for name in table.keys} - set(chosen.keys)
    for name in others & set(found):
        del found[name]
