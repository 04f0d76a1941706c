"""Viewers' ids as keyed hashes, from the edge on: no plain id is left anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from werkzeug.test import TestResponse

from bandit.clock import ManualClock
from bandit.config.loading import load_config
from bandit.metrics import NoMetrics
from bandit.types import Id
from bandit.viewer_ids import ViewerIds, all_stored
from server.app import create_app
from server.client import Client
from server.local import LocalServer, state_overrides
from server.wire import RankRequest
from server.worker import build_service
from tests.waiting import wait_until_closed

HASHED = {"MARQUEE__PRIVACY__VIEWER_IDS": "hashed"}
CATALOG = {
    "titles": [{"id": f"t{n}", "artworks": [{"id": "a"}, {"id": "b"}]} for n in range(4)],
    "rows": [],
}


def test_a_hash_is_an_id_and_needs_the_key() -> None:
    one, other = ViewerIds(b"k" * 40), ViewerIds(b"l" * 400)
    assert one.stored("viewer-7") == one.stored("viewer-7")
    assert one.stored("viewer-7") != one.stored("viewer-8")
    assert one.stored("viewer-7") != other.stored("viewer-7")
    assert msgspec.convert(one.stored("viewer-7"), Id) == one.stored("viewer-7")
    assert ViewerIds(None).stored("viewer-7") == "viewer-7"


def test_every_form_is_known_in_which_an_id_may_be_stored(tmp_path: Path) -> None:
    plain = load_config(None, state_overrides(tmp_path))
    assert all_stored(plain, "v") == ["v"]
    keys = tmp_path / "viewers"
    keys.write_text("first-key-of-viewers\nsecond-key-of-viewers\n")
    settings = {"MARQUEE__PRIVACY__VIEWER_KEYS_FILE": str(keys), **HASHED}
    config = load_config(None, state_overrides(tmp_path) | settings)
    forms = all_stored(config, "v")
    assert len(set(forms)) == 3
    assert ViewerIds.from_config(config).stored("v") == forms[-1], "the last key counts"


def test_repeats_and_shares_hold_under_hashed_ids(tmp_path: Path) -> None:
    config = load_config(None, state_overrides(tmp_path) | HASHED)
    service = build_service(config, ManualClock(1_700_000_000_000_000), NoMetrics())
    try:
        client = create_app(service).test_client()
        assert client.put("/v1/catalog", json=CATALOG).status_code == 200
        page = {"decision_id": "d", "viewer_id": "viewer-7", "titles": ["t0", "t1", "t2"]}
        first = client.post("/v1/rank", json=page)
        assert (
            _said(client.post("/v1/rank", json=page))["decision_id"] == _said(first)["decision_id"]
        )
        other = client.post("/v1/rank", json=page | {"viewer_id": "viewer-8"})
        assert other.status_code == 409
        batch = client.post("/v1/rank/batch", json={"pages": [page]})
        assert batch.status_code == 200
        assert _said(batch)["pages"][0]["decision"]["titles"] == _said(first)["titles"]
    finally:
        service.close()


@pytest.mark.processes
def test_no_plain_id_is_left_in_any_file(tmp_path: Path) -> None:
    settings = {
        **HASHED,
        "MARQUEE__REWARD__WINDOW_S": "0.2",
        "MARQUEE__REWARD__CLOCK_LEEWAY_S": "0",
        "MARQUEE__SERVER__WORKERS": "1",
        "MARQUEE__SERVER__DRAIN_S": "0",
    }
    with LocalServer(tmp_path, settings=settings) as server:
        with Client(server.url) as client:
            client.put_catalog(CATALOG)
            for number in range(30):
                answer = client.rank(RankRequest(viewer_id=f"plain-{number}", titles=["t0", "t1"]))
                assert answer.source == "server"
            wait_until_closed(client, 30)
        _search(tmp_path)
    _search(tmp_path)
    config = load_config(None, state_overrides(tmp_path) | HASHED)
    stored = ViewerIds.from_config(config).stored("plain-3").encode()
    assert any(stored in path.read_bytes() for path in tmp_path.rglob("*.sqlite"))


def _said(response: TestResponse) -> Any:
    return msgspec.json.decode(response.data)


def _search(directory: Path) -> None:
    for path in directory.rglob("*"):
        assert not path.is_file() or b"plain-" not in path.read_bytes(), path
