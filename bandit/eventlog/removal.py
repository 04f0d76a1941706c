"""Removing records from a spool's front, and finding one's way in a spool that begins after 1.

What goes, goes for good: SQLite overwrites what it frees (``secure_delete``), and the pages are
used again for what is logged next, so that the file stops growing. Of what is not used again soon,
as in a spool whose writer ended or at night, the file gives back so much that a fifth of it is free
(pieces of 2 MB, 5 to 13 ms each). The last record stays, erased, because the next one's number
follows from it.
"""

from __future__ import annotations

import sqlite3
from typing import Final, NamedTuple

from bandit.eventlog.protocol import Learned
from bandit.eventlog.sqlite_schema import Position, file_id_of, position_of
from bandit.events import ERASED, is_erased

FREE_SHARE_MAX: Final = 0.2
"""Of a file's pages, those that it may keep free for what is logged next."""
GIVEN_BACK_PAGES: Final = 500
"""Pages of 4 kB given back at once."""


class Front(NamedTuple):
    """The first record of a spool."""

    sequence: int
    at_us: int


def front_of(connection: sqlite3.Connection) -> Front | None:
    """Return the first record, None if there is none."""
    found = connection.execute(
        "SELECT sequence, at_us FROM records ORDER BY sequence LIMIT 1"
    ).fetchone()
    return None if found is None else Front(*found)


def first_at_us(connection: sqlite3.Connection) -> int | None:
    """Return the time of the first record; None where none, or one erased at the end, is left."""
    found = connection.execute(
        "SELECT at_us, payload FROM records ORDER BY sequence LIMIT 2"
    ).fetchall()
    if not found or (len(found) == 1 and is_erased(found[0][1])):
        return None
    return int(found[0][0])


def sequence_before(connection: sqlite3.Connection, at_us: int) -> int:
    """Return the greatest sequence before ``at_us``, or that of the last record removed."""
    connection.execute("BEGIN")
    front = front_of(connection)
    low = 0 if front is None else front.sequence - 1
    high = position_of(connection).sequence
    while low < high:
        middle = (low + high + 1) // 2
        (found_us,) = connection.execute(
            "SELECT at_us FROM records WHERE sequence = ?", (middle,)
        ).fetchone()
        low, high = (middle, high) if found_us < at_us else (low, middle - 1)
    connection.execute("COMMIT")
    return low


def removable(connection: sqlite3.Connection, learned: Learned | None, old_us: int) -> int:
    """Return up to which sequence records may go, which are before ``old_us`` and learned."""
    front = front_of(connection)
    if front is None or learned is None:
        return 0
    before_us = min(old_us, learned.before_us)
    if front.at_us >= before_us or front.sequence > learned.through:
        return 0
    if learned.file != file_id_of(connection):
        return 0
    return min(learned.through, sequence_before(connection, before_us))


def remove(connection: sqlite3.Connection, position: Position, through: int, most: int) -> int:
    """Remove records up to a sequence, ``most`` of them at most; return how many went.

    Raises:
        sqlite3.Error: none went.
    """
    front = front_of(connection)
    if front is None:
        return 0
    last = min(through, front.sequence + most - 1)
    connection.execute("PRAGMA secure_delete=ON")
    gone = connection.execute(
        "DELETE FROM records WHERE sequence <= ?", (min(last, position.sequence - 1),)
    ).rowcount
    if last >= position.sequence:
        gone += connection.execute(
            "UPDATE records SET payload = ? WHERE sequence = ? AND payload <> ?",
            (ERASED, position.sequence, ERASED),
        ).rowcount
    return gone


def can_give_back(connection: sqlite3.Connection) -> bool:
    """Tell whether so much of the file is free that it should become smaller.

    Files of earlier releases keep what they have.
    """
    (gives_back,) = connection.execute("PRAGMA auto_vacuum").fetchone()
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    return bool(gives_back and free >= GIVEN_BACK_PAGES and free > FREE_SHARE_MAX * pages)


def give_back(connection: sqlite3.Connection) -> bool:
    """Make the file smaller by a piece, where it can; return whether it did.

    Raises:
        sqlite3.Error: it stays as large as it is.
    """
    if not can_give_back(connection):
        return False
    # Executed singly, the statement would stop after its first page.
    connection.executescript(f"PRAGMA incremental_vacuum({GIVEN_BACK_PAGES})")
    return True
