"""What is told of the running configuration over HTTP."""

from __future__ import annotations

from typing import Any

import msgspec


class ConfigValue(msgspec.Struct, frozen=True, kw_only=True):
    """One key in force.

    ``source`` is the file or the variable that sets it, or `default`. The value of a secret is
    masked.
    """

    key: str
    value: Any
    source: str
    description: str


class ConfigAnswer(msgspec.Struct, frozen=True):
    """Every key of the configuration that the service runs with."""

    values: list[ConfigValue]
