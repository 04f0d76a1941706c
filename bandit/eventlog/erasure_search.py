"""Finding a viewer's records in a log: what an order of erasure names."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from bandit.errors import LogDamagedError, LogError
from bandit.eventlog.erasing import is_of
from bandit.eventlog.erasure_orders import ErasureOrder, SpoolPart
from bandit.eventlog.sqlite_schema import connect, file_id_of, spool_path
from bandit.eventlog.sqlite_slots import spool_names
from bandit.events import decode_record, is_erased

_BATCH: Final = 2000


class ErasureSearch:
    """Looks through a log, the first time whole and then through what was added."""

    def __init__(self, directory: Path, viewers: Sequence[str]) -> None:
        """Look for ``viewers``: every form in which the viewer's id may be stored."""
        self._directory = directory
        self._viewers = list(viewers)
        self._decisions: set[str] = set()
        self._looked_at: dict[str, int] = {}
        self.unreadable: dict[str, str] = {}
        """Spools that cannot be searched, and why."""

    def look(self, now_us: int) -> tuple[ErasureOrder, int]:
        """Return an order for what is new since the last look, and how many records that is.

        The order names every spool: each has old bytes that may be the viewer's.
        """
        ends: dict[str, int] = {}
        files: dict[str, str] = {}
        found: dict[str, set[int]] = {}
        for spool in spool_names(self._directory):
            try:
                with closing(connect(spool_path(self._directory, spool), "ro")) as connection:
                    files[spool] = file_id_of(connection)
                    ends[spool] = _last(connection)
                    found[spool] = set(self._decided(connection, spool, ends[spool]))
            except (LogError, sqlite3.Error) as error:
                self.unreadable[spool] = str(error)
        # Feedback may stand in another spool than its decision.
        for spool in files:
            with (
                suppress(LogError, sqlite3.Error),
                closing(connect(spool_path(self._directory, spool), "ro")) as connection,
            ):
                found[spool] |= set(self._said(connection, spool, ends[spool]))
        self._looked_at.update(ends)
        spools = {name: SpoolPart(files[name], sorted(found[name])) for name in files}
        order = ErasureOrder(
            id=f"{now_us:020}-{secrets.token_hex(4)}",
            viewers=self._viewers,
            decisions=sorted(self._decisions),
            spools=spools,
        )
        return order, sum(map(len, found.values()))

    def _decided(self, connection: sqlite3.Connection, spool: str, end: int) -> Iterator[int]:
        """Yield which records are the viewer's decisions, or damaged and name the viewer."""
        for sequence, payload in self._rows(connection, spool, end):
            if any(viewer.encode() in payload for viewer in self._viewers) and is_of(
                payload, self._viewers, ()
            ):
                with suppress(LogDamagedError):
                    self._decisions.add(decode_record(payload).decision_id)
                yield sequence

    def _said(self, connection: sqlite3.Connection, spool: str, end: int) -> Iterator[int]:
        """Yield which records are feedback to the viewer's decisions, or their activations."""
        if not self._decisions:
            return
        for sequence, payload in self._rows(connection, spool, end, kind="d:"):
            with suppress(LogDamagedError):
                if decode_record(payload).decision_id in self._decisions:
                    yield sequence

    def _rows(
        self, connection: sqlite3.Connection, spool: str, end: int, kind: str = ""
    ) -> Iterator[tuple[int, bytes]]:
        """Yield what is not erased of (sequence, payload), without the records of one kind."""
        after = self._looked_at.get(spool, 0)
        while after < end:
            rows = connection.execute(
                "SELECT sequence, payload FROM records WHERE sequence > ? AND sequence <= ?"
                " AND substr(key, 1, 2) <> ? ORDER BY sequence LIMIT ?",
                (after, end, kind, _BATCH),
            ).fetchall()
            yield from (row for row in rows if not is_erased(row[1]))
            if len(rows) < _BATCH:
                return
            after = rows[-1][0]


def _last(connection: sqlite3.Connection) -> int:
    (last,) = connection.execute("SELECT coalesce(max(sequence), 0) FROM records").fetchone()
    return int(last)
