"""Many at once: ten pages in one request, and twenty feedback events in one."""

from __future__ import annotations

import uuid
from typing import Final

import numpy as np

from bandit.types import Page
from benchmarks.http_rounds import CONNECTIONS, Contender, Field, middle_rate, rate_spread
from benchmarks.http_throughput import how
from benchmarks.http_work import PAGE_WORK, Work
from benchmarks.load import ID_PLACE, Target
from benchmarks.memory import worker_pids
from benchmarks.servers import (
    PLAYS_OF_SEEN,
    SEEN_TITLES,
    encoded,
    headers,
    port_of,
    rank_request,
)
from server.client import Client
from server.local import LocalServer
from server.wire import FeedbackEvent, RankAnswer

PAGES_A_BATCH: Final = 10


def measure_bulk(field: Field, server: LocalServer, work: Work) -> None:
    """Measure and add pages in batches, and feedback."""
    found = field.saturations(
        {
            "batch_http": Contender(_batches(server, work.pages)),
            "feedback_http": Contender(_feedback(server, work.pages)),
        }
    )
    measured = f"MessagePack, {how(found, CONNECTIONS)}"
    for name, items, unit, what in (
        ("batch_http", PAGES_A_BATCH, "pages", f"POST /v1/rank/batch, each of {PAGE_WORK}"),
        ("feedback_http", SEEN_TITLES, "events", "POST /v1/feedback, answered once on the disk"),
    ):
        rounds = found.of[name]
        low, high = rate_spread(rounds)
        field.board.add(
            f"{name}_{unit}_per_s",
            items * middle_rate(rounds),
            f"{unit}/s",
            f"{items} {unit} a request, {what}; {measured}",
            spread=(items * low, items * high),
        )


def _batches(server: LocalServer, pages: list[Page]) -> Target:
    batches = [
        pages[first : first + PAGES_A_BATCH]
        for first in range(0, len(pages) - PAGES_A_BATCH + 1, PAGES_A_BATCH)
    ]
    bodies = [
        encoded({"pages": [rank_request(page) for page in batch]}, "msgpack") for batch in batches
    ]
    port, workers = port_of(server), tuple(worker_pids(server))
    return Target(port, "POST", "/v1/rank/batch", headers("msgpack"), bodies, 200, workers)


def _feedback(server: LocalServer, pages: list[Page]) -> Target:
    """Make feedback on pages just decided; each sending of it has events of its own."""
    with Client(server.url, deadline_s=10.0) as client:
        answers = [client.rank(rank_request(page)).answer for page in pages]
    random = np.random.default_rng(11)
    bodies = [encoded({"events": _events(answer, random)}, "msgpack") for answer in answers]
    port, workers = port_of(server), tuple(worker_pids(server))
    return Target(port, "POST", "/v1/feedback", headers("msgpack"), bodies, 202, workers)


def _events(answer: RankAnswer, random: np.random.Generator) -> list[FeedbackEvent]:
    shown = [(row.id, title.id) for row in answer.rows for title in row.titles]
    page = uuid.uuid4().hex[:8]
    return [
        FeedbackEvent(
            event_id=f"{page}-{number}-{ID_PLACE.decode()}",
            decision_id=answer.decision_id,
            token=answer.token,
            type="click" if random.random() < PLAYS_OF_SEEN else "impression",
            title=title,
            row=row,
        )
        for number, (row, title) in enumerate(shown[:SEEN_TITLES])
    ]
