"""A few swaps of snapshots and exchanges of all workers under load: no request fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.torture.swaps import swap_and_restart

pytestmark = pytest.mark.processes


def test_swaps_and_reloads_fail_no_request(tmp_path: Path) -> None:
    row = swap_and_restart(tmp_path, seed=2, swaps=8, restarts=2)
    assert row.passed, row.figures
    assert row.figures["swaps"] == 8
    assert row.figures["rolling restarts"] == 2
