"""Whole machines around a real Redis: what one hears, another learns, and all serve."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

from bandit.catalog import CatalogDocument
from bandit.types import Artwork, Title
from server.client import Client
from server.local import LocalServer, wait_until
from server.local_cluster import LocalCluster, LocalRedis
from server.wire import RankRequest
from tests.server.redis_server import redis_server

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("redis")]

WAIT_S = 60.0
TITLES = 8
SETTINGS = {
    "MARQUEE__SERVER__WORKERS": "1",
    "MARQUEE__SURFACES__ARTWORK__HOLDOUT": "0",
    "MARQUEE__SURFACES__ROWS__HOLDOUT": "0",
    "MARQUEE__REWARD__WINDOW_S": "1",
    "MARQUEE__REWARD__CLOCK_LEEWAY_S": "0",
    "MARQUEE__LEARNER__CHECKPOINT_INTERVAL_S": "0.5",
    "MARQUEE__LEARNER__PUBLISH_INTERVAL_S": "0.2",
    "MARQUEE__CLUSTER__LEASE_S": "2",
    "MARQUEE__CLUSTER__HOST_SILENT_S": "5",
    "MARQUEE__LOG__RETENTION_S": "5",
}
DOCUMENT = CatalogDocument(
    [
        Title(f"t{title}", [Artwork(f"t{title}.{kind}", {"kind": kind}) for kind in ("a", "b")])
        for title in range(TITLES)
    ]
)


@pytest.fixture
def redis() -> Iterator[LocalRedis]:
    with redis_server() as server:
        yield server


@pytest.fixture
def cluster(redis: LocalRedis, tmp_path: Path) -> Iterator[LocalCluster]:
    with LocalCluster(tmp_path, redis, settings=SETTINGS) as cluster:
        yield cluster


def visit(server: LocalServer, name: str, pages: int) -> None:
    """See all titles of so many pages, and play what is of one kind."""
    with Client(server.url, deadline_s=20) as client:
        for number in range(pages):
            titles = [f"t{title}" for title in range(TITLES)]
            page = RankRequest(viewer_id=f"{name}-{number}", titles=titles)
            result = client.rank(page)
            for title in result.answer.titles:
                client.report(result, "impression", title.id)
                if title.artwork.endswith("a"):
                    client.report(result, "play", title.id, seconds=600, fraction=1.0)
        assert client.flush(30)


def status(server: LocalServer) -> dict[str, Any]:
    answer: dict[str, Any] = urllib3.request("GET", f"{server.url}/v1/status", timeout=20).json()
    return answer


def outcomes(server: LocalServer) -> int:
    learner = status(server)["learner"]
    return 0 if learner is None else sum(learner["outcomes"].values())


def served(server: LocalServer) -> str | None:
    page = {"titles": ["t0"]}
    answer = urllib3.request("POST", f"{server.url}/v1/rank", json=page, timeout=20).json()
    version: str | None = answer["snapshots"].get("artwork")
    return version


def put_catalog(server: LocalServer) -> None:
    with Client(server.url, deadline_s=20) as client:
        client.put_catalog(DOCUMENT)


def catalog(server: LocalServer) -> str:
    found: str = status(server)["catalog"]
    return found


def test_what_one_machine_hears_another_learns_and_all_serve(cluster: LocalCluster) -> None:
    a = cluster.add("a", learns=True)
    b = cluster.add("b")
    put_catalog(b)
    wait_until(lambda: catalog(a) == catalog(b) != "empty", WAIT_S, "the catalog everywhere")
    visit(b, "b", 30)
    visit(a, "a", 10)
    wait_until(lambda: outcomes(a) == outcomes(b) == 40, WAIT_S, "both to tell what was learned")
    wait_until(lambda: served(a) == served(b) is not None, WAIT_S, "one model everywhere")
    older = served(b)
    visit(a, "more", 10)
    wait_until(lambda: served(b) != older, WAIT_S, "a newer model on the other machine")
    urllib3.request("POST", f"{b.url}/v1/snapshots/{older}/activate", timeout=20)
    wait_until(lambda: served(a) == served(b) == older, WAIT_S, "the older model everywhere")
    c = cluster.add("c")
    wait_until(lambda: served(c) == older, WAIT_S, "a new machine to serve it")
    assert catalog(c) == catalog(a)


def test_a_machine_that_is_lost_is_taken_over_and_nothing_is_learned_twice(
    cluster: LocalCluster,
) -> None:
    a = cluster.add("a", learns=True)
    b = cluster.add("b", learns=True)
    put_catalog(a)
    wait_until(lambda: catalog(b) == catalog(a) != "empty", WAIT_S, "the catalog everywhere")
    visit(b, "first", 20)
    wait_until(lambda: outcomes(b) == 20, WAIT_S, "the first to be learned")
    a.kill()
    visit(b, "second", 20)
    # What the lost machine may have to tell yet is waited for only so long.
    wait_until(lambda: outcomes(b) == 40, WAIT_S, "the other one to learn on")
    a.start()
    visit(a, "third", 10)
    wait_until(lambda: outcomes(b) == outcomes(a) == 50, WAIT_S, "both to tell the same")


def test_redis_away_or_come_back_empty_loses_nothing(
    cluster: LocalCluster, redis: LocalRedis
) -> None:
    a = cluster.add("a", learns=True)
    b = cluster.add("b")
    put_catalog(a)
    wait_until(lambda: catalog(b) == catalog(a) != "empty", WAIT_S, "the catalog everywhere")
    visit(b, "before", 10)
    wait_until(lambda: outcomes(b) == 10, WAIT_S, "the first to be learned")
    redis.kill()
    visit(b, "away", 10)
    visit(a, "away", 10)
    redis.start()
    visit(b, "empty", 5)
    wait_until(lambda: outcomes(b) == 35, WAIT_S, "all to be learned")
    redis.pause()
    visit(b, "hung", 10)
    redis.go_on()
    wait_until(lambda: outcomes(b) == 45, WAIT_S, "all to be learned")
    assert status(b)["learner"]["outcomes"].get("window", 0) <= 45
    wait_until(lambda: served(a) == served(b) is not None, WAIT_S, "one model everywhere")


def test_pages_go_on_while_redis_hangs(cluster: LocalCluster, redis: LocalRedis) -> None:
    a = cluster.add("a", learns=True)
    put_catalog(a)
    redis.pause()
    done = threading.Event()

    def look() -> None:
        visit(a, "hung", 20)
        done.set()

    threading.Thread(target=look, daemon=True).start()
    assert done.wait(WAIT_S), "pages waited for Redis"
    redis.go_on()
