"""The configuration's keys, read off its types: names, types in words, defaults, nearest matches.

The loader's errors, the environment's overrides and the generated reference all walk the types
through this module, so that they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from functools import cache
from typing import Any, Final, NamedTuple, get_type_hints

import msgspec
from msgspec import NODEFAULT, inspect

UNSET_WORD: Final = "none"
"""What stands for "unset" in a file or variable: TOML has no null."""

SECRET_KEYS: Final = frozenset(
    {"auth.client_keys", "auth.admin_keys", "cluster.redis_url", "rate_limits.redis_url"}
)
"""Keys whose values are never printed."""


class Key(NamedTuple):
    """One field of one section."""

    name: str
    annotation: Any
    """The field's annotation with its constraints, as ``msgspec.convert`` takes it."""
    type: inspect.Type
    description: str
    default: Any
    """The default value, or ``msgspec.NODEFAULT`` where the key must be given."""


class Table(NamedTuple):
    """A section, or one member of a tagged union of sections."""

    cls: type[msgspec.Struct]
    tag_field: str | None
    tag: str | None
    keys: dict[str, Key]


@cache
def table_of(cls: type[msgspec.Struct]) -> Table:
    """Return a section's keys in their order."""
    info = inspect.type_info(cls)
    if not isinstance(info, inspect.StructType):
        raise TypeError(f"{cls!r} is no msgspec.Struct")
    hints = get_type_hints(cls, include_extras=True)
    keys = {field.encode_name: _key(field, hints[field.name]) for field in info.fields}
    tag = None if info.tag is None else str(info.tag)
    return Table(cls, info.tag_field, tag, keys)


def _key(field: inspect.Field, annotation: Any) -> Key:
    kind, description = bare(field.type)
    default = field.default
    if default is NODEFAULT and field.default_factory is not NODEFAULT:
        default = field.default_factory()
    return Key(field.encode_name, annotation, kind, description, default)


def bare(kind: inspect.Type) -> tuple[inspect.Type, str]:
    """Return a type without its metadata, and its description."""
    description = ""
    while isinstance(kind, inspect.Metadata):
        description = (kind.extra_json_schema or {}).get("description", description)
        kind = kind.type
    return kind, description


def members(kind: inspect.Type) -> tuple[Table, ...]:
    """Return the sections a key may hold: one, several for a tagged union, none for a value."""
    kind, _ = bare(kind)
    if isinstance(kind, inspect.StructType):
        return (table_of(kind.cls),)
    if isinstance(kind, inspect.UnionType):
        structs = [bare(each)[0] for each in kind.types]
        found = tuple(
            table_of(each.cls) for each in structs if isinstance(each, inspect.StructType)
        )
        if len(found) == len(structs):
            return found
    return ()


def may_be_unset(kind: inspect.Type) -> bool:
    """Tell whether a key may be unset."""
    kind, _ = bare(kind)
    return isinstance(kind, inspect.UnionType) and any(
        isinstance(each, inspect.NoneType) for each in kind.types
    )


def value_kinds(kind: inspect.Type) -> list[inspect.Type]:
    """Return a value's types one by one, without the one that stands for "unset"."""
    kind, _ = bare(kind)
    each = kind.types if isinstance(kind, inspect.UnionType) else (kind,)
    return [found for found, _ in map(bare, each) if not isinstance(found, inspect.NoneType)]


def walk(cls: type[msgspec.Struct], prefix: str = "") -> Iterator[tuple[str, Key]]:
    """Yield every key under a section with its dotted path, sections before what they hold."""
    for key in table_of(cls).keys.values():
        path = f"{prefix}{key.name}"
        yield path, key
        for member in members(key.type):
            if member.tag_field is not None:
                yield f"{path}.{member.tag_field}", _tag_key(member.tag_field)
            yield from walk(member.cls, f"{path}.")


def _tag_key(name: str) -> Key:
    return Key(name, str, inspect.StrType(), "", NODEFAULT)


def in_words(kind: inspect.Type) -> str:
    """Say what a key takes, as in ``whole number from 0 to 65535``."""
    if tables := members(kind):
        if len(tables) == 1 and tables[0].tag is None:
            return "table"
        return "table with a `type` of " + ", ".join(str(table.tag) for table in tables)
    words = " or ".join(_one_in_words(each) for each in value_kinds(kind))
    return f"{words}, or {UNSET_WORD}" if may_be_unset(kind) else words


def _one_in_words(kind: inspect.Type) -> str:
    if isinstance(kind, inspect.LiteralType):
        return "one of " + ", ".join(str(value) for value in kind.values)
    if isinstance(kind, inspect.CollectionType):
        return f"list of ({in_words(kind.item_type)})"
    if isinstance(kind, inspect.IntType):
        return "whole number" + _bounds(kind)
    if isinstance(kind, inspect.FloatType):
        return "number" + _bounds(kind)
    if isinstance(kind, inspect.BoolType):
        return "true or false"
    if isinstance(kind, inspect.StrType):
        return "text" if kind.pattern is None else f"text that matches {kind.pattern}"
    if isinstance(kind, inspect.DictType):
        return f"table of ({in_words(kind.value_type)})"
    raise TypeError(f"the configuration has no words for {kind!r}")


def _bounds(kind: inspect.IntType | inspect.FloatType) -> str:
    if kind.ge is not None and kind.le is not None:
        return f" from {kind.ge:g} to {kind.le:g}"
    parts = [
        f"{words} {bound:g}"
        for words, bound in (
            ("above", kind.gt),
            ("of at least", kind.ge),
            ("below", kind.lt),
            ("of at most", kind.le),
        )
        if bound is not None
    ]
    return "".join(f" {part}" for part in parts)


def nearest(word: str, choices: Sequence[str]) -> str | None:
    """Return the choice most like ``word``, None if none is much like it."""
    found = get_close_matches(word.lower(), choices, n=1, cutoff=0.6)
    return found[0] if found else None


def nearest_path(
    section: str, name: str, siblings: Sequence[str], root: type[msgspec.Struct]
) -> str:
    """Return the path of the valid key that an unknown one most likely meant, "" if none is near.

    Looked for among its siblings first, then for the same name elsewhere, then for a like path.
    """
    if sibling := nearest(name, siblings):
        return f"{section}{sibling}"
    paths = [path for path, _ in walk(root)]
    elsewhere = [path for path in paths if path.rpartition(".")[2] == name.lower()]
    return elsewhere[0] if elsewhere else nearest(f"{section}{name}", paths) or ""
