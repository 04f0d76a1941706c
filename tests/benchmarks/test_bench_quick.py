"""The benchmarks' in-process parts on tiny work, so that they do not rot; no figure is judged."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from rich.console import Console

from bandit.config.schema import Config, ModelConfig
from bandit.engine import Candidate, TrainingExample
from bandit.exploration import Thompson
from bandit.features import ARTWORK, CONTEXT, ID, TITLE, encode
from bandit.model import VowpalEngine
from bandit.policy import Policy
from bandit.scoring import ModelShape
from benchmarks.figures import Board
from benchmarks.in_process import add_pages, decide_ms, learned_pages, serving_of
from benchmarks.in_process_stages import Stages
from benchmarks.in_process_vw import served_scores
from benchmarks.learner_speed import (
    Spool,
    add_features,
    add_keeping_up,
    add_rates,
    keeps_up,
    learner_run,
)
from benchmarks.learning_simulation import Settings, SumsOfSquares, Trial, run_trial
from benchmarks.learning_worlds import WorldName
from benchmarks.load import ID_PLACE, Pace, Target, run_load
from benchmarks.naive_server import Predictor
from benchmarks.pages import standard_catalog, standard_pages


def test_standard_pages_are_the_stated_work() -> None:
    document = standard_catalog(300)
    page = standard_pages(document, 1)[0]
    assert len(page.rows) == 40
    assert len({title for row in page.rows for title in row.titles}) == 240
    assert {len(title.artworks) for title in document.titles} == {8}
    assert len(page.context) == 20


def test_pages_are_timed_in_process() -> None:
    document = standard_catalog(240)
    assert decide_ms(document, standard_pages(document, 2)) > 0
    board = Board(Console(file=io.StringIO()))
    board.begin("inprocess")
    add_pages(board, document, learned_pages(document, 1), {"mabwiser": _slow_peer}, rounds=1)
    for name in ("page_inprocess_ms", "page_inprocess_ratio_vw_cached"):
        assert board.figures[name].value > 0
    assert board.figures["page_inprocess_mabwiser_ms"].value == 2000
    assert board.figures["page_inprocess_ratio_mabwiser"].value > 10


def _slow_peer(first: int, pages: int) -> float:
    return 2.0


def test_vw_of_the_served_model_gives_our_scores() -> None:
    config, document = Config(), standard_catalog(240)
    serving = serving_of(document, config)
    page = standard_pages(document, 1)[0]
    ours, _ = Stages(config, serving, page).scores()
    assert np.allclose(served_scores(config, serving, page), ours, rtol=1e-4, atol=1e-6)


def test_pages_of_the_in_process_part_are_served_what_was_learned() -> None:
    document = standard_catalog(240)
    policy, serving = Policy(Config()), serving_of(document, Config())
    pages = learned_pages(document, 6)
    assert len(pages) == 6
    for page in pages:
        made = policy.decide(page, decision_id="d", now_us=0, serving=serving)
        assert set(made.record.shares.values()) == {"learned"}


def test_the_naive_server_answers_a_whole_page() -> None:
    document = standard_catalog(240)
    catalog = {
        "titles": [
            {"id": t.id, "artworks": [{"id": a.id, "features": a.features} for a in t.artworks]}
            for t in document.titles
        ],
        "rows": [{"id": row.id, "features": row.features} for row in document.rows],
    }
    page = standard_pages(document, 1)[0]
    rows = [{"id": row.id, "titles": row.titles[:1]} for row in page.rows]
    answer = Predictor(catalog).page({"context": page.context, "rows": rows})
    assert sorted(row["id"] for row in answer["rows"]) == sorted(row.id for row in page.rows)
    assert all(len(row["titles"]) == 1 for row in answer["rows"])


def test_the_learner_learns_every_page_of_its_spool() -> None:
    spool = Spool(12, titles=300)
    run = learner_run(spool)
    assert run.examples["artwork"] == spool.seen == 12 * 20
    assert run.records >= 12 * 21
    thinned = learner_run(spool._replace(zero_reward_share=0.1))
    assert thinned.examples["artwork"] < 12 * 20 / 2


def test_the_learner_is_measured_on_all_its_work() -> None:
    board = Board(Console(file=io.StringIO()))
    board.begin("learner")
    add_rates(board, decisions=6, single=6)
    add_features(board, (2, 20), decisions=3)
    rates = {"", "_share_25", "_share_10"}
    wanted = {f"learner_outcomes_per_s{rate}" for rate in rates} | {"learner_single_outcomes_per_s"}
    assert wanted <= board.figures.keys()
    assert all(figure.value > 0 for figure in board.figures.values())
    points = board.curves["learner_by_features"].lines["Marquee"]
    assert [features for features, _ in points] == [2, 20]


def test_the_learners_rates_are_set_against_the_pages_served() -> None:
    rates = {1.0: 100.0, 0.25: 150.0, 0.1: 300.0}
    assert keeps_up(rates, 90) == "the learner keeps up with all of it"
    assert keeps_up(rates, 200) == (
        "the learner falls behind by 100 pages/s; with zero_reward_share = 0.1 it keeps up (300/s)"
    )
    assert keeps_up(rates, 400).endswith("with zero_reward_share = 0.1 by 100 pages/s (300/s)")
    board = Board(Console(file=io.StringIO()))
    add_keeping_up(board, rates)
    assert "was not measured" in board.figures["learner_keeps_up_pages_per_s"].work
    board.add("page_http_per_s", 200.0, "pages/s", "served")
    add_keeping_up(board, rates)
    assert board.figures["learner_keeps_up_ratio"].value == 0.5


@pytest.mark.parametrize("world", ["example", "synthetic"])
def test_learning_repeats_itself_and_stays_below_the_best(world: WorldName) -> None:
    trial = Trial(Settings(exploration=Thompson(), variances="squares"), world, 1, (10, 40))
    shares = run_trial(trial)
    assert len(shares) == 2
    assert max(shares) <= 1
    assert run_trial(trial) == shares


def test_learning_gains_on_uniform_artwork() -> None:
    assert run_trial(Trial(Settings(), "synthetic", 1, (150,)))[0] > 0.2


def test_rows_are_learned_too() -> None:
    assert len(run_trial(Trial(Settings(surface="rows"), "example", 1, (10, 30)))) == 2


def test_sums_of_squares_fall_where_the_engine_learns() -> None:
    config = ModelConfig(interactions=[["context", "artwork"]])
    shape = ModelShape.of("artwork", config)
    shared = {CONTEXT: encode(CONTEXT, {"device": "tv", "age": 2.0})}
    groups = {
        TITLE: encode(TITLE, {"genre": "noir"}),
        ARTWORK: encode(ARTWORK, {"subject": "face", "light": 0.5}),
        ID: encode(ID, {"id": "a"}),
    }
    example = TrainingExample(shared, [Candidate(groups)], 0, 1.0, 0.5)
    engine = VowpalEngine(shape, config)
    engine.learn([example])
    sums = SumsOfSquares(shape, 0.01)
    sums.learn([example])
    learned = np.flatnonzero(engine.arrays().weights)
    assert np.array_equal(np.flatnonzero(sums.variances() < 0.0099), learned)


class _Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    bodies: list[bytes] = []  # noqa: RUF012 (shared by the handlers of one test)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.bodies.append(body)
        self.send_response(500 if body.startswith(b"bad") else 201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


@pytest.fixture
def echo_port() -> Iterator[int]:
    _Echo.bodies = []
    with ThreadingHTTPServer(("127.0.0.1", 0), _Echo) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_the_load_generator_counts_answers_of_another_status(echo_port: int) -> None:
    bodies = (b"good " + ID_PLACE, b"bad")
    target = Target(echo_port, "POST", "/", {}, bodies, 201)
    result = run_load(target, Pace(2, 1.0, rate_per_s=20.0))
    assert result.requests == len(_Echo.bodies)
    assert 2 <= result.requests <= 20
    assert result.errors == sum(body == b"bad" for body in _Echo.bodies) > 0
    good = [body for body in _Echo.bodies if body != b"bad"]
    assert len(set(good)) == len(good)
