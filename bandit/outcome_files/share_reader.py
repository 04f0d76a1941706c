"""A log as it is read for one share of its decisions, up to an instant."""

from __future__ import annotations

from pathlib import Path

from bandit.clock import Clock
from bandit.cluster.dividing import share_of_record
from bandit.eventlog.protocol import SpoolBatch
from bandit.eventlog.sqlite_reader import SqliteEventReader, decoded


class ShareReader(SqliteEventReader):
    """Reads the records of one share, and nothing that is later than ``until_us``.

    Horizons are those of the whole log, up to that instant, so that what is read is the same
    whenever it is read, once all of the log has come so far.
    """

    def __init__(
        self, directory: Path, clock: Clock, share: int, shares: int, until_us: int
    ) -> None:
        super().__init__(directory, clock)
        self._share = share
        self._shares = shares
        self._until_us = until_us

    def read(self, spool: str, after: int, limit: int) -> SpoolBatch:
        """Read records; errors are those of :meth:`SqliteEventReader.read`."""
        batch = self.read_raw(spool, after, limit)
        early = [row for row in batch.rows if row[1] <= self._until_us]
        last = batch.last_sequence if len(early) == len(batch.rows) else after
        if early and len(early) < len(batch.rows):
            last = early[-1][0]
        own = [row for row in early if share_of_record(row[2], self._shares) == self._share]
        return decoded(
            spool,
            batch._replace(
                rows=own, horizon_us=min(batch.horizon_us, self._until_us), last_sequence=last
            ),
        )
