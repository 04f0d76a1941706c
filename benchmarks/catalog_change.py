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
    over = threading.Event()
    load = threading.Thread(target=_load, args=(target, pace, over, results))
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
        over.set()
        load.join()
    return _together(results), Change(sent_s, answered_s, live_s)


def _load(target: Target, pace: Pace, over: threading.Event, results: list[LoadResult]) -> None:
    """Go on for as long as the change takes."""
    while not over.is_set():
        results.append(run_load(target, pace).checked())


def _together(results: list[LoadResult]) -> LoadResult:
    if not results:
        raise RuntimeError("requests failed while the catalog changed; the error stands above")
    return LoadResult(
        errors=0,
        seconds=sum(one.seconds for one in results),
        due_s=np.concatenate([one.due_s for one in results]),
        latencies_s=np.concatenate([one.latencies_s for one in results]),
        late_s=np.concatenate([one.late_s for one in results]),
        cpu_s=sum(one.cpu_s for one in results),
    )


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
