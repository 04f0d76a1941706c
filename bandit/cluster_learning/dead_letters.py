"""What could not be learned, told to the cluster in a stream.

A learner sets aside on its machine's disk what failed ``learner.attempts_max`` times. Each
checkpoint brings the stream in line with that, under the lease; whoever takes over reads the stream
first, and passes over the same without failing at it anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bandit.cluster.names import PartitionNames
from bandit.cluster.redis_reader import told_of
from bandit.dead_letters import LETTERS_NAME
from bandit.files import write_atomically

if TYPE_CHECKING:
    from redis import Redis

LETTERS_MAX: Final = 10_000
"""How many the stream holds at most, the newest."""
LETTER: Final = b"letter"
"""The field of an entry that holds a letter, as a line of ``dead-letters.jsonl``."""


class SharedDeadLetters:
    """Keeps one learner's letters and the partition's stream in step."""

    def __init__(self, directory: Path, redis: Redis, partition: PartitionNames) -> None:
        self._path = directory / LETTERS_NAME
        self._redis: Any = redis
        self._stream = partition.dead_letters
        self._told_at: int | None = None
        """When what the stream holds was written here."""
        self._putting: int | None = None

    def adopt(self) -> None:
        """Set aside here as well what was set aside before.

        Raises:
            LogUnavailableError: Redis does not answer.
            OSError: it cannot be stored here.
        """
        with told_of("what was set aside"):
            entries = self._redis.xrange(self._stream)
        own = self._lines()
        missing = [fields[LETTER] for _, fields in entries if fields[LETTER] not in set(own)]
        if missing:
            write_atomically(self._path, b"".join(line + b"\n" for line in own + missing))

    def put(self, pipeline: Any) -> None:
        """Have the stream hold what is set aside here, where that changed, in a transaction."""
        self._putting = self._path.stat().st_mtime_ns if self._path.exists() else None
        if self._putting == self._told_at:
            return
        # Whole and anew, for what was erased is gone; it is seldom, and little.
        pipeline.delete(self._stream)
        for line in self._lines()[-LETTERS_MAX:]:
            pipeline.xadd(self._stream, {LETTER: line})

    def told(self) -> None:
        """Take note that the transaction went through."""
        self._told_at = self._putting

    def _lines(self) -> list[bytes]:
        return self._path.read_bytes().splitlines() if self._path.exists() else []
