"""Tokens that are forged, cut, expired, huge or another's, and keys that rotate."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.server.real_service import (
    CATALOG,
    EVERYBODY_LEARNED,
    PAGE,
    Node,
    Site,
    event,
    site_at,
    value,
)

KEYED = {
    **EVERYBODY_LEARNED,
    "MARQUEE__AUTH__CLIENT_KEYS": '["the-client"]',
    "MARQUEE__AUTH__ADMIN_KEYS": '["the-admin"]',
    "MARQUEE__AUTH__TOKEN_AGE_MAX_S": "3600",
}
CLIENT = {"X-API-Key": "the-client"}
ADMIN = {"X-API-Key": "the-admin"}


@pytest.fixture
def keyed(tmp_path: Path) -> Iterator[Site]:
    with site_at(tmp_path, KEYED) as site:
        yield site


def decided(node: Node, **changes: object) -> Any:
    node.http.put("/v1/catalog", json=CATALOG, headers=ADMIN)
    response = node.post("/v1/rank", {**PAGE, **changes}, **CLIENT)
    assert response.status_code == 201
    return value(response)


def test_a_token_lets_feedback_in_without_a_key_and_a_bad_one_changes_nothing(keyed: Site) -> None:
    node = keyed.node()
    stranger = keyed.node(settings={"MARQUEE__AUTH__TENANT": "other"})
    decision = decided(node)
    foreign = decided(stranger, decision_id="theirs")
    token = decision["token"]
    flipped = token[:-5] + ("A" if token[-5] != "A" else "B") + token[-4:]
    before = keyed.records()
    bad: dict[str, tuple[int, dict[str, object]]] = {
        "forged": (401, {"token": flipped}),
        "unsigned": (401, {"token": token.rpartition(".")[0]}),
        "truncated": (401, {"token": token[: len(token) // 2]}),
        "empty": (401, {"token": ""}),
        "missing": (401, {"token": None}),
        "of another decision": (401, {"decision_id": "another"}),
        "of another tenant": (401, {"token": foreign["token"], "decision_id": "theirs"}),
        "long": (413, {"token": "x" * 100_000}),
        "huge": (413, {"token": "x" * 10_000_000}),
    }
    for name, (status, changed) in bad.items():
        events = {"events": [{**event("e1", decision, "click", "t0"), **changed}]}
        refused = node.post("/v1/feedback", events)
        assert refused.status_code == status, name
        assert value(refused)["hint"], name
    assert keyed.records() == before
    assert node.report(event("e1", decision, "click", "t0")) == (1, 0)


def test_an_expired_token_is_refused_with_a_key_as_well(keyed: Site) -> None:
    node = keyed.node()
    decision = decided(node)
    click = {"events": [event("e1", decision, "click", "t0")]}
    keyed.pass_s(3600 + keyed.config.auth.clock_leeway_s)
    assert node.post("/v1/feedback", click).status_code == 202
    keyed.pass_s(1)
    before = keyed.records()
    late = {"events": [event("e2", decision, "click", "t0")]}
    assert node.post("/v1/feedback", late).status_code == 401
    with_key = node.post("/v1/feedback", late, **CLIENT)
    assert [one["code"] for one in value(with_key)["rejected"]] == ["token_expired"]
    assert keyed.records() == before


def test_tokens_of_an_old_key_are_good_for_as_long_as_it_is_listed(tmp_path: Path) -> None:
    ring = tmp_path / "tokens.keys"
    old, new = "the-old-signing-key", "the-new-signing-key"
    with site_at(tmp_path, {**KEYED, "MARQUEE__AUTH__TOKEN_KEYS_FILE": str(ring)}) as site:
        ring.write_text(f"{old}\n")
        first = decided(site.node(), decision_id="first")
        ring.write_text(f"{old}\n{new}\n")
        both = site.node()
        second = decided(both, decision_id="second")
        assert both.report(event("e1", first, "click", "t0")) == (1, 0)
        assert both.report(event("e2", second, "click", "t0")) == (1, 0)
        ring.write_text(f"{new}\n")
        rotated = site.node()
        before = site.records()
        refused = rotated.post("/v1/feedback", {"events": [event("e3", first, "click", "t0")]})
        assert refused.status_code == 401
        assert "retired" in value(refused)["hint"]
        assert site.records() == before
        assert rotated.report(event("e4", second, "click", "t0")) == (1, 0)
