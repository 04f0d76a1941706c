"""One PATCH of the catalog while pages are asked for."""

from __future__ import annotations

import threading
import time
from typing import Final, NamedTuple
from urllib.request import Request, urlopen

import msgspec
import numpy as np

from bandit.catalog import CatalogPatch
from bandit.types import Artwork, Title
from benchmarks.load import LoadResult, Pace, Target, run_load
from benchmarks.pages import ARTWORKS_A_TITLE, features_of_artwork, title_features, title_name
from benchmarks.servers import encoded, headers
from benchmarks.serving_watch import ServingWatch
from server.local import wait_until
from server.wire import CatalogAnswer

WAIT_S: Final = 0.5
"""How long the load runs before."""

LONGEST_S: Final = 120.0


class Change(NamedTuple):
    """When a change was sent, answered, and served by every worker (monotonic clock)."""

    sent_s: float
    answered_s: float
    live_s: float


def change_catalog(
    url: str, target: Target, pace: Pace, watch: ServingWatch
) -> tuple[LoadResult, Change]:
    """Load a server and change its first title meanwhile.

    Raises:
        TimeoutError: some worker did not serve the change within :data:`LONGEST_S`.
    """
    results: list[LoadResult] = []
    load = threading.Thread(target=lambda: results.append(run_load(target, pace)))
    before = len(watch.seen)
    load.start()
    try:
        wait_until(lambda: len(watch.seen) > before, LONGEST_S, "an answer")
        time.sleep(WAIT_S)
        sent_s = time.monotonic()
        version = _patch(url)
        answered_s = time.monotonic()
        wait_until(lambda: watch.all_serve_catalog(version), LONGEST_S, "serving the new catalog")
        live_s = max(
            min(one.at_s for one in watch.seen if one.worker == worker and one.catalog == version)
            for worker in target.workers
        )
    finally:
        load.join()
    return results[0], Change(sent_s, answered_s, live_s)


def _patch(url: str) -> str:
    random = np.random.default_rng(21)
    artworks = [
        Artwork(f"art-{place}", features_of_artwork(random)) for place in range(ARTWORKS_A_TITLE)
    ]
    patch = CatalogPatch(titles=[Title(title_name(0), artworks, title_features(0))])
    body = encoded(patch, "msgpack")
    request = Request(f"{url}/v1/catalog", body, headers("msgpack"), method="PATCH")
    with urlopen(request, timeout=LONGEST_S) as answer:
        return msgspec.msgpack.decode(answer.read(), type=CatalogAnswer).version
