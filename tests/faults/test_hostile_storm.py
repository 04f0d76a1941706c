"""A few seconds of what the torture suite does for minutes: hostile bodies over real workers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.torture import hostile_bodies
from tests.faults.torture.rows import Options

pytestmark = pytest.mark.processes


def test_hostile_bodies_kill_nobody_and_fail_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Growth is measured where the storm is long: here it is the caches', which fill.
    monkeypatch.setattr(hostile_bodies, "GROWTH_MAX", 0.5)
    (row,) = hostile_bodies.run(Options(seed=7, seconds=10, quick=True, directory=tmp_path))
    assert row.passed, row.figures
    assert float(row.figures["bodies"]) >= hostile_bodies.QUICK_MEASURED
    assert {f"answered {status}" for status in (200, 201, 202, 400, 401, 411, 413, 415, 422)} <= (
        row.figures.keys()
    )
