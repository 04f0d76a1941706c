"""Large catalog changes are made by a child process, and nothing tells them from small ones."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import msgspec
import pytest
from werkzeug.test import TestResponse

from bandit.catalog import Catalog
from server import catalog_admin, catalog_bodies
from server.catalog_admin import UndecodedBody
from tests.server.real_service import CATALOG, WAIT_S, Node, Site, site_at, value

LESS: dict[str, Any] = {"titles": CATALOG["titles"][:2]}
JSON = "application/json"
MSGPACK = "application/msgpack"
MISTAKES: list[tuple[str, str, bytes]] = [
    ("PUT", JSON, b'{"titles": ['),
    ("PUT", JSON, b'{"titles": "none"}'),
    ("PUT", JSON, b'{"titles": []}'),
    ("PUT", JSON, b'{"titles": [{"id": "t", "artworks": [{"id": "a", "features": {"x": 1e10}}]}]}'),
    ("PUT", JSON, b'{"titles": [{"id": "t", "artworks": [{"id": "a", "features": {"a b": 1}}]}]}'),
    ("PUT", JSON, b'{"titles": [{"id": "t", "artworks": []}], "more": 1}'),
    ("PUT", MSGPACK, b"\x81\xa6titles\xdd\xff\xff\xff\xff"),
    ("PUT", MSGPACK, msgspec.msgpack.encode({"titles": [{"id": "t t", "artworks": []}]})),
    ("PUT", MSGPACK, msgspec.msgpack.encode({"titles": LESS["titles"] * 2})),
    ("PATCH", JSON, b'{"remove_titles": ["t9"], "remove_rows": ["r8", "r9"]}'),
    ("PATCH", JSON, b'{"rows": [{"id": "r7", "titles": ["t0", "t8", "t0"]}]}'),
    ("PATCH", JSON, b'{"remove": ["t9"]}'),
]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    # This worker takes over what a change made, and not by itself.
    with site_at(tmp_path, {"MARQUEE__CATALOG__POLL_INTERVAL_S": "3600"}) as site:
        yield site


@pytest.fixture
def node(site: Site) -> Node:
    return site.node()


@pytest.fixture
def all_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog_bodies, "APART_FROM_BYTES", 0)


@pytest.fixture
def current_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog_admin, "APART_FROM_BYTES", 0)


def put(node: Node, document: object, **headers: str) -> TestResponse:
    return node.http.put("/v1/catalog", json=document, headers=headers)


def told(response: TestResponse) -> tuple[int, object, str | None]:
    """Return all that a client is told, but for what each request has of its own."""
    return response.status_code, value(response), response.headers.get("ETag")


def test_a_large_catalog_is_put_and_served(node: Node, all_large: None) -> None:
    answer = value(put(node, CATALOG))
    assert {**answer, "version": ""} == {
        "version": "", "titles": 6, "artworks": 24, "rows": 3, "changed": True
    }  # fmt: skip
    assert node.rank()["catalog"] == answer["version"]
    assert value(node.http.get("/v1/catalog"))["titles"][0]["id"] == "t0"
    assert not value(put(node, CATALOG))["changed"]
    body = msgspec.msgpack.encode(LESS)
    less = value(node.http.put("/v1/catalog", data=body, content_type=MSGPACK))
    assert node.rank()["catalog"] == less["version"]


def test_nothing_is_decoded_or_built_here(
    node: Node, all_large: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(*_: object, **__: object) -> Catalog:
        raise AssertionError("the child was to build it")

    monkeypatch.setattr(Catalog, "build", build)
    monkeypatch.setattr("server.catalog_admin.put", build)
    assert put(node, CATALOG).status_code == 200


def test_a_small_patch_of_a_large_catalog_is_made_apart(
    node: Node, site: Site, current_large: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = value(put(node, CATALOG))["version"]

    def patch(*_: object) -> None:
        raise AssertionError("the child was to do it")

    monkeypatch.setattr("server.catalog_admin.patch", patch)
    changes = {"titles": [{"id": "t9", "artworks": [{"id": "a"}]}], "remove_titles": ["t5"]}
    answer = value(node.http.patch("/v1/catalog", json=changes, headers={"If-Match": before}))
    assert (answer["titles"], answer["artworks"], answer["changed"]) == (6, 21, True)
    served = value(node.http.get("/v1/catalog"))["titles"]
    assert [title["id"] for title in served] == ["t0", "t1", "t2", "t3", "t4", "t9"]
    refused = node.http.patch("/v1/catalog", json=changes, headers={"If-Match": before})
    assert refused.status_code == 412
    assert answer["version"] in value(refused)["detail"]


@pytest.mark.parametrize("number", range(len(MISTAKES)))
def test_mistakes_are_told_as_those_of_small_catalogs(
    node: Node, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    method, content_type, body = MISTAKES[number]
    put(node, CATALOG)

    def tried() -> tuple[int, object, str | None]:
        return told(
            node.http.open("/v1/catalog", method=method, data=body, content_type=content_type)
        )

    here = tried()
    assert here[0] in (400, 422)
    monkeypatch.setattr(catalog_bodies, "APART_FROM_BYTES", 0)
    assert tried() == here
    monkeypatch.setattr(catalog_admin, "APART_FROM_BYTES", 0)
    assert tried() == here


def test_a_large_catalog_is_put_on_a_condition(node: Node, all_large: None) -> None:
    version = value(put(node, CATALOG, **{"If-Match": '"empty"'}))["version"]
    refused = put(node, LESS, **{"If-Match": '"empty"'})
    assert refused.status_code == 412
    assert value(refused)["detail"] == f"the current catalog is {version}, not none"
    assert put(node, LESS, **{"If-Match": f'"{version}"'}).status_code == 200


@pytest.mark.parametrize("media_type", [JSON, MSGPACK])
def test_a_large_catalog_is_told_as_a_small_one(
    node: Node, media_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(node, CATALOG)

    def asked() -> tuple[int, bytes, dict[str, str]]:
        response = node.http.get("/v1/catalog", headers={"Accept": media_type})
        names = ("ETag", "Content-Type", "Content-Length")
        return response.status_code, response.data, {n: response.headers[n] for n in names}

    here = asked()
    assert here[0] == 200

    def document(*_: object) -> None:
        raise AssertionError("it was not to be decoded here")

    monkeypatch.setattr("bandit.catalog.store.StoredDocuments.document", document)
    monkeypatch.setattr(catalog_admin, "APART_FROM_BYTES", 0)
    assert asked() == here


def test_a_large_catalog_that_cannot_be_told_is_no_fault_of_the_client(
    node: Node, site: Site, current_large: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = value(put(node, CATALOG))["version"]
    document = Path(site.config.catalog.directory) / f"{version}.msgpack"
    whole = document.read_bytes()
    document.write_bytes(whole[:-1])
    for media_type in (JSON, MSGPACK):
        refused = node.http.get("/v1/catalog", headers={"Accept": media_type})
        assert refused.status_code == 503
    document.write_bytes(whole)
    monkeypatch.setattr(catalog_admin, "_TELLING", "tests.bandit.killed_child")
    refused = node.http.get("/v1/catalog")
    assert refused.status_code == 503
    assert "application/msgpack" in value(refused)["hint"]


def test_a_large_body_that_ends_early_is_told(node: Node, all_large: None) -> None:
    body = msgspec.json.encode(CATALOG)
    told_length = {"CONTENT_LENGTH": str(len(body) + 1)}
    refused = node.http.put(
        "/v1/catalog", data=body, content_type=JSON, environ_overrides=told_length
    )
    assert refused.status_code == 400
    assert value(refused)["detail"] == (
        f"the body ended after {len(body)} of {len(body) + 1} bytes"
    )


def test_a_body_of_several_parts_arrives_whole(node: Node, all_large: None) -> None:
    titles = [
        {"id": f"t{number}", "artworks": [{"id": f"a{place}"} for place in range(64)]}
        for number in range(200)
    ]
    body = msgspec.json.encode({"titles": titles})
    assert len(body) > 2 * 65_536
    answer = value(node.http.put("/v1/catalog", data=body, content_type=JSON))
    assert (answer["titles"], answer["artworks"]) == (200, 12_800)


def test_a_child_that_is_killed_changes_nothing(
    node: Node, site: Site, all_large: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = value(put(node, CATALOG))["version"]
    monkeypatch.setattr(catalog_admin, "_CHANGING", "tests.bandit.killed_child")
    refused = put(node, LESS)
    assert refused.status_code == 503
    assert refused.headers["Retry-After"]
    assert "memory" in value(refused)["hint"]
    assert node.rank()["catalog"] == version
    left = {path.suffix for path in Path(site.config.catalog.directory).iterdir()}
    assert left == {"", ".msgpack", ".arrays"}


def test_large_changes_do_not_take_all_threads(node: Node, all_large: None) -> None:
    arriving, arrived = threading.Semaphore(0), threading.Event()

    def arrive(file: IO[bytes]) -> None:
        arriving.release()
        assert arrived.wait(WAIT_S)
        file.write(msgspec.json.encode(LESS))

    with ThreadPoolExecutor(catalog_admin.LARGE_AT_ONCE) as pool:
        bodies = [UndecodedBody(arrive, "json")] * catalog_admin.LARGE_AT_ONCE
        under_way = [pool.submit(node.service.put_catalog, body) for body in bodies]
        for _ in bodies:
            assert arriving.acquire(timeout=WAIT_S)
        refused = put(node, CATALOG)
        arrived.set()
        assert {each.result(WAIT_S).titles for each in under_way} == {2}
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    counted = 'marquee_requests_refused_total{reason="catalog_busy"} 1.0'
    assert counted in node.http.get("/metrics").text
    assert put(node, CATALOG).status_code == 200
