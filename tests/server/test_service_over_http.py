"""The real service behind the real edge, in one process: what is answered is what was stored."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from bandit.clock import ManualClock
from bandit.config.loading import load_config
from bandit.metrics import NoMetrics
from server.app import create_app
from server.local import state_overrides
from server.openapi import openapi_document
from server.service import Service
from server.wire import FeedbackAnswer, RankAnswer
from server.worker import build_service

CATALOG: dict[str, Any] = {
    "titles": [
        {"id": name, "artworks": [{"id": f"art-{n}"} for n in range(4)], "features": {"year": 1927}}
        for name in ("metropolis", "nosferatu", "detour")
    ],
    "rows": [{"id": "silent", "titles": ["metropolis", "nosferatu"]}],
}
PAGE = {
    "viewer_id": "v1",
    "context": {"hour": 21, "tastes": ["noir"]},
    "rows": [{"id": "silent", "titles": ["metropolis", "nosferatu", "lost"]}],
    "titles": ["detour"],
}


def value(response: TestResponse) -> Any:
    return msgspec.json.decode(response.data)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    config = load_config(None, state_overrides(tmp_path))
    service = build_service(config, ManualClock(1_700_000_000_000_000), NoMetrics())
    yield service
    service.close()


@pytest.fixture
def client(service: Service) -> FlaskClient:
    client = create_app(service).test_client()
    assert client.put("/v1/catalog", json=CATALOG).status_code == 200
    return client


def test_a_page_is_decided_the_same_in_both_encodings(client: FlaskClient) -> None:
    page = PAGE | {"decision_id": "d1"}
    in_json = client.post("/v1/rank", json=page)
    in_msgpack = client.post(
        "/v1/rank",
        data=msgspec.msgpack.encode(page),
        headers={"Content-Type": "application/msgpack"},
    )
    assert (in_json.status_code, in_msgpack.status_code) == (201, 201)
    answer = msgspec.json.decode(in_json.data, type=RankAnswer)
    assert answer == msgspec.msgpack.decode(in_msgpack.data, type=RankAnswer)
    assert answer.omitted == ["lost"]
    assert [title.id for title in answer.rows[0].titles] == ["metropolis", "nosferatu"]
    assert [title.id for title in answer.titles] == ["detour"]
    assert answer.snapshots == {}
    assert client.post("/v1/rank", json=page | {"titles": []}).status_code == 409


def test_feedback_is_stored_once(client: FlaskClient) -> None:
    decision = msgspec.json.decode(client.post("/v1/rank", json=PAGE).data, type=RankAnswer)
    event = {
        "event_id": "e1",
        "decision_id": decision.decision_id,
        "token": decision.token,
        "type": "play",
        "title": "metropolis",
        "fraction": 0.5,
    }
    counts = []
    for _ in range(3):
        response = client.post("/v1/feedback", json={"events": [event]})
        assert response.status_code == 202
        answer = msgspec.json.decode(response.data, type=FeedbackAnswer)
        counts.append((answer.accepted, answer.duplicates, answer.rejected))
    assert counts == [(1, 0, []), (0, 1, []), (0, 1, [])]


def test_the_catalog_comes_back_as_it_went_in_and_changes_by_version(client: FlaskClient) -> None:
    got = client.get("/v1/catalog")
    version = got.headers["ETag"]
    assert [title["id"] for title in value(got)["titles"]] == ["metropolis", "nosferatu", "detour"]
    patch = {"remove_titles": ["detour"]}
    changed = client.patch("/v1/catalog", json=patch, headers={"If-Match": version})
    assert changed.status_code == 200
    assert value(changed)["titles"] == 2
    assert changed.headers["ETag"] == f'"{value(changed)["version"]}"' != version
    stale = client.patch("/v1/catalog", json=CATALOG, headers={"If-Match": version})
    assert stale.status_code == 412
    assert client.get("/v1/catalog").headers["ETag"] == changed.headers["ETag"]


def test_a_wrong_catalog_changes_nothing(client: FlaskClient) -> None:
    before = client.get("/v1/catalog").data
    wrong = {"titles": [], "rows": [{"id": "r", "titles": ["nobody"]}]}
    refused = client.put("/v1/catalog", json=wrong)
    assert refused.status_code == 422
    assert value(refused)["field"]
    assert client.get("/v1/catalog").data == before


def test_status_and_snapshots_answer_before_anything_was_learned(client: FlaskClient) -> None:
    status = client.get("/v1/status")
    described = openapi_document()["components"]["schemas"]["StatusAnswer"]["properties"]
    assert status.status_code == 200
    assert set(value(status)) == set(described)
    assert value(client.get("/v1/snapshots")) == {"snapshots": []}
    assert client.post("/v1/snapshots/none/activate").status_code == 404
    assert client.get("/readyz").status_code == 200


def test_a_deferred_decision_is_activated(client: FlaskClient) -> None:
    decision = value(client.post("/v1/rank", json=PAGE | {"defer": True}))["decision_id"]
    assert client.post(f"/v1/decisions/{decision}/activate").status_code == 204


def test_a_page_over_a_limit_of_features_names_the_place(client: FlaskClient) -> None:
    page = PAGE | {"context": {f"f{n}": n for n in range(300)}}
    refused = client.post("/v1/rank", json=page)
    assert (refused.status_code, value(refused)["field"]) == (422, "context")
