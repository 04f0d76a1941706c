"""What of a log the learner needs no more, so that writers may remove it once it is old.

Two checkpoints are kept, and the older one is gone on from where the newer is damaged. So a record
is released once neither needs it: both have taken it, and both replay from later than it. What was
taken late stands in the log before its place, and is needed for as long as that place is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bandit.eventlog.protocol import EventReader, Learned
from bandit.merge import MergePosition

_NEVER_US: Final = 2**62
"""Before it is whatever was taken."""


def learned_at(position: MergePosition, needed_from_us: int | None) -> dict[str, Learned]:
    """Return what a learner needs no more that took a log up to ``position``.

    It goes back to ``needed_from_us`` for decisions that are still open; None needs nothing.
    """
    before_us = _NEVER_US if needed_from_us is None else needed_from_us
    through = dict(position.sequences)
    for late in position.late:
        if late.spool in through:
            through[late.spool] = min(through[late.spool], late.sequence - 1)
    return {
        name: Learned(position.files[name], sequence, before_us)
        for name, sequence in through.items()
        if position.files.get(name)
    }


def of_both(one: Mapping[str, Learned], other: Mapping[str, Learned]) -> dict[str, Learned]:
    """Return what is learned by the one and the other."""
    return {
        name: Learned(
            learned.file,
            min(learned.through, other[name].through),
            min(learned.before_us, other[name].before_us),
        )
        for name, learned in one.items()
        if name in other and learned.file == other[name].file
    }


class Releases:
    """What a learner's checkpoints release, told to the log as they are saved."""

    def __init__(self, reader: EventReader) -> None:
        self._reader = reader
        self._saved: dict[str, Learned] = {}
        """What the newest checkpoint needs no more."""
        self._released: dict[str, Learned] = {}

    def went_back_to(self, position: MergePosition | None, needed_from_us: int | None) -> None:
        """Take note of the checkpoint that is gone on from, None for the log's start.

        What was released before may be more than it allows: state may have been restored.
        """
        before = self._reader.released()
        self._saved = {} if position is None else learned_at(position, needed_from_us)
        self._released = of_both(before, self._saved)
        if self._released != before:
            self._reader.release(self._released)

    def saved(self, position: MergePosition, needed_from_us: int | None) -> None:
        """Take note of a further checkpoint, and release what it and the one before allow.

        Raises:
            OSError: the log's directory cannot be written.
        """
        learned = learned_at(position, needed_from_us)
        released = of_both(self._saved, learned)
        self._saved = learned
        if released != self._released:
            self._reader.release(released)
            self._released = released

    def are_behind(self, position: MergePosition, needed_from_us: int | None) -> bool:
        """Tell whether saving further checkpoints would release more."""
        return self._released != learned_at(position, needed_from_us)
