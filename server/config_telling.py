"""What the configuration in force is, key by key, and where each value comes from.

Secrets are never told: of an API key, or an address that may hold a password, only that it is set.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

import msgspec

from bandit.config.keys import SECRET_KEYS, table_of, walk
from bandit.config.loading import DEFAULT_SOURCE
from bandit.config.schema import Config
from server.config_wire import ConfigAnswer, ConfigValue
from server.logs import MASK


class KeyInForce(NamedTuple):
    """One key, its value as it may be told, and where that comes from."""

    key: str
    value: Any
    source: str
    """A file's name, a variable's, or ``default``."""


def keys_in_force(config: Config, sources: Mapping[str, str]) -> Iterator[KeyInForce]:
    """Yield every key of a configuration; ``sources`` names where those that are set come from."""
    for key, value in _values(config, ""):
        told = _masked(value) if key in SECRET_KEYS else value
        yield KeyInForce(key, told, sources.get(key, DEFAULT_SOURCE))


def config_answer(config: Config, sources: Mapping[str, str]) -> ConfigAnswer:
    """Put together what is told over HTTP."""
    meanings = _descriptions()
    return ConfigAnswer(
        [
            ConfigValue(
                key=one.key,
                value=one.value,
                source=one.source,
                description=meanings.get(one.key, ""),
            )
            for one in keys_in_force(config, sources)
        ]
    )


@cache
def _descriptions() -> dict[str, str]:
    return {path: key.description for path, key in walk(Config)}


def _values(section: msgspec.Struct, prefix: str) -> Iterator[tuple[str, Any]]:
    table = table_of(type(section))
    if table.tag_field is not None:
        yield f"{prefix}{table.tag_field}", table.tag
    for name in table.keys:
        value = getattr(section, name)
        if isinstance(value, msgspec.Struct):
            yield from _values(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _masked(value: Any) -> Any:
    """Return a secret's stand-in; of a list, one for each."""
    if isinstance(value, list):
        return [MASK for _ in value]
    return None if value is None else MASK
