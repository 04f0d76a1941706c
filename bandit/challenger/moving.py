"""Promotions and demotions: what is written down of them, and those by hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from bandit.challenger.evidence import Evidence, read_evidence
from bandit.challenger.line_file import By, LineFile, Move, ServingLine
from bandit.config.overlay import Challenger
from bandit.errors import ChallengerError, SnapshotError
from bandit.snapshots import SnapshotStore
from bandit.types import SURFACES, LineName, Surface


def make_move(
    challenger: Challenger, evidence: Evidence, by: By, now_us: int, *, promotes: bool
) -> Move:
    """Return a move to carry out; it gets its number then."""
    return Move(
        at_us=now_us,
        what="promoted" if promotes else "demoted",
        by=by,
        number=0,
        overlay=challenger.overlay,
        evidence=msgspec.to_builtins(evidence),
        snapshots=evidence.snapshots,
        changes=challenger.changes,
    )


def move_by_hand(
    directory: Path,
    challenger: Challenger,
    stores: Mapping[LineName, SnapshotStore],
    now_us: int,
    *,
    promotes: bool,
) -> ServingLine:
    """Promote or demote the challenger whatever the evidence says, and write down what it says.

    Returns:
        Which line serves from now on.

    Raises:
        ChallengerError: it serves already, or does not; or it has no model to serve with yet.
        OSError: the challenger's directory cannot be written; what serves stays.
    """
    snapshots = {line: served_versions(store) for line, store in stores.items()}
    if promotes and not has_models(snapshots):
        raise ChallengerError(
            "the challenger has not published a model of each surface yet",
            hint="let it learn first; `marquee challenger status` tells how far it is",
        )
    told = read_evidence(directory)
    if told is None or told.overlay != challenger.overlay:
        told = Evidence.of_nothing("champion" if promotes else "challenger", challenger.overlay)
    told = msgspec.structs.replace(told, snapshots=snapshots)
    move = make_move(challenger, told, "hand", now_us, promotes=promotes)
    after = LineFile(directory).move(move, "champion" if promotes else "challenger")
    if after is None:
        raise ChallengerError(
            "the challenger serves already" if promotes else "the champion serves already",
            hint="`marquee challenger status` tells which line serves",
        )
    return after


def served_versions(store: SnapshotStore) -> dict[Surface, str]:
    """Return the versions that a store has served; none where a pointer is damaged."""
    found: dict[Surface, str] = {}
    for surface in SURFACES:
        try:
            pointer = store.pointer(surface)
        except SnapshotError:
            continue
        if pointer is not None:
            found[surface] = pointer.version
    return found


def has_models(snapshots: Mapping[LineName, Mapping[Surface, str]]) -> bool:
    """Tell whether the challenger has a model of each surface that the champion has one of."""
    return snapshots["champion"].keys() <= snapshots["challenger"].keys()
