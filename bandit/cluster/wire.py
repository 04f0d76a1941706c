"""What stands in Redis, all of it as MessagePack; what is stored tells its format's version."""

from __future__ import annotations

from typing import Final

import msgspec

FORMAT_VERSION: Final = 1


class SentRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A record on its way, as its spool holds it."""

    sequence: int
    at_us: int
    payload: bytes
    """The record, as :func:`bandit.events.encode_record` gives it, be it damaged."""


class SpoolTold(msgspec.Struct, frozen=True, array_like=True):
    """How far a spool is told of in a partition."""

    through: int
    """Up to this sequence all of the partition's records are in its stream."""
    horizon_us: int
    """And up to this instant, none will be added."""


class HostTold(msgspec.Struct, frozen=True):
    """What a machine tells of itself, in each partition."""

    at_us: int
    """When, by its clock."""
    spools: dict[str, SpoolTold]
    """By spool and file, as in ``spool-000/1f0c``; files that are gone stay as long as a stream of
    theirs holds something."""
    v: int = FORMAT_VERSION


RECORDS: Final = b"r"
"""The field of a stream's entry that holds a list of :class:`SentRecord`, in order.

The entry's id is ``<sequence of the last>-0``: Redis refuses an id that is not greater than those
before it, so that whatever is sent a second time is in the stream once.
"""
FIRST: Final = b"f"
"""The field that holds the first one's sequence, in digits."""
