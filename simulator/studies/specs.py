"""Policies as commands name them: ``linucb``, ``linucb:alpha=0.5``, ``marquee.toml``, ``log:LOGS``.

Settings follow a colon, between commas. ``log:`` names the policy that wrote another log, by how
often it chose what.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from simulator.errors import SimulationError
from simulator.pages import PagePolicy
from simulator.policies.registry import make_policy
from simulator.policies.targets import Target, make_target
from simulator.studies.config_space import read_value
from simulator.studies.config_tables import Value
from simulator.studies.log_target import LogTarget

LOG: Final = "log:"
_SETTINGS: Final = re.compile(r"^(?P<name>.+?):(?P<settings>\w+=[^/\\]*)$")


class Spec(NamedTuple):
    """A policy as it was named."""

    name: str
    settings: dict[str, Value]


def read_spec(text: str) -> Spec:
    """Read how a policy was named.

    Raises:
        SimulationError: a setting is none.
    """
    found = _SETTINGS.match(text)
    if found is None:
        return Spec(text, {})
    settings: dict[str, Value] = {}
    for pair in found["settings"].split(","):
        key, equals, value = pair.partition("=")
        if not equals or not key.isidentifier():
            raise SimulationError(
                f"{pair!r} is no setting of a policy", hint="write NAME:key=value,key=value"
            )
        settings[key] = read_value(value)
    return Spec(found["name"], settings)


def page_policy(text: str) -> PagePolicy:
    """Make a policy that serves pages.

    Raises:
        ConfigError: its TOML file is wrong.
        SimulationError: there is no such policy or setting.
    """
    name, settings = read_spec(text)
    return make_policy(name, **settings)


def target(text: str) -> Target:
    """Make a policy that is judged on logs.

    Raises:
        ConfigError: its TOML file is wrong.
        MissingDataError: the log that it is taken from is not there.
        SimulationError: there is no such policy or setting.
    """
    if text.startswith(LOG):
        return LogTarget.of(text.removeprefix(LOG))
    name, settings = read_spec(text)
    return make_target(name, **settings)


def label(text: str, name: str) -> str:
    """Return how results name a policy whose own name is given: its settings tell it apart."""
    return text if read_spec(text).settings and not text.startswith(LOG) else name
