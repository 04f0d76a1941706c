"""The benchmarks' in-process parts on tiny work, so that they do not rot; no figure is judged."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from bandit.config.schema import ModelConfig
from bandit.engine import Candidate, TrainingExample
from bandit.exploration import Thompson
from bandit.features import ARTWORK, CONTEXT, ID, TITLE, encode
from bandit.model import VowpalEngine
from bandit.scoring import ModelShape
from benchmarks.figures import Board
from benchmarks.figures import Target as Wanted
from benchmarks.in_process import decide_ms, vw_ms
from benchmarks.learner_speed import learner_run
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
    pages = standard_pages(document, 2)
    assert decide_ms(document, pages) > 0
    cached, text = vw_ms(document, pages[:1])
    assert cached > 0
    assert text > 0


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
    run = learner_run(12)
    assert run.pages == 12
    assert run.examples["artwork"] == 12 * 20
    assert run.records >= 12 * 21


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


def test_a_board_keeps_its_figures_and_marks_what_was_missed(tmp_path: Path) -> None:
    console = Console(record=True, width=120, file=(tmp_path / "out").open("w"))
    board = Board(console)
    board.begin("learner")
    board.add("fast_enough_per_s", 12345.6, "displays/s", "some work", Wanted("≥", 5000.0))
    board.add("late_s", 3.0, "s", "some work", Wanted("<", 2.0))
    board.show()
    board.write(tmp_path / "results" / "latest.json")
    console.file.close()
    written = json.loads((tmp_path / "results" / "latest.json").read_text())
    assert written["figures"]["fast_enough_per_s"] == {
        "value": 12350.0,
        "unit": "displays/s",
        "work": "some work",
        "command": "python -m benchmarks --only learner",
        "target": "≥ 5000",
    }
    assert written["machine"]["cores"] >= 1
    assert console.export_text().count("missed") == 1
