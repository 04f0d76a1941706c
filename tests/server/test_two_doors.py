"""A call through the front door gets what Flask's router would have given it, and is accounted for.

Every case is sent to two services of the same kind, to one through the front door and to the other
through Flask alone; what both answer, count and log must be equal.
"""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import structlog
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from bandit.config import parse_config
from bandit.config.schema import AuthConfig, Config, LimitsConfig
from server.logs import configure_logs
from server.prometheus import PrometheusMetrics
from tests.faults.test_hostile_bodies import HOSTILE
from tests.server.edge_service import EdgeService, edge_app

JSON, MSGPACK = "application/json", "application/msgpack"
PAGE = {"viewer_id": "v", "context": {"hour": 21}, "rows": [{"id": "noir", "titles": ["detour"]}]}
EVENT = {"event_id": "e1", "decision_id": "d1", "type": "click", "title": "detour"}
GOOD = {"/v1/rank": PAGE, "/v1/feedback": {"events": [EVENT, EVENT | {"type": "stare"}]}}

Seen = tuple[str, list[tuple[str, str]], bytes]
Case = dict[str, Any]
"""A WSGI environ as far as it differs from that of a good call."""


def environ(path: str, case: Case) -> dict[str, Any]:
    body = case.get("body", msgspec.json.encode(GOOD[path]))
    made = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "127.0.0.1",
        "HTTP_X_REQUEST_ID": "asked-1",
        "CONTENT_TYPE": JSON,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    made.update({name: value for name, value in case.items() if name != "body"})
    return {name: value for name, value in made.items() if value is not None}


class Door:
    """A service of its own behind one of the two doors."""

    def __init__(self, config: Config, *, front: bool) -> None:
        self.service = EdgeService(config)
        self.app = edge_app(self.service)
        self._front = front

    def call(self, path: str, case: Case) -> Seen:
        seen: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], *_rest: Any) -> Any:
            seen[:] = [status, sorted(headers)]

        asked = environ(path, case)
        if self._front:
            body = self.app.wsgi_app(asked, start_response)
        else:
            body = Flask.wsgi_app(self.app, asked, start_response)
        content = b"".join(body)
        status, headers = seen
        return status, headers, content

    def counts(self) -> dict[str, float]:
        metrics = self.service.metrics
        assert isinstance(metrics, PrometheusMetrics)
        return {
            sample.name + str(sorted(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(metrics.exposition().decode())
            for sample in family.samples
            if sample.name.endswith(("_total", "_count"))
        }


@pytest.fixture(autouse=True)
def own_logs() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in ("gunicorn.error", "gunicorn.access"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    structlog.reset_defaults()


def page(**changes: Any) -> bytes:
    return msgspec.json.encode(PAGE | changes)


ORDINARY: dict[str, tuple[str, Case]] = {
    "rank": ("/v1/rank", {}),
    "rank in msgpack": (
        "/v1/rank",
        {"CONTENT_TYPE": MSGPACK, "body": msgspec.msgpack.encode(PAGE)},
    ),
    "rank answered in msgpack": ("/v1/rank", {"HTTP_ACCEPT": MSGPACK}),
    "rank answered in either": ("/v1/rank", {"HTTP_ACCEPT": f"{MSGPACK};q=0.9, {JSON};q=0.1"}),
    "rank for html alone": ("/v1/rank", {"HTTP_ACCEPT": "text/html"}),
    "problem in msgpack": ("/v1/rank", {"HTTP_ACCEPT": MSGPACK, "body": b"{"}),
    "other media type": ("/v1/rank", {"CONTENT_TYPE": "text/plain"}),
    "no media type": ("/v1/rank", {"CONTENT_TYPE": None}),
    "no request id": ("/v1/rank", {"HTTP_X_REQUEST_ID": None, "body": b"["}),
    "unlawful request id": ("/v1/rank", {"HTTP_X_REQUEST_ID": "a b"}),
    "no length": ("/v1/rank", {"CONTENT_LENGTH": None}),
    "empty length": ("/v1/rank", {"CONTENT_LENGTH": ""}),
    "length in words": ("/v1/rank", {"CONTENT_LENGTH": "ten"}),
    "length of 400 digits": ("/v1/rank", {"CONTENT_LENGTH": "9" * 400}),
    "body ends early": ("/v1/rank", {"CONTENT_LENGTH": "5000"}),
    "chunked": ("/v1/rank", {"HTTP_TRANSFER_ENCODING": "chunked"}),
    "too long": ("/v1/rank", {"CONTENT_LENGTH": "2000001"}),
    "empty page": ("/v1/rank", {"body": b"{}"}),
    "unlawful row": ("/v1/rank", {"body": page(rows=[{"id": "a b"}])}),
    "unlawful title": ("/v1/rank", {"body": page(titles=["a|b"])}),
    "unlawful feature name": ("/v1/rank", {"body": page(context={"a:b": 1})}),
    "too many rows": ("/v1/rank", {"body": page(rows=[{"id": str(n)} for n in range(9)])}),
    "crash": ("/v1/rank", {"body": page(decision_id="crash")}),
    "taken id": ("/v1/rank", {"body": page(decision_id="made-here-0")}),
    "query": ("/v1/rank", {"QUERY_STRING": "a=b"}),
    "GET": ("/v1/rank", {"REQUEST_METHOD": "GET"}),
    "HEAD": ("/v1/rank", {"REQUEST_METHOD": "HEAD"}),
    "OPTIONS": ("/v1/rank", {"REQUEST_METHOD": "OPTIONS"}),
    "slash at the end": ("/v1/rank", {"PATH_INFO": "/v1/rank/"}),
    "no address": ("/v1/rank", {"PATH_INFO": ""}),
    "other letters": ("/v1/rank", {"PATH_INFO": "/V1/rank"}),
    "batch": ("/v1/rank", {"PATH_INFO": "/v1/rank/batch", "body": b'{"pages":[{}]}'}),
    "probe": ("/v1/rank", {"PATH_INFO": "/livez", "REQUEST_METHOD": "GET"}),
    "probe's head": ("/v1/rank", {"PATH_INFO": "/livez", "REQUEST_METHOD": "HEAD"}),
    "activation": (
        "/v1/rank",
        {"PATH_INFO": "/v1/decisions/a//b/activate", "CONTENT_LENGTH": None},
    ),
    "feedback": ("/v1/feedback", {}),
    "feedback in msgpack": (
        "/v1/feedback",
        {"CONTENT_TYPE": MSGPACK, "body": msgspec.msgpack.encode(GOOD["/v1/feedback"])},
    ),
    "no events": ("/v1/feedback", {"body": b'{"events":[]}'}),
    "feedback, full disk": ("/v1/feedback", {"body": b'{"events":[{"event_id":"full"}]}'}),
    "feedback by GET": ("/v1/feedback", {"REQUEST_METHOD": "GET"}),
    "key unknown": ("/v1/rank", {"HTTP_AUTHORIZATION": "Bearer wrong"}),
    "key garbled": ("/v1/feedback", {"HTTP_AUTHORIZATION": "Basic wrong"}),
    "key of a client": ("/v1/rank", {"HTTP_X_API_KEY": "client"}),
    "key of an admin": ("/v1/feedback", {"HTTP_AUTHORIZATION": "bearer admin"}),
}
HOSTILE_ONES: dict[str, tuple[str, Case]] = {
    f"hostile: {name}": (path, {"CONTENT_TYPE": kind, "body": body})
    for name, (path, kind, body) in HOSTILE.items()
    if path in GOOD
}

OPEN = Config(limits=LimitsConfig(rows_max=8))
REFUSED = {400, 404, 405, 406, 409, 411, 413, 415, 422, 500}
KEYED = Config(auth=AuthConfig(client_keys=["client"], admin_keys=["admin"]))


@pytest.mark.parametrize("config", [OPEN, KEYED], ids=["open", "keyed"])
def test_both_doors_give_the_same(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(parse_config({}), "worker")
    front, behind = Door(config, front=True), Door(config, front=False)
    given: dict[str, list[dict[str, Any]]] = {}
    for name, (path, case) in (ORDINARY | HOSTILE_ONES).items():
        seen = []
        for door in (front, behind):
            seen.append(without_drawn_id(door.call(path, case)))
            logged = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
            given.setdefault(name, []).append(requests_line(logged))
        assert seen[0] == seen[1], name
        first, second = given[name]
        assert first == second, name
        assert first["status"] == int(seen[0][0][:3]), name
    assert front.counts() == behind.counts()
    answered = {first["status"] for first, _ in given.values()}
    assert answered >= (REFUSED | {201, 202} if config is OPEN else {401, 201, 202})


def without_drawn_id(seen: Seen) -> Seen:
    """Leave out the request's id where it was drawn, once it was seen to be one."""
    status, headers, body = seen
    ids = [value for name, value in headers if name == "X-Request-Id"]
    assert len(ids) == 1
    kept = [(name, value) for name, value in headers if value == "asked-1" or value not in ids]
    return status, kept, body


def requests_line(logged: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what the one line of a request says, but for its time and a drawn id."""
    (line,) = [line for line in logged if line["event"] == "request"]
    assert line["ms"] >= 0
    return {name: line[name] for name in line if name not in ("at", "ms", "request_id")}


def test_the_client_of_tests_and_servers_come_through_the_front_door(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = edge_app(EdgeService())

    def no_router(*_: object) -> None:
        raise AssertionError("the router was asked")

    monkeypatch.setattr(app, "full_dispatch_request", no_router)
    client: FlaskClient = app.test_client()
    assert client.post("/v1/rank", json=PAGE).status_code == 201
    assert client.post("/v1/feedback", json={"events": [EVENT]}).status_code == 202


@pytest.mark.parametrize("path", ["//metrics", "///metrics", "//v1/rank", "//", "metrics", "*"])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_an_address_that_does_not_begin_with_one_slash_is_unknown(method: str, path: str) -> None:
    """A proxy that forbids an address by its beginning is not walked around."""
    door = Door(OPEN, front=True)
    status, _, body = door.call("/v1/rank", {"REQUEST_METHOD": method, "PATH_INFO": path})
    assert status == "404 NOT FOUND"
    assert json.loads(body)["hint"]
    assert door.counts()["marquee_requests_total[('route', 'unmatched'), ('status', '404')]"] == 1
