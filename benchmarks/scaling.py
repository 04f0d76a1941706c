"""How a page's time goes with titles, artworks, context and catalog, and memory with the latter.

All points of one curve take turns in one process, by the default config; catalogs are loaded as a
worker loads them, mapped. Memory is that of a process of its own which loads a catalog, builds the
models and decides pages: what it holds alone, and what it shares with every other worker.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

import msgspec

from bandit.catalog import Catalog
from bandit.config.schema import Config
from bandit.policy import Policy, Serving
from bandit.types import Page
from benchmarks.big_catalogs import big_catalog
from benchmarks.figures import Board, Target
from benchmarks.in_process import decisions, models_of
from benchmarks.in_process_vw import served_model
from benchmarks.pages import pages_of, standard_catalog, standard_pages
from benchmarks.turns import Contender, Middle, take_turns

WANTED: Final = Target("<", 1.5)
STANDARD: Final = 20_000
LARGEST: Final = 1_000_000
OURS: Final = "Marquee"
VW: Final = "VW, kept Examples of the served model"
MILLISECONDS: Final = "ms a page"


class Size(NamedTuple):
    """The points of all curves, and how often each is measured."""

    titles: Sequence[int]
    artworks: Sequence[int]
    contexts: Sequence[int]
    catalogs: Sequence[int]
    pages: int
    rounds: int


FULL: Final = Size(
    titles=(1, 5, 20, 60, 120, 240, 500, 1000),
    artworks=(1, 2, 4, 8, 16, 32, 64),
    contexts=(1, 5, 10, 20, 50, 100, 256),
    catalogs=(2000, 6000, STANDARD, 100_000, 300_000, LARGEST),
    pages=64,
    rounds=40,
)
QUICK: Final = Size(
    titles=(1, 240, 1000),
    artworks=(1, 8, 64),
    contexts=(1, 20, 256),
    catalogs=(2000, STANDARD, LARGEST),
    pages=64,
    rounds=6,
)


def measure_scaling(board: Board, *, quick: bool) -> None:
    """Measure all curves."""
    size = QUICK if quick else FULL
    by_titles(board, size)
    by_artworks(board, size)
    by_context(board, size)
    by_catalog(board, size)
    memory_by_catalog(board, size)


def by_titles(board: Board, size: Size) -> None:
    """Measure pages of more and more titles, VW's beside."""
    config, document = Config(), standard_catalog(2500)
    serving = Serving(Catalog.build(document), models_of(config))
    pages = {n: standard_pages(document, size.pages, titles=n) for n in size.titles}
    ours = {n: decisions(Policy(config), serving, pages[n]) for n in pages}
    # two pages each: a thousand titles are eight thousand Examples
    peers = {n: served_model(config, serving, pages[n][:2]) for n in pages}
    lines = {OURS: _line(ours, size), VW: _line(peers, size._replace(rounds=3))}
    board.curve(
        "page_by_titles",
        "titles a page",
        MILLISECONDS,
        lines,
        "Policy.decide of pages of 8 artworks a title, 20 context features, up to 40 rows; "
        "VW's scores alone",
        "xy",
    )


def by_artworks(board: Board, size: Size) -> None:
    """Measure pages whose titles have more and more artworks."""
    config, contenders = Config(), {}
    for count in size.artworks:
        document = standard_catalog(600, artworks_a_title=count)
        serving = Serving(Catalog.build(document), models_of(config))
        pages = standard_pages(document, size.pages)
        contenders[count] = decisions(Policy(config), serving, pages)
    board.curve(
        "page_by_artworks",
        "artworks a title",
        MILLISECONDS,
        {OURS: _line(contenders, size)},
        "Policy.decide of 240 titles in 40 rows, 20 context features",
        "x",
    )


def by_context(board: Board, size: Size) -> None:
    """Measure pages with more and more context features."""
    config, document = Config(), standard_catalog(2500)
    serving = Serving(Catalog.build(document), models_of(config))
    contenders = {
        count: decisions(
            Policy(config),
            serving,
            standard_pages(document, size.pages, context_features=count),
        )
        for count in size.contexts
    }
    board.curve(
        "page_by_context_features",
        "context features",
        MILLISECONDS,
        {OURS: _line(contenders, size)},
        "Policy.decide of 240 titles × 8 artworks in 40 rows, half categories and half numbers",
        "x",
    )


def by_catalog(board: Board, size: Size) -> None:
    """Measure the same pages from larger and larger catalogs."""
    config = Config()
    contenders = {
        count: catalog_pages(config, big_catalog(count, board.say), size.pages)
        for count in size.catalogs
    }
    seconds = take_turns(contenders, size.rounds)
    board.curve(
        "page_by_catalog",
        "artworks in the catalog",
        MILLISECONDS,
        {OURS: [(count, median(took.tolist()) * 1e3) for count, took in seconds.items()]},
        f"Policy.decide of 240 titles × 8 artworks in 40 rows; {size.pages} pages of titles picked "
        "evenly from the whole catalog, of which the smallest has 250",
        "x",
    )
    ratio = Middle.ratio(seconds[LARGEST], seconds[STANDARD])
    work = f"a page's time with a catalog of {LARGEST:,} artworks by that of {STANDARD:,}, in turns"
    board.add("catalog_1m_ratio_20k", ratio.value, "×", work, WANTED, ratio.spread)


def catalog_pages(config: Config, catalog: Catalog, count: int) -> Contender:
    """Return decisions of pages of a catalog, each of which was decided once before."""
    pages: list[Page] = pages_of(catalog.title_ids, count)
    turn = decisions(Policy(config), Serving(catalog, models_of(config)), pages)
    turn(0, count)
    return turn


class Held(msgspec.Struct, frozen=True):
    """The memory of a process."""

    resident_mb: float
    own_mb: float
    """What no other process shares."""
    load_s: float


def memory_by_catalog(board: Board, size: Size) -> None:
    """Measure the memory of processes that serve larger and larger catalogs."""
    held = {}
    for count in size.catalogs:
        command = [sys.executable, "-m", "benchmarks.scaling", str(count)]
        root = Path(__file__).resolve().parents[1]
        done = subprocess.run(command, check=True, cwd=root, stdout=subprocess.PIPE)
        held[count] = msgspec.json.decode(done.stdout, type=Held)
    work = (
        "a Python process with NumPy that loaded the catalog, as a worker does, with models of "
        "2^18 weights, and decided 64 pages"
    )
    board.curve(
        "memory_by_catalog",
        "artworks in the catalog",
        "MB",
        {
            "resident": [(count, one.resident_mb) for count, one in held.items()],
            "of it a worker's own": [(count, one.own_mb) for count, one in held.items()],
        },
        f"{work}; the difference is mapped from files, and there once however many workers serve",
        "x",
    )
    largest = held[LARGEST]
    at = f"catalog of {LARGEST:,} artworks: {work}"
    board.add("catalog_1m_resident_mb", largest.resident_mb, "MB", at)
    board.add("catalog_1m_own_mb", largest.own_mb, "MB", f"{at}; without what is mapped from files")
    board.add("catalog_1m_load_s", largest.load_s, "s", f"CatalogStore.load of a compiled {at}")


def _line(contenders: Mapping[int, Contender], size: Size) -> list[tuple[float, float]]:
    seconds = take_turns(contenders, size.rounds)
    return [(count, median(took.tolist()) * 1e3) for count, took in seconds.items()]


def tell_memory(artworks: int) -> None:
    """Load a catalog in this process, decide pages of it, and print what memory that takes."""
    began = time.perf_counter()
    catalog = big_catalog(artworks, lambda _: None)
    load_s = time.perf_counter() - began
    turn = catalog_pages(Config(), catalog, 64)
    turn(0, 64)
    sizes = {}
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]:
        name, _, rest = line.partition(":")
        sizes[name] = int(rest.split()[0]) / 1024
    held = Held(sizes["Rss"], sizes["Anonymous"], load_s)
    sys.stdout.write(msgspec.json.encode(held).decode())


if __name__ == "__main__":
    tell_memory(int(sys.argv[1]))
