"""Orders to erase a viewer's records, as files: given by one process, carried out by many.

An order is a directory ``keeping/erasures/<id>`` below the log's, with ``order.json`` and one file
``<who>.done`` for each spool and each learner, once they have done their part. It stays until
all have, whoever dies meanwhile; doing a part again changes nothing. It has to name the viewer, so
only its owner may read it, and it goes when the order is done. What was erased, when and by whose
order is then a line in ``keeping/erasures.jsonl``, with a keyed hash in place of the id.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

import msgspec

from bandit.eventlog.learned import KEEPING
from bandit.files import PRIVATE_MODE, sync_directory, write_atomically

FORMAT_VERSION: Final = 1
LEARNER: Final = "learner"
CHALLENGER: Final = "challenger"
"""The challenger's learner."""
_ORDER: Final = "order.json"


class SpoolPart(msgspec.Struct, frozen=True):
    """Which records of a spool are to be erased."""

    file: str
    """The id of the spool's file; another file under the name holds other records."""
    sequences: list[int]


class ErasureOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be erased where."""

    id: str
    viewers: list[str]
    """Every form in which the viewer's id may be stored."""
    decisions: list[str]
    """The ids of the viewer's decisions."""
    spools: dict[str, SpoolPart]
    v: int = FORMAT_VERSION

    def concerns(self, text: str) -> bool:
        """Tell whether a text names the viewer."""
        return any(viewer in text for viewer in self.viewers)


class Done(msgspec.Struct, frozen=True):
    """What was erased by one part of an order."""

    records: int


class ErasureRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An erasure that was done."""

    at_us: int
    by: str
    viewer: str
    """A keyed hash of the id, which tells the same viewer but not who it is."""
    erased: dict[str, int]
    """How many records, by where they were."""
    v: int = FORMAT_VERSION


class ErasureOrders:
    """The orders of one log."""

    def __init__(self, log: Path) -> None:
        self._keeping = log / KEEPING
        self._directory = self._keeping / "erasures"

    def open(self) -> list[ErasureOrder]:
        """Return the orders that are not done, by age; one that cannot be read is left out."""
        found = []
        for path in sorted(self._directory.glob(f"*/{_ORDER}")):
            try:
                order = msgspec.json.decode(path.read_bytes(), type=ErasureOrder)
            except (OSError, msgspec.DecodeError, UnicodeDecodeError):
                continue
            if order.v == FORMAT_VERSION:
                found.append(order)
        return found

    def give(self, order: ErasureOrder) -> None:
        """Make an order known, all at once.

        Raises:
            OSError: the log's directory cannot be written.
        """
        place = self._directory / order.id
        place.mkdir(parents=True)
        sync_directory(self._directory)
        write_atomically(place / _ORDER, msgspec.json.encode(order), PRIVATE_MODE)

    def mark(self, order: ErasureOrder, who: str, done: Done) -> None:
        """Tell that a part is done; where the order is gone by now nobody needs to know.

        Raises:
            OSError: the directory cannot be written.
        """
        place = self._directory / order.id
        if place.exists():
            write_atomically(place / f"{who}.done", msgspec.json.encode(done))

    def done(self, order: ErasureOrder) -> dict[str, Done]:
        """Return the parts that are done."""
        found = {}
        for path in (self._directory / order.id).glob("*.done"):
            try:
                found[path.stem] = msgspec.json.decode(path.read_bytes(), type=Done)
            except (OSError, msgspec.DecodeError):
                continue
        return found

    def outstanding(self, order: ErasureOrder) -> list[str]:
        """Return the spools that have not done their part."""
        done = self.done(order)
        return [spool for spool in order.spools if spool not in done]

    def finish(self, order: ErasureOrder, record: ErasureRecord) -> None:
        """Write down what was done, and let go of the order.

        Raises:
            OSError: the directory cannot be written.
        """
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        handle = os.open(self._keeping / "erasures.jsonl", flags, PRIVATE_MODE)
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.encode(record) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        shutil.rmtree(self._directory / order.id)
        sync_directory(self._directory)
