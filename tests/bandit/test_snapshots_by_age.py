"""Snapshots go by age as they go by number, as configured."""

from __future__ import annotations

import pytest

from bandit.config import parse_config
from bandit.engine import Candidate, TrainingExample
from bandit.engines import Engines
from bandit.features import ARTWORK, CONTEXT, encode
from bandit.snapshots import MemorySnapshotStore

HOUR_US = 3_600_000_000
EXAMPLE = TrainingExample(
    {CONTEXT: encode(CONTEXT, {"taste": "noir"})},
    [Candidate({ARTWORK: encode(ARTWORK, {"mood": "dark"})})],
    0,
    0.5,
    1.0,
)


@pytest.mark.parametrize(
    ("snapshots", "kept"),
    [
        ({"keep": 10}, [5, 4, 3, 2, 1, 0]),
        ({"keep": 3}, [5, 4, 3]),
        ({"keep": 10, "keep_s": 2.5 * 3600}, [5, 4, 3]),
        ({"keep": 10, "keep_s": 60.0}, [5, 4]),
    ],
)
def test_one_an_hour(snapshots: dict[str, float], kept: list[int]) -> None:
    model = {"artwork": {"model": {"bits": 10}}, "rows": {"model": {"bits": 10}}}
    store = MemorySnapshotStore()
    engines = Engines(parse_config({"surfaces": model, "snapshots": snapshots}), store)
    engines.restore({})
    for hour in range(6):
        engines.learn("artwork", [EXAMPLE])
        assert engines.publish("artwork", 0, hour * HOUR_US, caught_up=True) is None
    assert [one.created_at_us // HOUR_US for one in store.versions("artwork")] == kept
