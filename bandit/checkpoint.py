"""Where a learner stands, in one file that is whole or not there.

A checkpoint holds everything that the log cannot tell again: the engines' states, how far the log
was taken, and what was counted. The file is a line with the SHA-256 of the rest, then MessagePack.
The one before it is kept: should the newest be damaged, learning goes on from there, and what came
after is learned again from the log, exactly.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import msgspec

from bandit.files import sync_directory, write_durably
from bandit.joiner import JoinerMemo
from bandit.merge import MergePosition
from bandit.statistics import LearningCounts
from bandit.types import Surface

FORMAT_VERSION: Final = 2
CURRENT_NAME: Final = "checkpoint"
PREVIOUS_NAME: Final = "checkpoint.previous"
_NEXT_NAME: Final = ".checkpoint.next"
_DIGEST_LENGTH: Final = 64


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """All that a learner needs to go on, beside the log."""

    position: MergePosition
    joiner: JoinerMemo
    counts: LearningCounts
    engines: dict[Surface, bytes]
    """Each surface's model, in its engine's own form, which tells what it was learned with."""
    faded_until_us: dict[Surface, int] = {}
    """Up to which instant of the log's each model has forgotten; absent where nothing is."""
    insights: bytes = b""
    """The figures kept beside, in a form that tells its own version; empty: counted from here."""
    onlooker: bytes = b""
    """What whoever looks on keeps, in a form of its own."""
    v: int = FORMAT_VERSION


class _Format(msgspec.Struct, frozen=True):
    """What is read first: nothing else of another format is looked at."""

    v: int


def save_checkpoint(directory: Path, checkpoint: Checkpoint) -> None:
    """Put a checkpoint in place of the current one, which becomes the previous.

    Raises:
        OSError: the disk is full or the directory not writable; what was there is still there.
    """
    put_checkpoint(directory, encode_checkpoint(checkpoint))


def encode_checkpoint(checkpoint: Checkpoint) -> bytes:
    """Return the bytes of a checkpoint's file."""
    body = msgspec.msgpack.encode(checkpoint)
    return hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def put_checkpoint(directory: Path, data: bytes) -> None:
    """Do as :func:`save_checkpoint`, with the bytes of a checkpoint's file.

    Raises:
        OSError: the disk is full or the directory not writable; what was there is still there.
    """
    following = directory / _NEXT_NAME
    following.unlink(missing_ok=True)
    write_durably(following, data)
    current = directory / CURRENT_NAME
    if current.exists():
        current.replace(directory / PREVIOUS_NAME)
    following.replace(current)
    sync_directory(directory)


def load_checkpoint(directory: Path) -> tuple[Checkpoint | None, list[str]]:
    """Return the newest checkpoint that is whole, and what was wrong with those passed over."""
    problems: list[str] = []
    for name in (CURRENT_NAME, PREVIOUS_NAME):
        path = directory / name
        if not path.exists():
            continue
        try:
            return decode_checkpoint(path.read_bytes()), problems
        except (OSError, ValueError, msgspec.MsgspecError) as error:
            problems.append(f"{path}: {error}")
    return None, problems


class Checkpoints:
    """The checkpoints of one directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def load(self) -> tuple[Checkpoint | None, list[str]]:
        """Return what :func:`load_checkpoint` does."""
        return load_checkpoint(self._directory)

    def save(self, checkpoint: Checkpoint) -> None:
        """Do what :func:`save_checkpoint` does."""
        save_checkpoint(self._directory, checkpoint)

    def current(self) -> bytes:
        """Return the bytes of what was saved last.

        Raises:
            OSError: there is nothing, or it cannot be read.
        """
        return (self._directory / CURRENT_NAME).read_bytes()


def set_checkpoint_aside(directory: Path) -> None:
    """Rename the checkpoint that would be loaded next, so that the one before it is."""
    for name in (CURRENT_NAME, PREVIOUS_NAME):
        if (directory / name).exists():
            (directory / name).replace(directory / f"{name}.refused")
            sync_directory(directory)
            return


def decode_checkpoint(data: bytes) -> Checkpoint:
    """Return the checkpoint that a file's bytes hold.

    Raises:
        ValueError: they are damaged, or of another format.
    """
    head, body = data[: _DIGEST_LENGTH + 1], data[_DIGEST_LENGTH + 1 :]
    if hashlib.sha256(body).hexdigest().encode() + b"\n" != head:
        raise ValueError("the file is damaged: its checksum does not match")
    found = msgspec.msgpack.decode(body, type=_Format).v
    if found != FORMAT_VERSION:
        raise ValueError(
            f"the file has format {found}, not {FORMAT_VERSION}: run the release that wrote it, or "
            "let everything be learned anew from the log"
        )
    return msgspec.msgpack.decode(body, type=Checkpoint)
