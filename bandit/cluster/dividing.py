"""Which of several shares a record belongs to, found with the least decoding.

All records of a decision are of one share.
"""

from __future__ import annotations

import msgspec

from bandit.cluster.names import partition_of


class _Subject(msgspec.Struct):
    """All that is read of a record: what it is about."""

    decision_id: str


_decoder = msgspec.msgpack.Decoder(_Subject)


def share_of_record(payload: bytes, shares: int) -> int:
    """Return where a record belongs; one that cannot be read is for the first to set aside."""
    if shares == 1:
        return 0
    try:
        return partition_of(_decoder.decode(payload).decision_id, shares)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return 0
