"""Pages at the edge of what is lawful: refused as the client's fault or served, never a failure."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bandit.engine import ModelArrays
from bandit.snapshots.manifest import SnapshotDetails
from server.local import wait_until
from tests.server.real_service import (
    PAGE,
    START_US,
    WAIT_S,
    Node,
    Site,
    value,
)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"max_rows": 2**64}, "max_rows"),
        ({"max_rows": 1_000_001}, "max_rows"),
        ({"rows": [{"id": "r0", "pinned": 2**64}]}, "rows[0].pinned"),
    ],
)
def test_a_position_past_any_page_is_refused(
    node: Node, change: dict[str, Any], field: str
) -> None:
    refused = node.post("/v1/rank", {**PAGE, "decision_id": "d1", **change})
    assert (refused.status_code, value(refused)["field"]) == (422, field)
    assert node.rank(decision_id="d2", max_rows=1_000_000)["logged"]


def test_a_model_that_overflows_costs_no_page_and_is_counted(site: Site, node: Node) -> None:
    table = np.full(1 << 12, 3e38, np.float32)
    details = SnapshotDetails(
        created_at_us=START_US, bits=12, interactions=[], constant=True, engine_version="none",
        examples_learned=1, log_clock_us=START_US,
    )  # fmt: skip
    site.snapshots.publish("artwork", ModelArrays(table, table), b"", details)
    loaded = 'marquee_snapshot_loaded_total{surface="artwork"} 1.0'
    wait_until(lambda: loaded in node.http.get("/metrics").text, WAIT_S, "the snapshot")
    page = node.rank()
    assert (page["snapshots"], page["logged"]) == ({}, True)
    counted = 'marquee_model_unusable_total{surface="artwork"} 1.0'
    assert counted in node.http.get("/metrics").text
