"""gunicorn's settings for the floor under our worker class: what ours tells its workers.

``POST /v1/rank`` is then served by the worker's loop itself, and connections are dealt out, as
they are for ours.
"""

from __future__ import annotations

from typing import Final

from server.connection_table import ConnectionTable
from server.inline_worker import InlineWorker

sendfile: Final = False

_SLOTS: Final = 16
_connections: Final = ConnectionTable(_SLOTS)


def pre_fork(server: object, worker: InlineWorker) -> None:
    """Tell a worker what it must know of the others."""
    worker.slot = _connections.claim()
    worker.serves_inline = lambda: True


def child_exit(server: object, worker: InlineWorker) -> None:
    """Forget a worker that has ended."""
    if worker.slot is not None:
        worker.slot.free()
