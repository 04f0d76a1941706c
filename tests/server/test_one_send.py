"""Heads leave with small bodies, and before large ones, in order and unchanged."""

from __future__ import annotations

import socket

import pytest

from server.one_send import HeldHead


class Wire(socket.socket):
    """Keeps what is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []

    def sendall(self, data: object, flags: int = 0) -> None:
        assert isinstance(data, bytes)
        self.sent.append(data)


@pytest.mark.parametrize(("size", "sends"), [(1, 1), (65_536, 1), (65_537, 2), (1_000_000, 2)])
def test_a_head_is_joined_with_a_small_body_alone(size: int, sends: int) -> None:
    body = b"x" * size
    with Wire() as wire:
        held = HeldHead(wire)
        held.sendall(b"head")
        assert wire.sent == []
        held.sendall(body)
        held.sendall(b"more")
        held.flush()
    assert b"".join(wire.sent) == b"head" + body + b"more"
    assert len(wire.sent) == sends + 1
    if sends > 1:
        # A copy of it would hold up all other threads.
        assert wire.sent[1] is body
