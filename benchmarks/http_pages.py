"""Everything over HTTP with three workers, servers side by side, by turns in one run.

Ours does more for a page than those it is compared with: it puts every decision into a journal (no
fsync) before it answers and commits it within some 20 ms, while a learner learns and publishes and
viewers send feedback. The naive server only answers; the
floor does not even look. Whoever is measured has the machine for itself: all other servers are
idle, and ours is done with what it was asked before.
"""

from __future__ import annotations

import tempfile
import uuid
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple
from urllib.request import Request, urlopen

from bandit.types import Page
from benchmarks.figures import Board
from benchmarks.http_bulk import measure_bulk
from benchmarks.http_decisions import measure_decisions
from benchmarks.http_latency import add_page_latencies
from benchmarks.http_rounds import (
    CONNECTIONS,
    FULL,
    QUICK,
    Contender,
    Field,
    busy_share,
    middle_rate,
)
from benchmarks.http_throughput import MORE_CONNECTIONS, add_page_rates
from benchmarks.http_work import FEW_FEATURES, Work, standard_work
from benchmarks.load import ID_PLACE, Pace, Target
from benchmarks.load_generator import generate
from benchmarks.memory import worker_pids
from benchmarks.pages import standard_pages
from benchmarks.servers import (
    Encoding,
    Visitors,
    our_server,
    port_of,
    rank_target,
    train,
)
from benchmarks.stock_servers import (
    GRANIAN,
    OUR_WORKER,
    Floor,
    Stock,
    floor_servers,
    naive_server,
)
from benchmarks.unlogged import add_unlogged
from server.local import LocalServer

_OUR_WORKER: Final = "floor_our_worker"
_FLOORS: Final = {
    "floor": Floor(),
    "floor_one_thread": Floor(threads=1),
    "floor_granian": Floor(GRANIAN),
    # Our worker class has a way of its own with one address, and so one answer.
    f"page_{_OUR_WORKER}": Floor(OUR_WORKER, "page"),
    f"decision_{_OUR_WORKER}": Floor(OUR_WORKER, "decision"),
}
"""The servers under the floor, by name."""


class _Servers(NamedTuple):
    ours: LocalServer
    naive: Stock
    floors: dict[str, Stock]
    granian: LocalServer | None
    """Ours on granian, None where it does not run there."""

    @property
    def pids(self) -> list[int]:
        granian = [] if self.granian is None else [self.granian.pid]
        return [self.ours.pid, *granian, self.naive.pid, *(one.pid for one in self.floors.values())]


def measure_http(board: Board, *, quick: bool) -> None:
    """Measure pages, decisions, batches and feedback."""
    size = QUICK if quick else FULL
    work = standard_work()
    with ExitStack() as stack:
        servers = _start(stack, work, size.training_pages)
        field = Field(board, size, servers.pids)
        if servers.granian is None:
            board.say("left out: ours does not run on granian here")
        idle = busy_share([servers.ours.pid], size.seconds)
        work_done = "all processes of ours, with nothing to answer and nothing to learn"
        board.add("idle_cpu_share", idle, "of a core", work_done)
        pages, decisions = _page_contenders(servers, work), _decision_contenders(servers, work)
        for contender in (*pages.values(), *decisions.values()):
            # Also makes sure of the answers' status: wrk tells 2xx from others, not 201 from 200.
            generate(contender.target, Pace(CONNECTIONS, size.warm_up_s)).checked()
        found = field.saturations(pages)
        add_page_rates(board, found)
        peaks = {name: middle_rate(rounds) for name, rounds in found.of.items()}
        add_page_latencies(field, pages, peaks)
        measure_decisions(field, decisions)
        measure_bulk(field, servers.ours, work)
        add_unlogged(board, "http", servers.ours)
        if servers.granian is not None:
            add_unlogged(board, "http_granian", servers.granian)


def _start(stack: ExitStack, work: Work, training_pages: int) -> _Servers:
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="marquee-bench-")))
    naive = stack.enter_context(naive_server(work.document, directory))
    ours = stack.enter_context(our_server(work.document))
    training = standard_pages(work.document, training_pages, seed=2)
    train(ours, training)
    answers = {
        "page": _answer(_rank(ours, work.pages[:1])),
        "decision": _answer(_rank(ours, work.decisions[:1])),
    }
    floors = stack.enter_context(floor_servers(answers, directory, _FLOORS))
    granian = _ours_on_granian(stack, work, training)
    for stock in (naive, *floors.values()):
        stock.ready()
    return _Servers(ours, naive, floors, granian)


def _ours_on_granian(stack: ExitStack, work: Work, training: list[Page]) -> LocalServer | None:
    if find_spec(GRANIAN) is None:
        return None
    with ExitStack() as own:
        server = own.enter_context(our_server(work.document, http_server="granian"))
        with urlopen(f"{server.url}/livez", timeout=10) as answer:
            if answer.headers["Server"] != GRANIAN:
                return None
        train(server, training)
        stack.push(own.pop_all())
        return server


def _page_contenders(servers: _Servers, work: Work) -> dict[str, Contender]:
    ours = _visited(servers.ours, work, _rank(servers.ours, work.pages))
    contenders = {
        "page_http": ours,
        f"page_http_{MORE_CONNECTIONS}_connections": ours._replace(connections=MORE_CONNECTIONS),
        "page_http_json": ours._replace(target=_rank(servers.ours, work.pages, "json")),
    }
    if servers.granian is not None:
        target = _rank(servers.granian, work.pages)
        contenders["page_http_granian"] = _visited(servers.granian, work, target)
    naive = rank_target(servers.naive.port, "/rank", work.pages, "msgpack", servers.naive.workers)
    contenders["page_http_naive"] = Contender(naive)
    contenders |= _floor_contenders(servers, "page", ours.target)
    floor = contenders["page_http_floor"].target
    contenders["page_http_floor_reading"] = Contender(floor._replace(path="/reading/page"))
    return contenders


def _decision_contenders(servers: _Servers, work: Work) -> dict[str, Contender]:
    ours = _visited(servers.ours, work, _rank(servers.ours, work.decisions))
    few = _rank(servers.ours, work.small_decisions)
    contenders = {
        "decision_http": ours,
        f"decision_http_{FEW_FEATURES}_features": ours._replace(target=few),
    }
    if servers.granian is not None:
        target = _rank(servers.granian, work.decisions)
        contenders["decision_http_granian"] = _visited(servers.granian, work, target)
    return contenders | _floor_contenders(servers, "decision", ours.target)


def _floor_contenders(servers: _Servers, what: str, asked: Target) -> dict[str, Contender]:
    """Return the floor under each of its servers, asked for what ours are asked for."""

    def of(stock: str, path: str) -> Contender:
        server = servers.floors[stock]
        return Contender(asked._replace(port=server.port, path=path, workers=server.workers))

    return {
        f"{what}_http_floor": of("floor", f"/{what}"),
        f"{what}_http_floor_one_thread": of("floor_one_thread", f"/{what}"),
        f"{what}_http_{_OUR_WORKER}": of(f"{what}_{_OUR_WORKER}", "/v1/rank"),
        f"{what}_http_floor_granian": of("floor_granian", f"/{what}"),
    }


def _visited(server: LocalServer, work: Work, target: Target) -> Contender:
    return Contender(target, beside=lambda: Visitors(server.url, work.pages))


def _rank(server: LocalServer, pages: list[Page], encoding: Encoding = "msgpack") -> Target:
    return rank_target(port_of(server), "/v1/rank", pages, encoding, worker_pids(server))


def _answer(target: Target) -> bytes:
    """Return what a server answers to a target's first body."""
    body = target.bodies[0].replace(ID_PLACE, uuid.uuid4().hex.encode())
    url = f"http://127.0.0.1:{target.port}{target.path}"
    with urlopen(Request(url, body, target.headers), timeout=30) as answer:
        content: bytes = answer.read()
    return content
