"""Keeping a machine's snapshots in step with the others': its pointer follows theirs, or leads.

What is served may be changed on any machine: the learner publishes on its own, an operator
activates a version wherever she is. Each machine notes which pointer it was last in step with.
Whose has moved since tells the others: a pointer that was moved here is handed to Redis with its
snapshot, one that was moved there is fetched, verified and set here, where scorers notice it as
ever. Of two that moved at once, that which reached Redis first counts.

A Redis that knows no pointer, new or come back empty, is told that of the first machine to look. A
snapshot in Redis is a hash of its files, as :meth:`FileSnapshotStore.files` gives them, compressed:
most weights of a model are zero. Signatures and digests are checked before anything is stored.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import structlog

from bandit.cluster.names import Names
from bandit.config.schema import Config
from bandit.errors import SnapshotError
from bandit.files import write_atomically
from bandit.snapshots import FileSnapshotStore, Pointer
from bandit.types import SURFACES, Surface

if TYPE_CHECKING:
    from redis import Redis

FILE_BYTES_MAX: Final = 1 << 32
"""Most bytes of a file, a model of 2^28 weights: what is compressed must not fill the memory."""
_IN_STEP: Final = "in-step.json"
_COMPRESSION: Final = 1
_ANEW: Final = "activate another version, or wait for the learner's next"

log = structlog.get_logger(__name__)


class _InStep(msgspec.Struct):
    """Which pointer was the same here and there last."""

    pointers: dict[Surface, Pointer] = {}


class Following:
    """Keeps snapshots and pointers in step with Redis: a duty."""

    name: Final = "models"

    def __init__(self, config: Config, store: FileSnapshotStore, redis: Redis) -> None:
        self._names = Names.of(config.cluster)
        self._store = store
        self._keep = config.snapshots.keep
        self._redis: Any = redis
        self._path = Path(config.snapshots.directory) / _IN_STEP
        self._in_step = self._read()

    def step(self, now_us: int) -> bool:
        """Take over, or hand over, whatever moved.

        Raises:
            RedisError: Redis does not answer, or refuses.
            SnapshotError: a snapshot is damaged, or not signed by us.
            OSError: a snapshot cannot be read or written now.
        """
        del now_us
        for surface in SURFACES:
            there = self._there(surface)
            here = self._store.pointer(surface)
            before = self._in_step.pointers.get(surface)
            if there is not None and there != before:
                self._take_over(surface, there, here)
            elif here is not None and (there is None or here != before):
                self._hand_over(surface, here, there)
        return False

    def close(self) -> None:
        """Let go of Redis."""
        self._redis.close()

    def _there(self, surface: Surface) -> Pointer | None:
        body = self._redis.get(self._names.pointer(surface))
        return None if body is None else msgspec.json.decode(body, type=Pointer)

    def _take_over(self, surface: Surface, there: Pointer, here: Pointer | None) -> None:
        if there != here:
            known = {manifest.version for manifest in self._store.versions(surface)}
            if there.version not in known:
                self._store.mirror(surface, there.version, self._fetched(surface, there.version))
            self._store.point(surface, there)
            log.info("another machine's model is served", surface=surface, version=there.version)
            self._store.prune(surface, self._keep)
        self._note(surface, there)

    def _fetched(self, surface: Surface, version: str) -> dict[str, bytes]:
        found = self._redis.hgetall(self._names.snapshot(surface, version))
        if not found:
            raise SnapshotError(
                f"{surface} {version} is pointed to and not in Redis",
                hint="activate a version that `marquee snapshots list` shows",
            )
        return {name.decode(): _expanded(body) for name, body in found.items()}

    def _hand_over(self, surface: Surface, here: Pointer, there: Pointer | None) -> None:
        """Tell the others of our pointer, unless theirs moved meanwhile."""
        from redis import WatchError

        key = self._names.snapshot(surface, here.version)
        if not self._redis.exists(key):
            files = self._store.files(surface, here.version)
            packed = {name: zlib.compress(body, _COMPRESSION) for name, body in files.items()}
            self._redis.hset(key, mapping=packed)
        pointer = self._names.pointer(surface)
        pipeline = self._redis.pipeline(transaction=True)
        try:
            pipeline.watch(pointer)
            now = pipeline.get(pointer)
            if (None if now is None else msgspec.json.decode(now, type=Pointer)) != there:
                return
            pipeline.multi()
            pipeline.set(pointer, msgspec.json.encode(here))
            pipeline.sadd(self._names.snapshots(surface), here.version)
            pipeline.execute()
        except WatchError:
            return
        finally:
            pipeline.reset()
        self._note(surface, here)
        self._forget_old(surface, here)

    def _forget_old(self, surface: Surface, served: Pointer) -> None:
        """Keep as many in Redis as on a disk, and the one that is served."""
        held = sorted(one.decode() for one in self._redis.smembers(self._names.snapshots(surface)))
        for version in set(held[: -self._keep]) - {served.version}:
            self._redis.delete(self._names.snapshot(surface, version))
            self._redis.srem(self._names.snapshots(surface), version)

    def _read(self) -> _InStep:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_InStep)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return _InStep()

    def _note(self, surface: Surface, pointer: Pointer) -> None:
        self._in_step.pointers[surface] = pointer
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self._path, msgspec.json.encode(self._in_step))


def _expanded(body: bytes) -> bytes:
    """Return what was compressed.

    Raises:
        SnapshotError: it is damaged, or larger than any model's file.
    """
    machine = zlib.decompressobj()
    try:
        content = machine.decompress(body, FILE_BYTES_MAX)
    except zlib.error as error:
        raise SnapshotError(
            f"a file in Redis is damaged: {error}", hint="publish it anew"
        ) from error
    if machine.unconsumed_tail or not machine.eof:
        raise SnapshotError("a file in Redis is damaged: it does not end", hint=_ANEW)
    return content
