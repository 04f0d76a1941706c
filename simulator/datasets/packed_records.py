"""Decision records kept encoded: a page of forty titles takes a tenth of the memory so.

What targets need of them goes record by record, so that one decoded at a time is enough.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import overload

import msgspec

from bandit.events import DecisionRecord, encode_record

_decoder = msgspec.msgpack.Decoder(DecisionRecord)


class PackedRecords(Sequence[DecisionRecord]):
    """A sequence of records, decoded anew each time one is taken."""

    def __init__(self, packed: Sequence[bytes]) -> None:
        self._packed = packed

    @classmethod
    def pack(cls, records: Iterable[DecisionRecord]) -> PackedRecords:
        """Encode records."""
        return cls([encode_record(record) for record in records])

    @classmethod
    def join(cls, parts: Iterable[Sequence[DecisionRecord]]) -> PackedRecords:
        """Put sequences together; those that are packed already are not touched."""
        packed: list[bytes] = []
        for part in parts:
            packed += part._packed if isinstance(part, PackedRecords) else map(encode_record, part)
        return cls(packed)

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self._packed)

    @overload
    def __getitem__(self, index: int) -> DecisionRecord: ...

    @overload
    def __getitem__(self, index: slice) -> PackedRecords: ...

    def __getitem__(self, index: int | slice) -> DecisionRecord | PackedRecords:
        """Return one record, decoded, or some of them, packed."""
        if isinstance(index, slice):
            return PackedRecords(self._packed[index])
        return _decoder.decode(self._packed[index])
