"""Settings of environments and policies: frozen structs, read from what a user wrote.

Each setting's type says what it may be, so that one description serves tables and errors alike.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, TypeVar

import msgspec
from msgspec import inspect

from bandit.config.keys import UNSET_WORD
from simulator.errors import SimulationError

Settings = TypeVar("Settings", bound=msgspec.Struct)

_WORDS: Final[Mapping[type[inspect.Type], str]] = {
    inspect.BoolType: "true or false",
    inspect.NoneType: UNSET_WORD,
    inspect.StrType: "text",
    inspect.IntType: "a whole number",
    inspect.FloatType: "a number",
    inspect.StructType: "a table",
}


class SettingInfo(NamedTuple):
    """What may be set, for commands and documents."""

    name: str
    default: object
    description: str
    values: str
    """What it may be, in words."""


def described(kind: type[msgspec.Struct]) -> list[SettingInfo]:
    """Return what may be set, with defaults and what it means."""
    return [
        SettingInfo(
            field.name,
            _shown(field.default),
            _description(inspect.type_info(field.type)),
            _lawful(field.type),
        )
        for field in msgspec.structs.fields(kind)
    ]


def read_settings(kind: type[Settings], given: Mapping[str, object], whose: str) -> Settings:
    """Read settings; numbers and truths may be given as text.

    Args:
        kind: the struct that holds them.
        given: by name.
        whose: who has these settings, as in "the policy linucb".

    Raises:
        SimulationError: there is no such setting, or a value is not lawful.
    """
    types = {field.name: field.type for field in msgspec.structs.fields(kind)}
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name not in types:
            told = f"its settings are {', '.join(types)}" if types else "it has none to set"
            raise SimulationError(f"{whose} has no setting {name!r}", hint=told)
        values[name] = _read(types[name], value, f"{whose}: {name}")
    return kind(**values)


def _read(kind: Any, value: object, where: str) -> object:
    if value == UNSET_WORD and _may_be_unset(kind):
        return None
    try:
        found: object = msgspec.convert(value, type=kind, strict=False)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        if path:
            # Within a table the path tells which of its keys is at fault.
            raise SimulationError(
                f"{where}{path.rstrip('`')}: {message}", hint="mend that key of the table"
            ) from error
        raise _unlawful(kind, value, where) from error
    if isinstance(found, float) and not math.isfinite(found):
        raise _unlawful(kind, value, where)
    return found


def _may_be_unset(kind: Any) -> bool:
    told = inspect.type_info(kind)
    inner = told.type if isinstance(told, inspect.Metadata) else told
    return isinstance(inner, inspect.UnionType) and any(
        isinstance(one, inspect.NoneType) for one in inner.types
    )


def _unlawful(kind: Any, value: object, where: str) -> SimulationError:
    return SimulationError(f"{where} cannot be {value!r}", hint=f"give {_lawful(kind)}")


def _lawful(kind: Any) -> str:
    return _in_words(inspect.type_info(kind))


def _in_words(kind: inspect.Type) -> str:
    if isinstance(kind, inspect.Metadata):
        return _in_words(kind.type)
    if isinstance(kind, inspect.UnionType):
        return " or ".join(_in_words(one) for one in kind.types)
    if isinstance(kind, inspect.LiteralType):
        return "one of " + ", ".join(map(str, kind.values))
    words = _WORDS.get(type(kind), "a value")
    if isinstance(kind, inspect.IntType | inspect.FloatType):
        bounds = (("above", kind.gt), ("from", kind.ge), ("below", kind.lt), ("up to", kind.le))
        words += "".join(f" {word} {bound:g}" for word, bound in bounds if bound is not None)
    return words


def _description(kind: inspect.Type) -> str:
    if isinstance(kind, inspect.Metadata):
        return str((kind.extra_json_schema or {}).get("description", ""))
    return ""


def _shown(default: object) -> object:
    """Return a default; of a struct, what is set otherwise than its own defaults."""
    if not isinstance(default, msgspec.Struct):
        return default
    given = {field.name: field.default for field in msgspec.structs.fields(default)}
    return {
        name: value
        for name, value in msgspec.structs.asdict(default).items()
        if value != given[name]
    }
