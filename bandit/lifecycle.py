"""The life of a decision id in the joiner, a table: (state, input) → (next state, disposition).

An id lives from the first record that names it until it is forgotten, some time after its outcome
closed. Cells that are not in :data:`TRANSITIONS` cannot occur: an id that is unknown has no
deadline, and a closed one has let go of its events, so that whatever names it again is late.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple


class State(StrEnum):
    """Where a decision id stands."""

    UNKNOWN = "unknown"
    HELD = "held"
    """Feedback came before its decision."""
    ACTIVATED = "activated"
    """The activation came before its decision, with or without feedback."""
    DEFERRED = "deferred"
    """Decided, but not shown yet."""
    OPEN = "open"
    """Shown; feedback is waited for."""
    CLOSING = "closing"
    """Shown and played: closes shortly."""
    CLOSED = "closed"
    """The outcome is out; the id is remembered for a while."""


class Input(StrEnum):
    """What can happen to a decision id."""

    DECISION = "decision"
    """A decision to be shown at once."""
    DEFERRED_DECISION = "deferred decision"
    CONFLICTING_DECISION = "conflicting decision"
    """A decision again, made from another body."""
    ACTIVATION = "activation"
    FEEDBACK = "feedback"
    PLAY = "play"
    """Feedback that ends the visit: a play that was no quick abandon."""
    REPEAT = "repeat"
    """Feedback whose event id was seen for this decision already."""
    EXCESS = "excess"
    """Feedback past what one decision may have."""
    DEADLINE = "deadline"
    EVICTION = "eviction"
    """Too many ids are waiting; this one is the oldest."""


class Disposition(StrEnum):
    """What was made of an input. Each record has one when taken; what was held gets a second."""

    OPENED = "opened"
    DEFERRED = "deferred"
    ACTIVATED = "activated"
    JOINED = "joined"
    HELD = "held"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    EXCESS = "excess"
    LATE = "late"
    ORPHAN = "orphan"
    EXPIRED = "expired"
    CLOSED = "closed"
    FORGOTTEN = "forgotten"


class Transition(NamedTuple):
    """A cell of the table."""

    state: State
    disposition: Disposition


def _row(state: State, **cells: tuple[State, Disposition]) -> dict[tuple[State, Input], Transition]:
    return {(state, Input[name.upper()]): Transition(*cell) for name, cell in cells.items()}


_S, _D = State, Disposition

TRANSITIONS: Final[dict[tuple[State, Input], Transition]] = {
    **_row(
        State.UNKNOWN,
        decision=(_S.OPEN, _D.OPENED),
        deferred_decision=(_S.DEFERRED, _D.DEFERRED),
        activation=(_S.ACTIVATED, _D.HELD),
        feedback=(_S.HELD, _D.HELD),
        play=(_S.HELD, _D.HELD),
    ),
    **_row(
        State.HELD,
        decision=(_S.OPEN, _D.OPENED),
        deferred_decision=(_S.DEFERRED, _D.DEFERRED),
        activation=(_S.ACTIVATED, _D.HELD),
        feedback=(_S.HELD, _D.HELD),
        play=(_S.HELD, _D.HELD),
        repeat=(_S.HELD, _D.DUPLICATE),
        excess=(_S.HELD, _D.EXCESS),
        deadline=(_S.UNKNOWN, _D.ORPHAN),
        eviction=(_S.UNKNOWN, _D.ORPHAN),
    ),
    **_row(
        State.ACTIVATED,
        decision=(_S.OPEN, _D.OPENED),
        deferred_decision=(_S.OPEN, _D.OPENED),
        activation=(_S.ACTIVATED, _D.DUPLICATE),
        feedback=(_S.ACTIVATED, _D.HELD),
        play=(_S.ACTIVATED, _D.HELD),
        repeat=(_S.ACTIVATED, _D.DUPLICATE),
        excess=(_S.ACTIVATED, _D.EXCESS),
        deadline=(_S.UNKNOWN, _D.ORPHAN),
        eviction=(_S.UNKNOWN, _D.ORPHAN),
    ),
    **_row(
        State.DEFERRED,
        decision=(_S.DEFERRED, _D.DUPLICATE),
        deferred_decision=(_S.DEFERRED, _D.DUPLICATE),
        conflicting_decision=(_S.DEFERRED, _D.CONFLICT),
        activation=(_S.OPEN, _D.ACTIVATED),
        feedback=(_S.DEFERRED, _D.HELD),
        play=(_S.DEFERRED, _D.HELD),
        repeat=(_S.DEFERRED, _D.DUPLICATE),
        excess=(_S.DEFERRED, _D.EXCESS),
        deadline=(_S.CLOSED, _D.EXPIRED),
        eviction=(_S.CLOSED, _D.EXPIRED),
    ),
    **_row(
        State.OPEN,
        decision=(_S.OPEN, _D.DUPLICATE),
        deferred_decision=(_S.OPEN, _D.DUPLICATE),
        conflicting_decision=(_S.OPEN, _D.CONFLICT),
        activation=(_S.OPEN, _D.DUPLICATE),
        feedback=(_S.OPEN, _D.JOINED),
        play=(_S.CLOSING, _D.JOINED),
        repeat=(_S.OPEN, _D.DUPLICATE),
        excess=(_S.OPEN, _D.EXCESS),
        deadline=(_S.CLOSED, _D.CLOSED),
        eviction=(_S.CLOSED, _D.CLOSED),
    ),
    **_row(
        State.CLOSING,
        decision=(_S.CLOSING, _D.DUPLICATE),
        deferred_decision=(_S.CLOSING, _D.DUPLICATE),
        conflicting_decision=(_S.CLOSING, _D.CONFLICT),
        activation=(_S.CLOSING, _D.DUPLICATE),
        feedback=(_S.CLOSING, _D.JOINED),
        play=(_S.CLOSING, _D.JOINED),
        repeat=(_S.CLOSING, _D.DUPLICATE),
        excess=(_S.CLOSING, _D.EXCESS),
        deadline=(_S.CLOSED, _D.CLOSED),
        eviction=(_S.CLOSED, _D.CLOSED),
    ),
    **_row(
        State.CLOSED,
        decision=(_S.CLOSED, _D.DUPLICATE),
        deferred_decision=(_S.CLOSED, _D.DUPLICATE),
        conflicting_decision=(_S.CLOSED, _D.CONFLICT),
        activation=(_S.CLOSED, _D.LATE),
        feedback=(_S.CLOSED, _D.LATE),
        play=(_S.CLOSED, _D.LATE),
        deadline=(_S.UNKNOWN, _D.FORGOTTEN),
    ),
}

IMPOSSIBLE: Final = frozenset(
    {
        (State.UNKNOWN, Input.CONFLICTING_DECISION),
        (State.UNKNOWN, Input.REPEAT),
        (State.UNKNOWN, Input.EXCESS),
        (State.UNKNOWN, Input.DEADLINE),
        (State.UNKNOWN, Input.EVICTION),
        (State.HELD, Input.CONFLICTING_DECISION),
        (State.ACTIVATED, Input.CONFLICTING_DECISION),
        (State.CLOSED, Input.REPEAT),
        (State.CLOSED, Input.EXCESS),
        (State.CLOSED, Input.EVICTION),
    }
)
"""The cells that cannot occur; with :data:`TRANSITIONS` they make the whole table."""

WAITING: Final = frozenset({State.HELD, State.ACTIVATED, State.DEFERRED, State.OPEN, State.CLOSING})
"""The states that count as awaiting an outcome."""
