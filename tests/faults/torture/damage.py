"""Faults that kill nobody: bits that flip on the disk, and clients that send half a body."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal

import numpy as np

Damage = Literal["none", "checkpoint", "snapshot"]
"""What is damaged while a service is down: the learner's newest checkpoint, or a newest model."""

_CONNECTIONS = 12
_HALF = (
    b"POST /v1/feedback HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b'Content-Length: 1000\r\n\r\n{"events": [{"event_id": "half'
)


def flip_a_bit(what: Damage, learner: Path, snapshots: Path, seed: int) -> bool:
    """Flip one bit of what a service finds at its next start; tell whether there was anything."""
    random = np.random.default_rng(seed)
    files = [learner / "checkpoint"] if what == "checkpoint" else _newest_model(snapshots, random)
    files = [file for file in files if file.is_file()]
    if not files:
        return False
    file = files[int(random.integers(len(files)))]
    content = bytearray(file.read_bytes())
    content[int(random.integers(len(content)))] ^= 1 << int(random.integers(8))
    file.write_bytes(content)
    return True


def _newest_model(snapshots: Path, random: np.random.Generator) -> list[Path]:
    """Return the files of one surface's newest snapshot."""
    surfaces = sorted(path for path in snapshots.glob("*") if path.is_dir())
    if not surfaces:
        return []
    surface = surfaces[int(random.integers(len(surfaces)))]
    versions = sorted(path for path in surface.glob("[0-9]*") if path.is_dir())
    return sorted(versions[-1].iterdir()) if versions else []


@contextmanager
def half_sent_bodies(port: int) -> Iterator[None]:
    """Have connections open on which half a body was sent and nothing more comes."""
    with ExitStack() as stack:
        for _ in range(_CONNECTIONS):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            connection.sendall(_HALF)
        yield
