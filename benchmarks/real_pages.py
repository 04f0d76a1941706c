"""Pages of a large real catalog: 8,807 titles in 42 categories."""

from __future__ import annotations

from typing import Final

import numpy as np

from bandit.catalog import CatalogDocument
from bandit.types import Page, PageRow
from benchmarks.figures import Board
from benchmarks.in_process import decide_ms
from benchmarks.load import Pace, run_load
from benchmarks.pages import context
from benchmarks.real_catalog import ARTWORKS_PER_TITLE, TITLES_CSV, real_catalog
from benchmarks.servers import our_server, port_of, rank_target, train

TITLES_A_ROW: Final = 6


def measure_real(board: Board, *, quick: bool) -> None:
    """Measure pages of all categories, in one process and over HTTP."""
    if not TITLES_CSV.exists():
        board.say(f"left out: {TITLES_CSV.name} is not on this machine")
        return
    document = real_catalog()
    pages = real_pages(document, 8 if quick else 40)
    titles, rows = len(document.titles), len(document.rows)
    work = (
        f"a page of all {rows} categories, {TITLES_A_ROW} titles each, {titles:,} real titles × "
        f"{ARTWORKS_PER_TITLE} artworks, 20 context features"
    )
    board.add("real_page_inprocess_ms", decide_ms(document, pages), "ms", work)
    with our_server(document) as server:
        train(server, pages)
        target = rank_target(port_of(server), "/v1/rank", pages, "msgpack")
        run_load(target, Pace(1, 0.5))
        result = run_load(target, Pace(1, 1.0 if quick else 5.0))
    if result.errors:
        raise RuntimeError(f"{result.errors} of {result.requests} requests failed")
    board.add(
        "real_page_http_p50_ms",
        result.percentile_ms(50),
        "ms",
        "the same over HTTP, MessagePack, one connection, the decision in a journal (no fsync) "
        "before the answer, and committed within some 20 ms",
    )


def real_pages(document: CatalogDocument, count: int, seed: int = 8) -> list[Page]:
    """Make pages of every category, with titles of it picked at random."""
    random = np.random.default_rng(seed)
    pages = []
    for number in range(count):
        rows = [
            PageRow(row.id, titles=random.choice(row.titles, TITLES_A_ROW, replace=False).tolist())
            for row in document.rows
            if len(row.titles) >= TITLES_A_ROW
        ]
        pages.append(Page(viewer_id=f"viewer-{number}", context=context(random), rows=rows))
    return pages
