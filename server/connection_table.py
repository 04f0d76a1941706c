"""How many connections each worker has, in memory that all workers of one gunicorn share.

All workers wait for new connections at one socket, and whoever wakes up first takes them: of 16
kept-alive connections one of three workers often got none, and a third of the machine lay idle
for as long as they lasted. So every worker says here how many it has, and one that has more than
the least loaded by :data:`SPREAD` or more lets that one go first. It waits for a few milliseconds
at most, whatever the others do. A worker that did not stir while it was waited for again and again
is waited for no more until it does; a dead one's slot is given back by gunicorn's main process.

Connections that are open already can still lie badly: a worker started anew has none, and one that
had no time to notice that its clients left was passed over. So whoever has too many gives some up,
by a "Connection: close" in answers; the clients' next connections find the others.

Each slot is written by its own worker alone, and numbers of eight bytes are read and written
whole: there is nothing to lock.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import Final, NamedTuple

WAIT_S: Final = 0.003
"""How long a worker lets others go first, in seconds."""

VAIN_WAITS: Final = 16
"""How often a worker that does not stir is waited for: 50 ms, longer than a busy one's turn."""

SPREAD: Final = 2
"""From how many connections more than the least loaded worker on a worker waits."""

BALANCE_S: Final = 1.25
"""How often a worker looks whether it has too many: longer than an idle one's turn."""

_FREE: Final = -2
_LEFT: Final = -1
"""The beat of a worker that has ended in order."""
_NOT_ACCEPTING: Final = -1
_CELLS: Final = 2
_CELL_BYTES: Final = 8


class Load(NamedTuple):
    """What a worker tells of itself."""

    connections: int
    """Open connections; negative if it takes no more."""
    beat: int
    """Changes with each turn of its loop."""


class ConnectionTable:
    """The table, made before the workers are forked.

    Args:
        slots: for how many workers; those beyond are not counted, and wait for nobody.
    """

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self._cells = memoryview(mmap.mmap(-1, slots * _CELLS * _CELL_BYTES)).cast("q")
        for slot in range(slots):
            self._cells[slot * _CELLS] = _FREE

    def claim(self) -> Slot | None:
        """Take a free slot for a worker about to be forked; None if there is none."""
        for slot in range(self.slots):
            if self._cells[slot * _CELLS] == _FREE:
                self.tell(slot, Load(_NOT_ACCEPTING, 0))
                return Slot(self, slot)
        return None

    def tell(self, slot: int, load: Load) -> None:
        """Write a slot."""
        self._cells[slot * _CELLS + 1] = load.beat
        self._cells[slot * _CELLS] = load.connections

    def accepting(self) -> Iterator[tuple[int, Load]]:
        """Yield the slots of all workers that take connections, and what they tell."""
        for slot in range(self.slots):
            connections, beat = self._cells[slot * _CELLS : (slot + 1) * _CELLS]
            if connections >= 0:
                yield slot, Load(connections, beat)

    def told(self, slot: int) -> Load:
        """Read a slot."""
        return Load(*self._cells[slot * _CELLS : (slot + 1) * _CELLS])

    def free(self, slot: int) -> None:
        """Give a slot back; its beat is kept until somebody claims it."""
        self._cells[slot * _CELLS] = _FREE


class Slot:
    """One worker's place in the table, and its turn to accept."""

    def __init__(self, table: ConnectionTable, number: int) -> None:
        self.table = table
        self.number = number
        self._beat = 0
        self._waited_at = -1.0
        self._beats: dict[int, int] = {}
        self._waits: dict[int, tuple[int, int]] = {}
        """Lighter workers → the beat at which they stood, and for how many waits in a row."""

    def publish(self, connections: int, *, accepting: bool) -> None:
        """Tell of the present load; called in each turn of the worker's loop."""
        self._beat += 1
        self.table.tell(self.number, Load(connections if accepting else _NOT_ACCEPTING, self._beat))

    def leave(self) -> None:
        """Tell that the worker ends in order."""
        self.table.tell(self.number, Load(_NOT_ACCEPTING, _LEFT))

    def has_worked(self) -> bool:
        """Tell whether the worker's loop has begun to turn, or did so before it ended."""
        return self.table.told(self.number).beat != 0

    def has_left(self) -> bool:
        """Tell whether the worker has ended in order."""
        return self.table.told(self.number).beat == _LEFT

    def is_free(self) -> bool:
        """Tell whether the slot was given back."""
        return self.table.told(self.number).connections == _FREE

    def free(self) -> None:
        """Give the slot back, when its worker has ended."""
        self.table.free(self.number)

    def lets_others_first(self, connections: int, now: float) -> bool:
        """Tell whether to wait for :data:`WAIT_S` before taking a connection.

        Asked again right after that wait, the answer is no.

        Args:
            connections: how many the worker has.
            now: seconds of a monotonic clock.
        """
        if now - self._waited_at < 2 * WAIT_S:
            self._waited_at = -1.0
            return False
        waits: dict[int, tuple[int, int]] = {}
        for slot, load in self.table.accepting():
            if load.connections + SPREAD <= connections:
                beat, times = self._waits.get(slot, (load.beat, 0))
                waits[slot] = (load.beat, times + 1 if beat == load.beat else 1)
        self._waits = waits
        if all(times > VAIN_WAITS for _, times in waits.values()):
            return False
        self._waited_at = now
        return True

    def surplus(self, connections: int) -> int:
        """Return how many connections to give up for others; asked every :data:`BALANCE_S`."""
        before, self._beats = self._beats, {}
        least = connections
        for slot, load in self.table.accepting():
            self._beats[slot] = load.beat
            if before.get(slot, load.beat) != load.beat:
                least = min(least, load.connections)
        return max(0, (connections - least - SPREAD) // 2)
