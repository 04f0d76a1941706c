"""Whole machines around a real Redis: what one hears, another learns, and all serve."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3

from server.local import wait_until
from server.local_cluster import LocalCluster, LocalRedis
from tests.cluster.visits import (
    SETTINGS,
    WAIT_S,
    catalog,
    outcomes,
    put_catalog,
    served,
    status,
    visit,
)
from tests.server.redis_server import redis_server

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("redis")]


@pytest.fixture
def redis() -> Iterator[LocalRedis]:
    with redis_server() as server:
        yield server


@pytest.fixture
def cluster(redis: LocalRedis, tmp_path: Path) -> Iterator[LocalCluster]:
    with LocalCluster(tmp_path, redis, settings=SETTINGS) as cluster:
        yield cluster


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


def test_a_redis_that_refuses_writes_or_is_put_back_loses_nothing(tmp_path: Path) -> None:
    """Put back, as one that failed over to a replica that misses the last writes."""
    directory, before = tmp_path / "redis", tmp_path / "before"
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    with (
        LocalRedis(directory) as redis,
        LocalCluster(tmp_path / "hosts", redis, settings=SETTINGS) as cluster,
    ):
        a, b = cluster.add("a", learns=True), cluster.add("b")
        put_catalog(a)
        wait_until(lambda: catalog(b) != "empty", WAIT_S, "the catalog everywhere")
        visit(b, "before", 10)
        wait_until(lambda: outcomes(b) == 10, WAIT_S, "the first to be learned")
        shutil.copytree(directory, before)
        redis.command("CONFIG", "SET", "maxmemory", "1")
        visit(b, "refused", 10)
        wait_until(lambda: not status(b)["cluster"]["in_step"], WAIT_S, "status to tell")
        assert "forwarding" in status(b)["cluster"]["failing"]
        redis.command("CONFIG", "SET", "maxmemory", "0")
        wait_until(lambda: outcomes(b) == 20, WAIT_S, "what was refused to be learned")
        redis.kill()
        shutil.rmtree(directory)
        shutil.copytree(before, directory)
        redis.start()
        visit(a, "put back", 10)
        wait_until(lambda: outcomes(a) == outcomes(b) == 30, WAIT_S, "each to be learned once")
        wait_until(lambda: served(a) == served(b) is not None, WAIT_S, "one model everywhere")
        wait_until(lambda: status(b)["cluster"]["in_step"], WAIT_S, "status to tell")


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


def test_several_learners_share_the_events_and_merge(cluster: LocalCluster) -> None:
    shared = {"MARQUEE__CLUSTER__PARTITIONS": "2", "MARQUEE__CLUSTER__MERGE_INTERVAL_S": "0.3"}
    two = {**shared, "MARQUEE__CLUSTER__LEARNERS": "2"}
    a = cluster.add("a", learns=True, settings=two)
    b = cluster.add("b", learns=True, settings=two)
    put_catalog(a)
    wait_until(lambda: catalog(b) == catalog(a) != "empty", WAIT_S, "the catalog everywhere")
    visit(b, "first", 40)
    wait_until(lambda: outcomes(a) == outcomes(b) == 40, WAIT_S, "all to be learned")
    wait_until(lambda: served(a) == served(b) is not None, WAIT_S, "one model everywhere")
    learned = sum(status(a)["learner"]["outcomes"].values())
    # Whatever it learned is taken over by those that stand by.
    a.kill()
    visit(b, "second", 20)
    wait_until(lambda: outcomes(b) >= learned + 20, WAIT_S, "the others to learn on")
    before = served(b)
    visit(b, "third", 20)
    wait_until(lambda: served(b) != before, WAIT_S, "a newer model of all partitions")
