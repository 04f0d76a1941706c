"""What cannot be read, joined or learned is set aside, so that it never stops learning for good.

A failure is first taken for an accident: the learner goes back to its checkpoint and tries
again. Attempts are counted in a file of their own, so that they outlive the process; after
``attempts_max`` of them the culprit is written to ``dead-letters.jsonl`` and passed over. A crash
of the whole process counts as a failed attempt as well, of what :mod:`bandit.at_work` names: an
outcome that was being learned, or the checkpoint that was being restored, whose file is then set
aside for the one before it.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Final, Literal

import msgspec
import structlog

from bandit.at_work import AtWork
from bandit.files import write_atomically

LETTERS_NAME: Final = "dead-letters.jsonl"
ATTEMPTS_NAME: Final = "attempts.json"
FORMAT_VERSION: Final = 1

CHECKPOINT: Final = "the checkpoint"
"""Stands for it where decisions have their ids, which hold no space."""

Stage = Literal["read", "join", "learn", "restore"]

_log = structlog.get_logger(__name__)


class DeadLetter(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was set aside, where it failed and why."""

    stage: Stage
    reason: str
    at_us: int
    decision_id: str | None = None
    spool: str | None = None
    sequence: int | None = None
    attempts: int = 1
    v: int = FORMAT_VERSION


class DeadLetters:
    """The set-aside of one learner's directory."""

    def __init__(self, directory: Path, attempts_max: int) -> None:
        """Read what was set aside before; a line torn by a crash is passed over.

        So is one of a later release, with a warning: what it tells of is tried again, which costs
        ``attempts_max`` crashes at worst.
        """
        self._path = directory / LETTERS_NAME
        self._attempts_path = directory / ATTEMPTS_NAME
        self._attempts_max = attempts_max
        self._damaged: set[tuple[str | None, int | None]] = set()
        self._ids: dict[Stage, set[str | None]] = {"join": set(), "learn": set(), "restore": set()}
        self._at_work = AtWork(directory)
        self._torn = False
        for line in self._lines():
            self._remember(line)
        self._attempts = self._read_attempts()

    def __len__(self) -> int:
        return len(self._damaged) + sum(len(ids) for ids in self._ids.values())

    def holds(self, stage: Stage, decision_id: str) -> bool:
        """Tell whether a decision is to be passed over at a stage."""
        return decision_id in self._ids[stage]

    def begins(self, stage: Stage, name: str) -> bool:
        """Note that something begins that may crash the process; False if it is to be passed over.

        :meth:`passed` and :meth:`blame` say that it is over.
        """
        if stage == "learn" and self.holds(stage, name):
            return False
        self._at_work.begin(stage, name)
        return True

    def set_damaged_aside(self, spool: str, sequence: int, reason: str, now_us: int) -> None:
        """Set aside a record that cannot be read, once however often it is met."""
        if (spool, sequence) not in self._damaged:
            self._append(DeadLetter("read", reason, now_us, spool=spool, sequence=sequence))

    def blame(self, stage: Stage, decision_id: str, reason: str, now_us: int) -> bool:
        """Count a failed attempt; True if it was the last one allowed: its cause is set aside."""
        self._at_work.end()
        attempts = self._attempts.get(decision_id, 0) + 1
        is_last = attempts >= self._attempts_max
        if is_last:
            self._append(
                DeadLetter(stage, reason, now_us, decision_id=decision_id, attempts=attempts)
            )
            self.passed(decision_id)
        else:
            self._attempts[decision_id] = attempts
            self._write_attempts()
        return is_last

    def passed(self, decision_id: str) -> None:
        """Forget the failed attempts of what went well in the end."""
        self._at_work.end()
        if self._attempts.pop(decision_id, None) is not None:
            self._write_attempts()

    def forget(self, decision_ids: Collection[str]) -> int:
        """Let go of what was set aside of decisions that were erased; return how many letters.

        Raises:
            OSError: the directory is not writable.
        """
        letters = self._lines()
        kept = [one for one in letters if one.decision_id not in decision_ids]
        if len(kept) < len(letters):
            content = b"".join(msgspec.json.encode(one) + b"\n" for one in kept)
            write_atomically(self._path, content)
            for ids in self._ids.values():
                ids.difference_update(decision_ids)
            self._torn = False
        for decision_id in decision_ids:
            self.passed(decision_id)
        return len(letters) - len(kept)

    def _remember(self, letter: DeadLetter) -> None:
        if letter.stage == "read":
            self._damaged.add((letter.spool, letter.sequence))
        else:
            self._ids[letter.stage].add(letter.decision_id)

    def _append(self, letter: DeadLetter) -> None:
        line = b"\n" * self._torn + msgspec.json.encode(letter) + b"\n"
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        with os.fdopen(handle, "wb") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        self._torn = False
        self._remember(letter)

    def _lines(self) -> list[DeadLetter]:
        if not self._path.exists():
            return []
        data = self._path.read_bytes()
        self._torn = bool(data) and not data.endswith(b"\n")
        letters = []
        for line in data.splitlines():
            try:
                letter = msgspec.json.decode(line, type=DeadLetter)
            except msgspec.DecodeError:
                continue
            if letter.v > FORMAT_VERSION:
                _log.warning("a later release's dead letter is passed over", format=letter.v)
                continue
            letters.append(letter)
        return letters

    def _read_attempts(self) -> dict[str, int]:
        if not self._attempts_path.exists():
            return {}
        try:
            return msgspec.json.decode(self._attempts_path.read_bytes(), type=dict[str, int])
        except msgspec.DecodeError:
            return {}

    def _write_attempts(self) -> None:
        write_atomically(self._attempts_path, msgspec.json.encode(self._attempts))
