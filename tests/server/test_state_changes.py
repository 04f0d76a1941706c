"""Changing what is served: what the answers say, also of disks that refuse and files that broke."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bandit.engine import ModelArrays
from bandit.eventlog.sqlite_schema import spool_path
from bandit.snapshots.manifest import SnapshotDetails
from tests.server.real_service import CATALOG, START_US, Node, Site, site_at, value

LESS: dict[str, Any] = {"titles": CATALOG["titles"][:2]}
# Without polling, what one node changes the other does not see by itself.
RARE = {
    "MARQUEE__CATALOG__POLL_INTERVAL_S": "3600",
    "MARQUEE__SNAPSHOTS__POLL_INTERVAL_S": "3600",
}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with site_at(tmp_path, RARE) as site:
        yield site


def put(node: Node, document: dict[str, Any], **headers: str) -> Any:
    response = node.http.put("/v1/catalog", json=document, headers=headers)
    assert response.status_code == 200, response.text
    return value(response)


def test_changed_is_told_of_the_service_not_of_the_worker(site: Site, node: Node) -> None:
    other = site.node()
    assert put(other, LESS)["changed"]
    # This worker still serves the first catalog, which is not the current one any more.
    assert not put(node, LESS)["changed"]
    assert put(other, CATALOG)["changed"]
    assert put(node, LESS)["changed"]
    patched = value(other.http.patch("/v1/catalog", json={"remove_titles": ["t0"]}))
    assert (patched["changed"], patched["titles"], patched["artworks"]) == (True, 1, 4)


def test_the_etag_of_an_empty_service_may_be_replaced_and_patched(tmp_path: Path) -> None:
    for name, method in (("put", "PUT"), ("patch", "PATCH")):
        with site_at(tmp_path / name) as site:
            node = site.node()
            tag = node.http.get("/v1/catalog").headers["ETag"]
            for status in (200, 412):
                response = node.http.open(
                    "/v1/catalog", method=method, json=LESS, headers={"If-Match": tag}
                )
                assert response.status_code == status, response.text


def test_a_disk_that_refuses_a_catalog_is_no_fault_of_the_client(site: Site, node: Node) -> None:
    shutil.rmtree(site.config.catalog.directory)
    for method in ("PUT", "PATCH"):
        refused = node.http.open("/v1/catalog", method=method, json=LESS)
        if method == "PUT":
            assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
            assert value(refused)["hint"]
    gone = node.http.get("/v1/catalog")
    assert gone.status_code == 503
    assert node.rank()["logged"]
    Path(site.config.catalog.directory).mkdir()
    assert put(node, LESS)["changed"]
    assert node.http.get("/v1/catalog").status_code == 200


def test_an_unknown_snapshot_is_not_found_and_a_full_disk_is_another_matter(
    site: Site, node: Node
) -> None:
    table = np.ones(1 << 12, np.float32)
    details = SnapshotDetails(
        created_at_us=START_US, bits=12, interactions=[], constant=True, engine_version="none",
        examples_learned=1, log_clock_us=START_US,
    )  # fmt: skip
    version = site.snapshots.publish("rows", ModelArrays(table, table), b"", details).version
    assert node.post("/v1/snapshots/none/activate", None).status_code == 404
    pointer = Path(site.config.snapshots.directory) / "rows" / "pointer.json"
    pointer.unlink()
    pointer.mkdir()
    refused = node.post(f"/v1/snapshots/{version}/activate", None)
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    pointer.rmdir()
    assert value(node.post(f"/v1/snapshots/{version}/activate", None))["active"]


def test_a_worker_whose_log_takes_nothing_is_not_ready(site: Site, node: Node) -> None:
    assert node.http.get("/readyz").status_code == 200
    (spool,) = site.reader.spools()
    file = spool_path(Path(site.config.log.directory), spool)
    file.rename(file.with_suffix(".moved"))
    unready = node.http.get("/readyz")
    assert unready.status_code == 503
    assert value(unready)["reasons"] == ["this worker's event log takes no records any more"]
    file.with_suffix(".moved").rename(file)
    assert node.http.get("/readyz").status_code == 200
    site.stop(node)
    assert node.http.get("/readyz").status_code == 503
