"""What the agent tells this machine's workers of how it is in step with the cluster."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from bandit.catalog import EMPTY_VERSION
from bandit.cluster.catalogs import SharedCatalog
from bandit.cluster.duty import DutyState
from bandit.cluster.following import Following
from bandit.cluster.names import host_name
from bandit.config.schema import Config
from bandit.files import write_atomically
from server.run_directory import AGENT_WORDS

_TO_SERVE: Final = (SharedCatalog.name, Following.name)
"""What must have been done once before a machine that has nothing serves pages."""


class ClusterReport(msgspec.Struct, frozen=True):
    """How one machine does its part in the cluster; pages and feedback need nothing of it."""

    host: str
    """Its name there."""
    in_step: bool
    """Whether all of that can be done now."""
    failing: dict[str, str]
    """What cannot be done now, and why."""


def tell_duties(config: Config, states: Mapping[str, DutyState]) -> None:
    """Put how the agent's duties stand where workers look, if the disk takes it."""
    with suppress(OSError):
        write_atomically(_path(config), msgspec.json.encode(states))


def cluster_report(config: Config) -> ClusterReport | None:
    """Return this machine's part in the cluster, None where there is no cluster."""
    if config.cluster.redis_url is None:
        return None
    states = _states(config)
    failing = {name: state.failing for name, state in states.items() if state.failing}
    not_yet = {
        name: "not done yet, since the agent started"
        for name, state in states.items()
        if not state.was_done and not state.failing
    }
    if not states:
        not_yet = {"agent": "it has told nothing yet"}
    return ClusterReport(host_name(config.cluster), not failing and not not_yet, failing | not_yet)


def why_not_caught_up(config: Config, catalog: str) -> str | None:
    """Return why a machine that serves no catalog had better not be asked yet.

    What is known from before is served, whether or not Redis is there.
    """
    if config.cluster.redis_url is None or catalog != EMPTY_VERSION:
        return None
    states = _states(config)
    for name in _TO_SERVE:
        state = states.get(name, DutyState())
        if not state.was_done:
            why = state.failing or "it is being looked at"
            return f"the cluster's {name} is not known here yet: {why}"
    current = Path(config.catalog.directory) / "current"
    return "the catalog is being loaded" if current.exists() else None


def _states(config: Config) -> dict[str, DutyState]:
    try:
        return msgspec.json.decode(_path(config).read_bytes(), type=dict[str, DutyState])
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return {}


def _path(config: Config) -> Path:
    return Path(config.server.run_directory) / AGENT_WORDS
