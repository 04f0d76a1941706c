"""Connections to a server's workers, and which worker each belongs to (Linux).

The kernel knows a connection's server side by its ports, and its owner by the inode that stands
among the open files of a process.
"""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from server.local import wait_until

TIMEOUT_S: Final = 30.0
ROUNDS_MAX: Final = 8
_ESTABLISHED: Final = "01"


def owners(port: int, workers: Collection[int]) -> dict[int, int]:
    """Return the client's port → the worker, of all connections to ``port`` that they have."""
    inodes = {}
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        words = line.split()
        if int(words[1].partition(":")[2], 16) == port and words[3] == _ESTABLISHED:
            inodes[words[9]] = int(words[2].partition(":")[2], 16)
    found = {}
    for worker in workers:
        for name in Path(f"/proc/{worker}/fd").iterdir():
            # A file may be closed while we look.
            with suppress(FileNotFoundError):
                inode = str(name.readlink()).removeprefix("socket:[").removesuffix("]")
                if inode in inodes:
                    found[inodes[inode]] = worker
    return found


def spread(port: int, workers: Collection[int]) -> list[int]:
    """Return how many connections each worker has, most first."""
    counts = Counter(owners(port, workers).values())
    return sorted((counts[worker] for worker in workers), reverse=True)


def connections_of(opened: Sequence[socket.socket], workers: Collection[int]) -> dict[int, int]:
    """Return the worker of each of these connections, by their file numbers, once accepted."""
    port: int = opened[0].getpeername()[1]
    ours = {one.getsockname()[1]: one.fileno() for one in opened}
    wait_until(
        lambda: ours.keys() <= owners(port, workers).keys(), TIMEOUT_S, "accepting connections"
    )
    return {ours[name]: worker for name, worker in owners(port, workers).items() if name in ours}


def open_connections(port: int, count: int, workers: Collection[int]) -> list[socket.socket]:
    """Open connections, as evenly dealt out to workers as some tries allow."""
    opened: list[socket.socket] = []
    if not workers:
        return [_connect(port) for _ in range(count)]
    share = -(-count // len(workers))
    kept: list[socket.socket] = []
    for _ in range(ROUNDS_MAX):
        opened += [_connect(port) for _ in range(count)]
        of = connections_of(opened, workers)
        kept = _shares(opened, of, share)[:count]
        if len(kept) == count:
            break
    left = [one for one in opened if one not in kept]
    for one in left[count - len(kept) :]:
        one.close()
    return kept + left[: count - len(kept)]


def _shares(opened: Sequence[socket.socket], of: dict[int, int], share: int) -> list[socket.socket]:
    """Return at most ``share`` connections of each worker, the workers by turns."""
    by_worker: dict[int, list[socket.socket]] = {}
    for one in opened:
        by_worker.setdefault(of[one.fileno()], []).append(one)
    return [mine[turn] for turn in range(share) for mine in by_worker.values() if turn < len(mine)]


def _connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection
