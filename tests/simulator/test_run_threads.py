"""A run holds linear algebra to one thread, and leaves it as it was between batches."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from simulator.loop import run
from simulator.pages import Pages, Served
from simulator.policies.registry import make_policy
from simulator.policies.uniform import UniformPolicy
from simulator.streams import CHOICES, RESPONSES, VISITS, stream
from simulator.threads import one_thread_limit
from tests.simulator.tiny_world import TinyWorld


def threads() -> set[int]:
    return {int(pool["num_threads"]) for pool in threadpool_info()}


class Watching(UniformPolicy):
    """A policy that notes how many threads there are while it serves."""

    def __init__(self) -> None:
        self.noted: set[int] = set()

    def serve(self, pages: Pages) -> Served:
        self.noted |= threads()
        return super().serve(pages)


def test_a_run_holds_linear_algebra_to_one_thread() -> None:
    policy = Watching()
    with threadpool_limits(limits=2):
        before = threads()
        for _ in run(TinyWorld(), policy, 1):
            assert threads() == before
    assert policy.noted == {1}


def test_without_threadpoolctl_a_run_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    with one_thread_limit()():
        pass
    assert len(list(run(TinyWorld(batches=2), make_policy("linucb"), 1))) == 2


def test_streams_of_one_seed_differ_by_purpose_and_number() -> None:
    keys = [(7, CHOICES, 0), (7, VISITS, 0), (7, RESPONSES, 0), (7, VISITS, 40), (8, CHOICES, 0)]
    drawn = [tuple(stream(*key).random(4)) for key in keys]
    assert len(set(drawn)) == len(keys)
    np.testing.assert_array_equal(stream(*keys[0]).random(4), drawn[0])
    # Lists are filled up with zeros, which would make one stream of these two.
    assert np.random.default_rng([7, 1]).random() == np.random.default_rng([7, 1, 0]).random()
