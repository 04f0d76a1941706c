"""Pages at the edge of what is lawful: refused as the client's fault or served, never a failure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.server.real_service import CATALOG, PAGE, Node, Site, site_at, value


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with site_at(tmp_path) as site:
        yield site


@pytest.fixture
def node(site: Site) -> Node:
    node = site.node()
    assert node.http.put("/v1/catalog", json=CATALOG).status_code == 200
    return node


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
