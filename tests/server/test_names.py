"""The letters of names on pages and in feedback: what is unlawful is refused, and named."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandit.types import FeatureName, Id
from server.errors import BodyInvalidError
from server.names import check_event, check_names
from server.wire import FeedbackEvent, RankRequest
from tests.server.edge_service import EdgeService, edge_app

ARTWORKS = [{"id": "a"}]


def page(**fields: Any) -> RankRequest:
    return msgspec.convert(fields, RankRequest)


@pytest.mark.parametrize(
    ("fields", "field", "hint"),
    [
        ({"rows": [{"id": "a"}, {"id": "a b"}]}, "rows[1].id", "characters"),
        ({"rows": [{"id": "a|b"}]}, "rows[0].id", "characters"),
        ({"rows": [{"id": "a\n"}]}, "rows[0].id", "characters"),
        ({"rows": [{"id": "r", "titles": ["t", "t\x00"]}]}, "rows[0].titles[1]", "characters"),
        ({"titles": ["t", {"id": "u", "artworks": ARTWORKS}, "\u00fc"]}, "titles[2]", "characters"),
        ({"context": {"ok": 1, "a:b": 1}}, "context", "name features"),
        ({"context": {"ok": 1, "a b": 1}}, "context", "name features"),
    ],
)
def test_an_unlawful_name_is_told_with_its_place(
    fields: dict[str, Any], field: str, hint: str
) -> None:
    with pytest.raises(BodyInvalidError) as caught:
        check_names(page(**fields))
    assert caught.value.field == field
    assert hint in caught.value.hint


def is_lawful(value: str, kind: Any) -> bool:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True


def passes(**fields: Any) -> bool:
    try:
        check_names(page(**fields))
    except (msgspec.ValidationError, BodyInvalidError):
        return False
    return True


NAMES = st.text(st.sampled_from("aZ0_.:@/- |\n\u00e9\x7f") | st.characters(codec="utf-8"))


@given(NAMES)
def test_it_agrees_with_the_types_that_match_one_by_one(name: str) -> None:
    lawful = is_lawful(name, Id)
    assert passes(titles=["t", name]) is lawful
    assert passes(rows=[{"id": name}]) is lawful
    assert passes(rows=[{"id": "r", "titles": [name]}]) is lawful
    assert passes(context={"a": 1, name: 1}) is is_lawful(name, FeatureName)


@given(NAMES, st.sampled_from(["event_id", "decision_id", "title", "row"]))
def test_feedback_is_refused_by_the_letters_of_any_of_its_ids(name: str, field: str) -> None:
    given_ids = {"event_id": "e", "decision_id": "d", "title": "t", field: name}
    assert takes(**given_ids) is is_lawful(name, Id)


def takes(**ids: str) -> bool:
    try:
        check_event(msgspec.convert(ids | {"type": "click"}, FeedbackEvent))
    except (msgspec.ValidationError, BodyInvalidError):
        return False
    return True


def test_an_event_with_an_unlawful_id_is_rejected_by_itself() -> None:
    client = edge_app(EdgeService()).test_client()
    good = {"event_id": "e", "decision_id": "d", "type": "click", "title": "t"}
    body = {"events": [good | {"row": "a b"}, good]}
    answer = msgspec.json.decode(client.post("/v1/feedback", json=body).data)
    assert answer["accepted"] == 1
    (rejected,) = answer["rejected"]
    assert (rejected["index"], rejected["code"]) == (0, "invalid")
    assert rejected["detail"].startswith("row: ")
    assert "characters" in rejected["hint"]


@pytest.mark.parametrize("length", [0, 1, 256, 257])
def test_lengths_are_those_of_an_id(length: int) -> None:
    name = "x" * length
    assert passes(titles=[name]) is is_lawful(name, Id)
    assert passes(context={name: 1}) is is_lawful(name, FeatureName)


def test_each_page_of_a_batch_is_checked_by_itself() -> None:
    client = edge_app(EdgeService()).test_client()
    pages = {"pages": [{"titles": ["a b"]}, {"titles": ["a"]}]}
    wrong, right = msgspec.json.decode(client.post("/v1/rank/batch", json=pages).data)["pages"]
    assert (wrong["problem"]["status"], wrong["problem"]["field"]) == (422, "titles[0]")
    assert right["decision"]["titles"][0]["id"] == "a"
