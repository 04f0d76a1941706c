"""From feedback to a served model: how soon what a viewer did changes what is shown.

One repetition: nothing is waiting to be learned, and the served model is known. A page is asked
for, and a play reported on it. Time counts from just before the report is sent (not from its
acknowledgement) to the first answer that names another model of the artworks. That model holds
the play, because the learner publishes only what has learned something since, and nothing else is
being learned. Answers come over one connection a repetition and thus from one worker, whichever the
kernel chose: not from the quickest of several. The decision's closing time after a play
(``reward.close_after_play_s``) is part of the time, as all defaults are.
"""

from __future__ import annotations

import http.client
import time
import uuid
from contextlib import closing
from typing import Final

import msgspec
import numpy as np

from bandit.config.schema import Config
from bandit.types import Page, PageRow
from benchmarks.figures import Board, Target
from benchmarks.pages import standard_catalog, standard_pages
from benchmarks.servers import our_server, port_of, rank_request, train
from benchmarks.stock_servers import WORKERS
from server.client import Client
from server.local import wait_until
from server.wire import FeedbackAnswer, FeedbackEvent, RankAnswer

WANTED: Final = Target("<", 2.0)
POLL_S: Final = 0.01
LONGEST_S: Final = 20.0
_HEADERS: Final = {"Content-Type": "application/msgpack", "Accept": "application/msgpack"}


def measure_freshness(board: Board, *, quick: bool) -> None:
    """Measure the time from feedback to a served snapshot."""
    repetitions, training_pages = (3, 12) if quick else (40, 30)
    document = standard_catalog(2500)
    pages = standard_pages(document, training_pages)
    random = np.random.default_rng(7)
    with our_server(document) as server:
        train(server, pages)
        with Client(server.url, deadline_s=10.0) as client:
            wait_until(lambda: settled(client), 60, "the end of learning")
        took = []
        for number in range(repetitions):
            # At every phase of the learner's and the workers' intervals alike.
            time.sleep(float(random.uniform(0, 1)))
            took.append(seconds_to_served(port_of(server), small(pages[number % len(pages)])))
    close_s = Config().reward.close_after_play_s
    work = (
        f"from sending a play to an answer by a model that learned it, {WORKERS} workers, default "
        f"config (close_after_play_s {close_s} included), {repetitions} repetitions"
    )
    board.add("feedback_to_served_p50_s", float(np.percentile(took, 50)), "s", work)
    board.add("feedback_to_served_p95_s", float(np.percentile(took, 95)), "s", work, WANTED)


def settled(client: Client) -> bool:
    """Tell whether all pages with plays were learned and their model is served."""
    before = client.status()["learner"]["examples"]
    time.sleep(2.0)
    status = client.status()
    served = {name: model["version"] for name, model in status["models"].items()}
    return bool(
        status["learner"]["examples"] == before and served == status["learner"]["published"]
    )


def small(page: Page) -> Page:
    """Return the page's first row alone, for a viewer whose choices are learned from."""
    row = page.rows[0]
    return Page(
        viewer_id=page.viewer_id, context=page.context, rows=[PageRow(row.id, titles=row.titles)]
    )


def seconds_to_served(port: int, page: Page, served_at: int | None = None) -> float:
    """Report a play of a page at one port, and return how long another model took to be served.

    It is looked for at ``served_at``, by default at the same port.

    Raises:
        RuntimeError: it took longer than :data:`LONGEST_S`, or something was refused.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    elsewhere = http.client.HTTPConnection("127.0.0.1", served_at or port, timeout=10)
    with closing(connection), closing(elsewhere):
        shown = _learned_page(connection, page)
        before = _rank(elsewhere, page).snapshots["artwork"]
        event = FeedbackEvent(
            event_id=uuid.uuid4().hex,
            decision_id=shown.decision_id,
            token=shown.token,
            type="play",
            title=shown.rows[0].titles[0].id,
            row=shown.rows[0].id,
            seconds=1800.0,
            fraction=0.4,
        )
        began = time.perf_counter()
        content = _call(connection, "/v1/feedback", {"events": [event]}, 202)
        if msgspec.msgpack.decode(content, type=FeedbackAnswer).accepted != 1:
            raise RuntimeError("the play was not accepted")
        while time.perf_counter() - began < LONGEST_S:
            if _rank(elsewhere, page).snapshots["artwork"] != before:
                return time.perf_counter() - began
            time.sleep(POLL_S)
        raise RuntimeError(f"the play was not learned within {LONGEST_S:g} s")


def _learned_page(connection: http.client.HTTPConnection, page: Page) -> RankAnswer:
    """Ask for the page as one viewer after the other, until one is not of the holdout."""
    while True:
        named = Page(viewer_id=f"fresh-{uuid.uuid4().hex}", context=page.context, rows=page.rows)
        answer = _rank(connection, named)
        if answer.share == "learned":
            return answer


def _rank(connection: http.client.HTTPConnection, page: Page) -> RankAnswer:
    content = _call(connection, "/v1/rank", rank_request(page), 201)
    return msgspec.msgpack.decode(content, type=RankAnswer)


def _call(connection: http.client.HTTPConnection, path: str, body: object, status: int) -> bytes:
    connection.request("POST", path, msgspec.msgpack.encode(body), _HEADERS)
    answer = connection.getresponse()
    content = answer.read()
    if answer.status != status:
        raise RuntimeError(f"{path} answered {answer.status}: {content[:200]!r}")
    return content
