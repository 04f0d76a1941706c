"""Make the sample log that researchers' first commands read: ``python examples/make_logged.py``.

A real service is started, viewers of the simulator's homepage visit it over HTTP, and its log is
exported by `marquee log export`. Everybody is in the explore share: artworks and orders of rows are
drawn uniformly, so that any policy can be judged on it. Instants are those of the day it is made,
so that a new sample is not the same file, though the same viewers see the same pages.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from rich.progress import track

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from examples.catalog_files import CATALOG
from server.client import Client
from server.local import LocalServer, state_overrides, wait_until
from simulator.environments import make_environment
from simulator.live import (
    LivePolicy,
    LiveSettings,
    closed_decisions,
    late_feedback,
    refuse_late,
)
from simulator.loop import run

OUT: Final = Path(__file__).parent / "logged"
BATCH: Final = 100
SEED: Final = 20261122
SETTINGS: Final = {
    "MARQUEE__SERVER__WORKERS": "1",
    "MARQUEE__REWARD__WINDOW_S": "5",
    # Viewers may stay and play more: a play closes nothing.
    "MARQUEE__REWARD__CLOSE_AFTER_PLAY_S": "none",
    "MARQUEE__REWARD__CLOCK_LEEWAY_S": "0",
    "MARQUEE__SURFACES__ARTWORK__HOLDOUT": "0",
    "MARQUEE__SURFACES__ARTWORK__EXPLORE": "1",
    "MARQUEE__SURFACES__ROWS__HOLDOUT": "0",
    "MARQUEE__SURFACES__ROWS__EXPLORE": "1",
    # A visit is a draw of its own: the sample's rounds are all but independent.
    "MARQUEE__SURFACES__ARTWORK__STICKINESS_S": "0.000001",
    "MARQUEE__SURFACES__ROWS__STICKINESS_S": "0.000001",
}


def main() -> int:
    """Serve, export, and put the sample in its place."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=3000)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    environment = make_environment(
        "homepage", pages=options.pages, batch=BATCH, rows=6, titles_a_row=6, viewers=2000,
        catalog=str(CATALOG),
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as directory:
        state = Path(directory)
        with (
            LocalServer(state, settings=SETTINGS) as server,
            Client(server.url, deadline_s=20) as client,
        ):
            policy = LivePolicy(client, settings=LiveSettings(wait=False))
            batches = -(-options.pages // BATCH)
            for _ in track(run(environment, policy, SEED), "visiting", total=batches):
                pass
            _wait_until_closed(client, options.pages)
            refuse_late(late_feedback(client.status()))
        command = [sys.executable, "-m", "server.cli", "log", "export", "--out", str(options.out)]
        subprocess.run(
            command, check=True, env={**os.environ, **state_overrides(state), **SETTINGS}
        )
    return 0


def _wait_until_closed(client: Client, pages: int) -> None:
    def closed() -> bool:
        return closed_decisions(client.status()) >= pages

    wait_until(closed, 60.0, "the windows of all pages to close")


if __name__ == "__main__":
    sys.exit(main())
