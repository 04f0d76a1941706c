"""The small service that is tortured: its catalog and its settings."""

from __future__ import annotations

import socket

from bandit.catalog import CatalogDocument
from bandit.types import Artwork, Row, Title

TITLES = [f"t{title}" for title in range(12)]
DOCUMENT = CatalogDocument(
    [
        Title(name, [Artwork(f"{name}.{art}", {"mood": f"mood{art}"}) for art in range(3)])
        for name in TITLES
    ],
    [Row(f"row{row}", {"kind": f"kind{row}"}) for row in range(2)],
)
SETTINGS = {
    "MARQUEE__REWARD__WINDOW_S": "1",
    "MARQUEE__REWARD__CLOCK_LEEWAY_S": "0",
    "MARQUEE__LEARNER__CHECKPOINT_INTERVAL_S": "0.3",
    "MARQUEE__SERVER__RESTART_BACKOFF_S": "0.1",
    "MARQUEE__SURFACES__ARTWORK__MODEL__BITS": "14",
    "MARQUEE__SURFACES__ROWS__MODEL__BITS": "14",
}
"""Models small and windows short, so that much happens in little time."""


def free_port() -> int:
    """Return a port that nobody listens on now, for a service that keeps it across restarts."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
