"""Numbers that are none and names that break VW's text: refused, and the weights stay finite."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from bandit.events import DecisionRecord
from bandit.types import SURFACES
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

MSGPACK = "application/msgpack"
NAN, INF = math.nan, math.inf


BAD_PAGES: dict[str, dict[str, object]] = {
    "not a number": {"context": {"a": NAN}},
    "infinite": {"context": {"a": -INF}},
    "not a number in a list": {"context": {"a": [0.5, NAN]}},
    "not a number in a row": {"rows": [{"id": "r0", "features": {"x": NAN}}]},
    "not a number in an artwork": {
        "titles": [{"id": "t", "artworks": [{"id": "a", "features": {"x": INF}}]}]
    },
    "line break in a feature": {"context": {"a\nb": 1.0}},
    "bar in a feature": {"context": {"a|b": 1.0}},
    "colon in a feature": {"context": {"a:b": 1.0}},
    "line break in a title": {"titles": [{"id": "t\n", "artworks": [{"id": "a"}]}]},
    "bar in a viewer": {"viewer_id": "v|1"},
    "a propensity of one's own": {"titles": [{"id": "t", "propensity": 0.0}]},
}
BAD_EVENTS: dict[str, dict[str, object]] = {
    "not a number of seconds": {"seconds": NAN},
    "infinite seconds": {"seconds": INF},
    "not a number as fraction": {"fraction": NAN},
    "more than the whole": {"fraction": 1.5},
    "negative seconds": {"seconds": -1.0},
    "not a number as time": {"at": NAN},
    "bar in a title": {"title": "t|0"},
    "line break in an id": {"event_id": "e\n"},
    "a propensity of one's own": {"propensity": 0.0},
}


def send(node: Node, path: str, body: object, encoding: str) -> Any:
    """Send a body as careless clients do: msgspec writes NaN into MessagePack, json into JSON."""
    data = msgspec.msgpack.encode(body) if encoding == MSGPACK else json.dumps(body)
    return node.http.post(path, data=data, headers={"Content-Type": encoding})


@pytest.mark.parametrize("encoding", ["application/json", MSGPACK])
def test_after_a_barrage_of_bad_values_all_is_well(site: Site, node: Node, encoding: str) -> None:
    before = site.records()
    for name, changed in BAD_PAGES.items():
        refused = send(node, "/v1/rank", {**PAGE, **changed}, encoding)
        # JSON has no word for NaN: there the body itself is no JSON.
        unwritable = encoding != MSGPACK and ("number" in name or "infinite" in name)
        assert refused.status_code == (400 if unwritable else 422), name
        assert unwritable or value(refused)["field"], name
    for name, changed in BAD_EVENTS.items():
        wrong = {"event_id": "e", "decision_id": "d", "type": "play", "title": "t0", **changed}
        answer = send(node, "/v1/feedback", {"events": [wrong]}, encoding)
        if answer.status_code == 202:
            assert value(answer)["accepted"] == 0, name
            assert [one["code"] for one in value(answer)["rejected"]] == ["invalid"], name
        else:
            assert answer.status_code == 400, name
    assert site.records() == before
    decision = node.rank()
    assert node.report(event("good", decision, "play", "t0", seconds=600)) == (1, 0)
    site.close_windows()
    assert site.learn().learned.examples == {"artwork": 1, "rows": 1}
    for surface in SURFACES:
        arrays = site.learner.engines.arrays(surface)
        assert np.isfinite(arrays.weights).all()
        assert np.abs(arrays.weights).max() > 0
    assert node.rank(viewer_id="v2")["rows"]


@pytest.mark.parametrize("wrong", [0.0, NAN])
@pytest.mark.parametrize(
    "model", [{"CB_TYPE": "mtr"}, {"CB_TYPE": "regression", "IMPORTANCE": "full"}]
)
def test_a_logged_propensity_that_cannot_be_never_reaches_the_weights(
    tmp_path: Path, model: dict[str, str], wrong: float
) -> None:
    changed = {
        f"MARQUEE__SURFACES__{surface.upper()}__MODEL__{name}": each
        for surface in SURFACES
        for name, each in model.items()
    }
    with site_at(tmp_path, {**EVERYBODY_LEARNED, **changed}) as site:
        node = site.node()
        node.http.put("/v1/catalog", json=CATALOG)
        good = node.rank(decision_id="good")
        (made,) = (logged.record for logged in site.records())
        assert isinstance(made, DecisionRecord)
        damaged = msgspec.structs.replace(
            made,
            decision_id="damaged",
            titles=[msgspec.structs.replace(one, propensity=wrong) for one in made.titles],
        )
        site.append(damaged)
        for name in ("good", "damaged"):
            node.report(event(f"e-{name}", {**good, "decision_id": name, "token": None}, "play",
                              "t0", seconds=600))  # fmt: skip
        site.close_windows()
        learned = site.learn().learned
        assert learned.unlearnable == {"artwork": 1}
        assert learned.examples == {"artwork": 1, "rows": 2}
        for surface in SURFACES:
            arrays = site.learner.engines.arrays(surface)
            assert np.isfinite(arrays.weights).all()
            assert np.abs(arrays.weights).max() < 10
