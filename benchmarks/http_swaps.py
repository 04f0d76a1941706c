"""What a new snapshot and a changed catalog cost those who are being served.

Pages are asked for at half of what the server can do while a process publishes both surfaces'
models twice a second, and small pages are asked of each worker to see when it serves them. The
slowest request that was under way between the beginning of a publication and the first answer of
the last worker by it, less the usual latency, is what a swap may cost. Usual is the median of
those requests of the same round that met no swap.

How it is told that the swap is the cause: by turns with those rounds the same load runs for as long
while the same process publishes as much into a store of which the server does not know. What its
slowest request takes more than usual stands beside, and is nobody's swap.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from bandit.config.schema import Config
from bandit.types import BoolArray, Page
from benchmarks.big_catalogs import DIRECTORY, LIMITS, big_catalog
from benchmarks.catalog_change import change_catalog
from benchmarks.figures import Board
from benchmarks.figures import Target as Wanted
from benchmarks.http_rounds import CONNECTIONS, OPEN_CONNECTIONS, middle_ms, middle_rate
from benchmarks.load import LoadResult, Pace, Target, run_load
from benchmarks.load_generator import generate
from benchmarks.memory import worker_pids, workers_memory
from benchmarks.pages import ARTWORKS_A_TITLE, pages_of, title_name
from benchmarks.servers import port_of, rank_target, settings_of, train
from benchmarks.serving_watch import POLL_S, ServingWatch, served_everywhere_s
from benchmarks.snapshot_publisher import Published, SnapshotPublisher
from benchmarks.stock_servers import WORKERS
from benchmarks.wrk import saturate
from server.local import LocalServer

PAUSE_WANTED: Final = Wanted("<", 50.0)
LIVE_WANTED: Final = Wanted("<", 2.0)
PUBLISH_EVERY_S: Final = 0.5
SETTLED_S: Final = 2.0
"""A snapshot published so long before the end must have been seen everywhere."""

_START_WITHIN_S: Final = 300.0
_REQUESTS: Final = 64


class Size(NamedTuple):
    """How much to run."""

    catalogs: dict[str, int]
    """Artworks by name."""
    rounds: int
    seconds: float
    """Of load, each time."""
    training_pages: int


FULL: Final = Size({"20k": 20_000, "1m": 1_000_000}, 3, 8.0, 60)
QUICK: Final = Size({"20k": 20_000}, 1, 2.0, 20)


class Swaps(NamedTuple):
    """What was found with one catalog."""

    pause_ms: float
    live_s: float
    together_mb: float


def measure_swaps(board: Board, *, quick: bool) -> None:
    """Measure swaps of snapshots and a catalog's change under load, and the workers' memory."""
    size = QUICK if quick else FULL
    found = {name: _measure_one(board, name, size) for name in size.catalogs}
    sizes = " and ".join(f"{size.catalogs[name]:,}" for name in found)
    work = f"the worst of catalogs of {sizes} artworks: see the figures of each"
    if quick:
        work += "; a quick run leaves the large catalog out"
    worst = max(one.pause_ms for one in found.values())
    board.add("swap_pause_max_ms", worst, "ms", work, PAUSE_WANTED)
    live_s = max(one.live_s for one in found.values())
    board.add("swap_live_all_workers_s", live_s, "s", work, LIVE_WANTED)
    board.curve(
        "workers_memory",
        "artworks in the catalog",
        "memory of all workers, shared pages counted once, MB",
        {
            f"{WORKERS} workers": [
                (size.catalogs[name], one.together_mb) for name, one in found.items()
            ]
        },
        "PSS of all workers after load and swaps",
        "x",
    )


class _Site(NamedTuple):
    """A server that is under measurement, and what it is asked."""

    server: LocalServer
    target: Target
    small: Page
    pace: Pace

    def watch(self) -> ServingWatch:
        return ServingWatch(self.target.port, self.target.workers, self.small)


def _measure_one(board: Board, name: str, size: Size) -> Swaps:
    artworks = size.catalogs[name]
    names = [title_name(number) for number in range(artworks // ARTWORKS_A_TITLE)]
    with tempfile.TemporaryDirectory(prefix="marquee-bench-swaps-") as directory:
        state = Path(directory) / "state"
        _place_catalog(board, artworks, state / "catalog")
        limits = {"MARQUEE__LIMITS__CATALOG_BYTES_MAX": str(LIMITS.catalog_bytes_max)}
        settings = settings_of() | limits
        with LocalServer(state, settings=settings, wait_s=_START_WITHIN_S) as server:
            train(server, pages_of(names, size.training_pages, seed=2))
            site = _site(server, pages_of(names, _REQUESTS), size)
            rounds = [_round(site, Path(directory)) for _ in range(size.rounds)]
            pause_ms, live_s = _add_swaps(board, name, site, rounds)
            _add_change(board, name, site)
            together_mb = _add_memory(board, name, artworks, server)
    return Swaps(pause_ms, live_s, together_mb)


def _place_catalog(board: Board, artworks: int, catalog: Path) -> None:
    """Give a server's state the catalog, made once for all runs."""
    big_catalog(artworks, board.say)
    catalog.mkdir(parents=True)
    for made in (DIRECTORY / str(artworks)).iterdir():
        # Not its locks: those belong to the directory.
        if not made.name.startswith("."):
            _link_or_copy(made, catalog / made.name)


def _link_or_copy(made: Path, place: Path) -> None:
    try:
        os.link(made, place)
    except OSError:
        # The state may lie on another file system.
        place.write_bytes(made.read_bytes())


def _site(server: LocalServer, pages: list[Page], size: Size) -> _Site:
    target = rank_target(port_of(server), "/v1/rank", pages, "msgpack", worker_pids(server))
    generate(target, Pace(CONNECTIONS, 1.0)).checked()
    # The median: half of what was measured in a lucky second could be too much.
    rounds = [saturate(target, CONNECTIONS, size.seconds / 4) for _ in range(size.rounds)]
    page = pages[0]
    small = Page(viewer_id=page.viewer_id, context=page.context, rows=page.rows[:2])
    pace = Pace(OPEN_CONNECTIONS, size.seconds, middle_rate(rounds) / 2)
    return _Site(server, target, small, pace)


class _Round(NamedTuple):
    """The same load with swaps and without."""

    swapped: LoadResult
    lives: list[tuple[Published, float]]
    """Each snapshot, and when the last worker served it."""
    without: LoadResult

    @property
    def touched(self) -> BoolArray:
        """Which requests were under way in a swap."""
        return under_way(self.swapped, [(one.began_s, live_s) for one, live_s in self.lives])

    @property
    def usual_ms(self) -> float:
        """The median of those that were not."""
        return float(np.median(self.swapped.latencies_s[~self.touched]) * 1e3)

    @property
    def pause_ms(self) -> float:
        return slowest_ms(self.swapped, self.touched) - self.usual_ms

    @property
    def control_ms(self) -> float:
        return self.without.percentile_ms(100) - self.without.percentile_ms(50)


def _round(site: _Site, directory: Path) -> _Round:
    state = directory / "state"
    with site.watch(), SnapshotPublisher(state, PUBLISH_EVERY_S, directory / "unknown"):
        without = run_load(site.target, site.pace).checked()
    publisher = SnapshotPublisher(state, PUBLISH_EVERY_S)
    with site.watch() as watch, publisher:
        swapped = run_load(site.target, site.pace).checked()
    return _Round(swapped, _lives(publisher.published, watch), without)


def _add_swaps(board: Board, name: str, site: _Site, rounds: list[_Round]) -> tuple[float, float]:
    """Add pauses by snapshots; returns the longest, and the longest time until one was live."""
    pause_ms = max(one.pause_ms for one in rounds)
    live_s = max(end_s - one.published_s for every in rounds for one, end_s in every.lives)
    swaps = sum(len(one.lives) for one in rounds)
    requests = sum(one.swapped.requests for one in rounds)
    rate = site.pace.rate_per_s or 0
    work = (
        f"half load ({rate:.0f} pages/s), {WORKERS} workers, catalog {name}, both surfaces "
        f"published every {PUBLISH_EVERY_S} s, {len(rounds)} rounds"
    )
    board.add(
        f"swap_pause_max_ms_{name}",
        pause_ms,
        "ms",
        f"{work}, {swaps} swaps among {requests} requests: the slowest request that was under way "
        "from the beginning of a publication to the first answer of the last worker by it, less "
        "the median of the round's requests that met no swap",
    )
    board.add(
        f"swap_control_max_ms_{name}",
        max(one.control_ms for one in rounds),
        "ms",
        "the same load for as long by turns, the same process publishing into a store that nobody "
        "reads: the slowest request less the median; no swap had a part in it",
    )
    for what, results in (
        ("with", [one.swapped for one in rounds]),
        ("without", [one.without for one in rounds]),
    ):
        text = f"{work}: 99th percentile {what} swaps, median of the rounds"
        board.add(f"swap_p99_ms_{what}_{name}", middle_ms(results, 99), "ms", text)
    poll_s = min(Config().snapshots.poll_interval_s, Config().catalog.poll_interval_s)
    board.add(
        f"swap_live_all_workers_s_{name}",
        live_s,
        "s",
        f"{work}: the longest from the end of a publication to the first answer by it of the last "
        f"worker; each is asked every {POLL_S} s, and looks for snapshots every {poll_s} s, the "
        "default",
    )
    return pause_ms, live_s


def _lives(published: Sequence[Published], watch: ServingWatch) -> list[tuple[Published, float]]:
    """Return when each snapshot of artworks was served everywhere.

    The last ones may not have been seen any more.
    """
    lives = []
    end_s = watch.seen[-1].at_s
    for one in published:
        if one.surface != "artwork":
            continue
        live_s = served_everywhere_s(watch.seen, one.surface, one.version)
        if live_s is not None:
            lives.append((one, live_s))
        elif one.published_s < end_s - SETTLED_S:
            lives.append((one, end_s))
    if not lives:
        raise RuntimeError("no snapshot was served while the load ran")
    return lives


def under_way(result: LoadResult, windows: Sequence[tuple[float, float]]) -> BoolArray:
    """Return (n,) which requests were under way in any of the windows of time."""
    ends_s = result.due_s + result.latencies_s
    touched = np.zeros(result.requests, bool)
    for first_s, last_s in windows:
        touched |= (result.due_s <= last_s) & (ends_s >= first_s)
    return touched


def slowest_ms(result: LoadResult, which: BoolArray) -> float:
    """Return the longest latency among some requests, 0 of none."""
    return float(result.latencies_s[which].max(initial=0.0) * 1e3)


def _add_change(board: Board, name: str, site: _Site) -> None:
    """Measure and add one PATCH of the catalog under the same load."""
    with site.watch() as watch:
        result, change = change_catalog(site.server.url, site.target, site.pace, watch)
    touched = under_way(result, [(change.sent_s, change.live_s)])
    usual_ms = float(np.median(result.latencies_s[~touched]) * 1e3)
    work = f"half load, catalog {name}: one PATCH /v1/catalog that changes one title"
    board.add(f"catalog_patch_answer_s_{name}", change.answered_s - change.sent_s, "s", work)
    board.add(
        f"catalog_patch_live_s_{name}",
        change.live_s - change.sent_s,
        "s",
        f"{work}: from sending it until every worker answered by the new catalog",
    )
    board.add(
        f"catalog_patch_pause_max_ms_{name}",
        slowest_ms(result, touched) - usual_ms,
        "ms",
        f"{work}: the slowest request under way meanwhile, less the median of the others",
    )


def _add_memory(board: Board, name: str, artworks: int, server: LocalServer) -> float:
    memory = workers_memory(server)
    work = f"after load and swaps, a catalog of {artworks:,} artworks"
    board.add(f"worker_rss_mb_{name}", memory.rss_mb, "MB", f"median worker, {work}")
    board.add(
        f"worker_pss_mb_{name}",
        memory.pss_mb,
        "MB",
        "the same, pages shared with other processes counted in part",
    )
    board.add(
        f"workers_memory_mb_{name}",
        memory.together_mb,
        "MB",
        f"all {WORKERS} workers together, shared pages counted once (sum of PSS), {work}",
    )
    return memory.together_mb
