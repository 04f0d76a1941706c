"""A page in one process: our decision beside VW's and other packages' predictions for the page.

All take turns in one run (:mod:`benchmarks.turns`). Ours decides: it finds the page's titles,
scores, explores, draws, orders the rows, and makes the record that is logged. The others only score
what they were given before, and most of them less of it; each figure's work says what.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np

from bandit.catalog import Catalog, CatalogDocument
from bandit.config.schema import Config
from bandit.engine import ModelArrays
from bandit.policy import Policy, ServedModel, Serving
from bandit.scoring import ModelShape
from bandit.types import SURFACES, FloatArray, Page, Surface
from benchmarks.figures import Board, Target
from benchmarks.in_process_stages import STAGES, stage_contenders
from benchmarks.in_process_vw import as_people_do, served_model, vw_texts
from benchmarks.pages import standard_catalog, standard_pages
from benchmarks.peers import PEERS, peer_contenders
from benchmarks.turns import Contender, Middle, take_turns, timed_on

TITLES: Final = 2500
WORK: Final = "240 titles × 8 artworks, 40 rows, 20 context features, one thread"
WANTED_MS: Final = Target("<", 0.4)
WANTED_RATIO: Final = Target("≥", 100.0)


class Size(NamedTuple):
    """How much to do."""

    titles: int
    pages: int
    rounds: int


FULL: Final = Size(TITLES, pages=8, rounds=60)
QUICK: Final = Size(TITLES, pages=4, rounds=6)

SERVED: Final = "vw_served"
CACHED: Final = "vw_cached"
TEXT: Final = "vw_text"
OTHERS: Final = {
    SERVED: "VW predict_one on kept Examples of the very model we serve: 1,920 artworks and 40 "
    "rows, one regression Example each, our namespaces, crosses and weights; scores only",
    CACHED: "VW predict_one per title (cb_explore_adf) on Examples kept from before, artworks × "
    "context crossed; no titles' features, no rows, no draw",
    TEXT: "the same, with VW's text parsed each time",
}


def measure_in_process(board: Board, *, quick: bool) -> None:
    """Measure a page: ours, VW's ways, and the other packages'."""
    size = QUICK if quick else FULL
    document = standard_catalog(size.titles)
    pages = learned_pages(document, size.pages)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="marquee-bench-")))
        texts = vw_texts(document, pages)
        peers = stack.enter_context(peer_contenders(texts, folder, board.say))
        add_pages(board, document, pages, peers, size.rounds)


def add_pages(
    board: Board,
    document: CatalogDocument,
    pages: Sequence[Page],
    peers: Mapping[str, Contender],
    rounds: int,
) -> None:
    """Let all take turns and add what they took."""
    config = Config()
    serving = serving_of(document, config)
    cached, text = as_people_do(document, pages)
    contenders = {
        "": decisions(Policy(config), serving, pages),
        **stage_contenders(config, serving, pages),
        SERVED: served_model(config, serving, pages),
        CACHED: cached,
        TEXT: text,
        **peers,
    }
    seconds = take_turns(contenders, rounds)
    ours = Middle.of(seconds[""] * 1e3)
    work = f"Policy.decide, both surfaces, default config, record built: {WORK}; {rounds} rounds"
    board.add("page_inprocess_ms", ours.value, "ms", work, WANTED_MS, ours.spread)
    works = STAGES | OTHERS | {peer.case: peer.work for peer in PEERS}
    for name in contenders:
        if name:
            middle = Middle.of(seconds[name] * 1e3)
            figure = f"page_inprocess_{name}_ms"
            board.add(figure, middle.value, "ms", works[name], spread=middle.spread)
    _add_ratios(board, seconds, [TEXT, *peers])


def _add_ratios(board: Board, seconds: Mapping[str, FloatArray], others: Sequence[str]) -> None:
    """Add how many times as fast as each other way our whole decision is."""
    ratio = Middle.ratio(seconds[SERVED], seconds[""])
    work = f"page_inprocess_{SERVED}_ms by page_inprocess_ms, round by round"
    board.add("page_inprocess_ratio_vw_cached", ratio.value, "×", work, WANTED_RATIO, ratio.spread)
    ratio = Middle.ratio(seconds[CACHED], seconds[""])
    work = f"page_inprocess_{CACHED}_ms by page_inprocess_ms, round by round"
    board.add("page_inprocess_ratio_vw_cb_cached", ratio.value, "×", work, None, ratio.spread)
    ratio = Middle.ratio(seconds[SERVED], seconds["scores"])
    work = f"page_inprocess_{SERVED}_ms by page_inprocess_scores_ms: the same sums on both sides"
    board.add("page_inprocess_scores_ratio_vw_cached", ratio.value, "×", work, None, ratio.spread)
    for name in others:
        ratio = Middle.ratio(seconds[name], seconds[""])
        work = f"page_inprocess_{name}_ms by page_inprocess_ms, round by round"
        board.add(f"page_inprocess_ratio_{name}", ratio.value, "×", work, None, ratio.spread)


def decisions(policy: Policy, serving: Serving, pages: Sequence[Page]) -> Contender:
    """Return our whole decision of one page after the other.

    Each page is decoded anew before its time begins, as it comes to a worker: its names are strings
    of its own, not the catalog's, whose hashes Python knows already.
    """
    bodies = [msgspec.msgpack.encode(page) for page in pages]
    decoder = msgspec.msgpack.Decoder(Page)

    def request(number: int) -> tuple[int, Page]:
        return number, decoder.decode(bodies[number % len(bodies)])

    def decide(asked: tuple[int, Page]) -> None:
        number, page = asked
        policy.decide(page, decision_id=f"d{number}", now_us=number, serving=serving)

    return timed_on(request, decide)


def learned_pages(document: CatalogDocument, count: int) -> list[Page]:
    """Return standard pages of viewers who are served what was learned."""
    policy, serving = Policy(Config()), Serving(Catalog.build(CatalogDocument([], document.rows)))
    found: list[Page] = []
    for page in standard_pages(document, 2 * count):
        asked = Page(viewer_id=page.viewer_id, rows=[type(row)(row.id) for row in page.rows])
        made = policy.decide(asked, decision_id="d", now_us=0, serving=serving)
        if set(made.record.shares.values()) == {"learned"}:
            found.append(page)
    return found[:count]


def serving_of(document: CatalogDocument, config: Config) -> Serving:
    """Return what is served: the catalog, and models whose weights are all set, as if learned."""
    return Serving(Catalog.build(document), models_of(config))


def models_of(config: Config, seed: int = 3) -> dict[Surface, ServedModel]:
    """Return models whose weights are all set, as if learned."""
    random = np.random.default_rng(seed)
    models: dict[Surface, ServedModel] = {}
    for surface in SURFACES:
        shape = ModelShape.of(surface, getattr(config.surfaces, surface).model)
        weights = random.normal(0, 0.01, 1 << shape.bits).astype(np.float32)
        arrays = ModelArrays(weights, np.full(1 << shape.bits, 0.01, np.float32))
        models[surface] = ServedModel("bench", shape, arrays)
    return models


def decide_ms(document: CatalogDocument, pages: Sequence[Page]) -> float:
    """Return the median time of a decision."""
    config = Config()
    turn = decisions(Policy(config), serving_of(document, config), pages)
    turn(0, 1)
    return turn(0, 4 * len(pages)) * 1e3
