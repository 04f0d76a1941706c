"""A page in one process: our decision beside VW's predictions for the same page."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any, Final

import numpy as np
from vowpal_wabbit_next import TextFormatParser, Workspace

from bandit.catalog import Catalog, CatalogDocument
from bandit.config.schema import Config
from bandit.engine import ModelArrays
from bandit.policy import Policy, ServedModel, Serving
from bandit.scoring import ModelShape
from bandit.types import SURFACES, Page, Surface
from benchmarks.figures import Board
from benchmarks.naive_server import ARGUMENTS, words
from benchmarks.pages import standard_catalog, standard_pages

TITLES: Final = 2500
WORK: Final = "240 titles × 8 artworks, 40 rows, 20 context features, one thread"


def measure_in_process(board: Board, *, quick: bool) -> None:
    """Measure a page, ours and VW's two ways."""
    document = standard_catalog(300 if quick else TITLES)
    pages = standard_pages(document, 4 if quick else 40)
    ours = decide_ms(document, pages)
    cached, text = vw_ms(document, pages[: 2 if quick else 12])
    median_of = f"median of {len(pages)} pages"
    board.add(
        "page_inprocess_ms",
        ours,
        "ms",
        f"Policy.decide, both surfaces, default config, record built: {WORK}; {median_of}",
    )
    board.add(
        "page_inprocess_vw_cached_ms",
        cached,
        "ms",
        "VW predict_one per title on Examples kept from before, all crossed, scores only",
    )
    board.add("page_inprocess_vw_text_ms", text, "ms", "the same, with VW's text parsed each time")
    board.add("page_inprocess_ratio_vw_cached", cached / ours, "×", "of the first two above")


def serving_of(document: CatalogDocument, config: Config) -> Serving:
    """Return what is served: the catalog, and models whose weights are all set, as if learned."""
    random = np.random.default_rng(3)
    models: dict[Surface, ServedModel] = {}
    for surface in SURFACES:
        shape = ModelShape.of(surface, getattr(config.surfaces, surface).model)
        weights = random.normal(0, 0.01, 1 << shape.bits).astype(np.float32)
        arrays = ModelArrays(weights, np.full(1 << shape.bits, 0.01, np.float32))
        models[surface] = ServedModel("bench", shape, arrays)
    return Serving(Catalog.build(document), models)


def decide_ms(document: CatalogDocument, pages: Sequence[Page]) -> float:
    """Return the median time of a decision of the learned share."""
    config = Config()
    policy, serving = Policy(config), serving_of(document, config)

    def decide(number: int) -> bool:
        page = pages[number % len(pages)]
        decision = policy.decide(page, decision_id=f"d{number}", now_us=number, serving=serving)
        return set(decision.record.shares.values()) == {"learned"}

    return _median_ms(decide, 4 * len(pages))


def vw_ms(document: CatalogDocument, pages: Sequence[Page]) -> tuple[float, float]:
    """Return the median time of VW's predictions for a page: on kept Examples, and on text."""
    workspace = Workspace(ARGUMENTS)
    parser = TextFormatParser(workspace)
    artworks = {title.id: title.artworks for title in document.titles}
    texts = [_texts(page, artworks) for page in pages]
    kept = [[[parser.parse_line(line) for line in lines] for lines in page] for page in texts]

    def on_kept(number: int) -> bool:
        for examples in kept[number % len(kept)]:
            workspace.predict_one(examples)
        return True

    def on_text(number: int) -> bool:
        for lines in texts[number % len(texts)]:
            workspace.predict_one([parser.parse_line(line) for line in lines])
        return True

    return _median_ms(on_kept, 3 * len(pages)), _median_ms(on_text, 2 * len(pages))


def _texts(page: Page, artworks: dict[str, Any]) -> list[list[str]]:
    """Return VW's lines for each title of a page."""
    shared = f"shared |context {words(page.context)}"
    return [
        [shared, *(f"|artwork {words(artwork.features)}" for artwork in artworks[title])]
        for row in page.rows
        for title in row.titles
        if isinstance(title, str)
    ]


def _median_ms(call: Callable[[int], bool], times: int) -> float:
    """Time calls that count (return True), after one to warm up."""
    call(0)
    took = []
    for number in range(times):
        began = time.perf_counter()
        if call(number):
            took.append(time.perf_counter() - began)
    return median(took) * 1e3
