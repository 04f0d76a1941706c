"""Writes the reference of every key from the types; ``docs/config.md`` is its output."""

from __future__ import annotations

import json
from collections.abc import Iterator
from inspect import getdoc
from typing import Any

import msgspec

from bandit.config.keys import UNSET_WORD, Key, Table, in_words, members, table_of
from bandit.config.schema import Config

_HEAD = f"""# Configuration

<!-- Written by `marquee config reference`; change the types in bandit/config instead. -->

One TOML file, given as `marquee serve --config marquee.toml`. Every key may be left out and has
the default shown. Units stand last in names: `_s` seconds, `_ms` milliseconds, `_bytes` bytes;
`_max` is a limit. The word `"{UNSET_WORD}"` unsets a key that takes it.

Each key can be set by an environment variable as well, which wins over the file: `MARQUEE__` and
the names joined by two underscores, as in `MARQUEE__SERVER__PORT=9000` or
`MARQUEE__SURFACES__ARTWORK__MODEL__BITS=20`. Text stands as it is; lists and tables are written
in JSON or as in TOML. Keys of a table whose `type` is not given belong to the default type.

`marquee config check` tells what is wrong with a file, `marquee config show` what is in force and
where each value comes from.
"""


def config_reference() -> str:
    """Return the reference of all keys in Markdown."""
    return "\n".join([_HEAD, *_sections(table_of(Config), "")])


def toml_literal(value: Any) -> str:
    """Write a value as a TOML file would hold it."""
    if value is None:
        return json.dumps(UNSET_WORD)
    if isinstance(value, list):
        return "[" + ", ".join(toml_literal(each) for each in value) + "]"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return f"{value:.1f}"
    return json.dumps(value, ensure_ascii=False)


def _sections(table: Table, prefix: str) -> Iterator[str]:
    for key in table.keys.values():
        tables = members(key.type)
        path = f"{prefix}{key.name}"
        if not tables:
            continue
        if tables[0].tag is not None:
            yield from _union(key, tables, path)
            continue
        yield from _section(f"## `[{path}]`", tables[0], f"{path}.")
        yield from _sections(tables[0], f"{path}.")


def _union(key: Key, tables: tuple[Table, ...], path: str) -> Iterator[str]:
    yield f"## `[{path}]`\n"
    yield f"{key.description}\n"
    for table in tables:
        title = f'### `type = "{table.tag}"`'
        if isinstance(key.default, table.cls):
            title += " (the default)"
        defaults = key.default if isinstance(key.default, table.cls) else None
        yield from _section(title, table, f"{path}.", defaults)


def _section(
    title: str, table: Table, prefix: str, defaults: msgspec.Struct | None = None
) -> Iterator[str]:
    yield f"{title}\n"
    yield f"{_paragraphs(table.cls)}\n"
    values = [key for key in table.keys.values() if not members(key.type)]
    if not values:
        return
    yield "| key | takes | default | meaning |"
    yield "|---|---|---|---|"
    for key in values:
        default = key.default if defaults is None else getattr(defaults, key.name)
        yield f"| `{prefix}{key.name}` | {_cell(in_words(key.type))} | {_default(default)} | " + (
            f"{_cell(key.description)} |"
        )
    yield ""


def _default(value: Any) -> str:
    return "required" if value is msgspec.NODEFAULT else f"`{toml_literal(value)}`"


def _paragraphs(cls: type[msgspec.Struct]) -> str:
    return (getdoc(cls) or "").replace("``", "`")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
