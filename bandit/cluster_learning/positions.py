"""Where a log was taken up to, when a machine joins a cluster or leaves it.

Alone, a machine's spools go by their own names; in a cluster by those of their origins. A
checkpoint of the one is read as one of the other, so that nothing is learned a second time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set

import msgspec

from bandit.cluster.names import Origin
from bandit.merge import MergePosition


def in_cluster(position: MergePosition, host: str) -> MergePosition:
    """Return a position of ``host``'s own log as one of the cluster's; others stay as they are."""

    def name(spool: str) -> str | None:
        if "/" in spool:
            return spool
        file = position.files.get(spool)
        return str(Origin(host, spool, file)) if file else None

    return _renamed(position, name)


def alone(position: MergePosition, host: str, files: Mapping[str, str]) -> MergePosition:
    """Return a position of the cluster's log as one of ``host``'s own; others stay as they are.

    ``files`` tells which file each of its spools is now: others of the same name are gone.
    """

    def name(spool: str) -> str | None:
        if "/" not in spool:
            return spool
        origin = Origin.of(spool)
        is_ours = origin.host == host and files.get(origin.spool) == origin.file
        return origin.spool if is_ours else None

    return _renamed(position, name)


def without(position: MergePosition, gone: Set[str]) -> MergePosition:
    """Return a position that tells nothing of some spools."""
    return _renamed(position, lambda spool: None if spool in gone else spool)


def _renamed(position: MergePosition, rename: Callable[[str], str | None]) -> MergePosition:
    names = {spool: new for spool in position.sequences if (new := rename(spool)) is not None}
    return msgspec.structs.replace(
        position,
        sequences={new: position.sequences[spool] for spool, new in names.items()},
        files={new: position.files.get(spool, "") for spool, new in names.items()},
        late=[
            msgspec.structs.replace(one, spool=names[one.spool])
            for one in position.late
            if one.spool in names
        ],
    )
