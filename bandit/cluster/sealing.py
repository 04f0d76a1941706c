"""Signed content in Redis, for what a learner goes on from: models are loaded by native code.

A line tells what it is, which key signed it and the HMAC-SHA256 of the rest; the content follows.
Snapshots have signatures of their own, and catalogs are named after their content.
"""

from __future__ import annotations

from typing import Final

from bandit.keys import KeyRing, Signature

_PARTS: Final = 3


def sealed(keys: KeyRing, kind: str, content: bytes) -> bytes:
    """Sign content; ``kind`` is a word for what it is, and where it lies."""
    signature = keys.sign(_signed(kind, content))
    return f"{kind} {signature.key_id} {signature.digest}\n".encode() + content


def opened(keys: KeyRing, kind: str, data: bytes) -> bytes:
    """Return the content.

    Raises:
        ValueError: it is damaged, something else, or signed by nobody of ours.
    """
    head, _, content = data.partition(b"\n")
    words = head.decode("ascii", "replace").split(" ")
    if len(words) != _PARTS or words[0] != kind:
        raise ValueError(f"it is no {kind}")
    if not keys.verify(_signed(kind, content), Signature(words[1], words[2])):
        raise ValueError(
            "it is damaged, or signed with a key that is not known here: give all machines of the "
            "cluster the same snapshots.signing_keys_file"
        )
    return content


def _signed(kind: str, content: bytes) -> bytes:
    return kind.encode() + b"\n" + content
