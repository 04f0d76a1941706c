"""What browsers are told: strict headers on every answer, and which other sites may call."""

from __future__ import annotations

from typing import Any, cast

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from bandit.config import parse_config
from bandit.config.schema import AuthConfig, Config, ServerConfig
from bandit.errors import ConfigError
from server.app import create_app
from server.auth import Authenticator
from server.dispatch import Dispatcher
from server.exchange import Call, Reply
from server.prometheus import PrometheusMetrics
from server.route_table import ROUTES
from server.service import Service
from server.strict_headers import STRICT
from tests.server.edge_service import NOW_US, EdgeService, edge_app

OURS = "https://www.example.org"
OTHERS = "https://evil.example"
FEEDBACK = "/v1/feedback"
CORS_HEADERS = "Access-Control-"


@pytest.fixture
def service() -> EdgeService:
    return EdgeService(
        Config(
            server=ServerConfig(cors_origins=[OURS, "http://localhost:3000"]),
            auth=AuthConfig(client_keys=["c"], admin_keys=["a"]),
        )
    )


@pytest.fixture
def client(service: EdgeService) -> FlaskClient:
    return edge_app(service).test_client()


def report(service: EdgeService) -> dict[str, Any]:
    token = service.tokens.sign("d", NOW_US)
    event = {"event_id": "e", "decision_id": "d", "type": "click", "title": "t", "token": token}
    return {"events": [event]}


def preflight(client: FlaskClient, origin: str | None, path: str = FEEDBACK) -> TestResponse:
    headers = {"Access-Control-Request-Method": "POST"}
    headers |= {} if origin is None else {"Origin": origin}
    return client.options(path, headers=headers)


def cors(response: TestResponse) -> dict[str, str]:
    return {name: text for name, text in response.headers.items() if name.startswith(CORS_HEADERS)}


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/livez", {}),
        ("GET", "/metrics", {}),
        ("GET", "/openapi.json", {}),
        ("GET", "/v1/nothing", {}),
        ("DELETE", "/v1/rank", {}),
        ("POST", "/v1/rank", {}),
        ("POST", "/v1/rank", {"X-API-Key": "c"}),
        ("POST", FEEDBACK, {}),
        ("OPTIONS", FEEDBACK, {"Origin": OURS}),
        ("GET", "/v1/catalog", {"X-API-Key": "c"}),
        ("GET", "/v1/catalog", {"X-API-Key": "a"}),
    ],
)
def test_every_answer_carries_the_strict_headers_once(
    client: FlaskClient, method: str, path: str, headers: dict[str, str]
) -> None:
    response = client.open(path, method=method, headers=headers)
    for name, text in STRICT:
        assert response.headers.getlist(name) == [text]


def test_the_strict_headers_allow_nothing() -> None:
    strict = dict(STRICT)
    assert strict["Content-Security-Policy"].startswith("default-src 'none'; ")
    assert "frame-ancestors 'none'" in strict["Content-Security-Policy"]
    assert strict["Cross-Origin-Resource-Policy"] == "same-origin"
    assert strict["Referrer-Policy"] == "no-referrer"
    assert strict["X-Content-Type-Options"] == "nosniff"
    assert strict["Cache-Control"] == "no-store"


def test_a_page_may_have_a_policy_of_its_own(service: EdgeService) -> None:
    own = {"Content-Security-Policy": "default-src 'self'", "ETag": '"1"'}
    route = next(route for route in ROUTES if route.name == "openapi")
    app = create_app(cast("Service", service))
    dispatcher = Dispatcher(
        cast("Service", service), Authenticator.from_config(service.config), None
    )

    def page(_call: Call) -> Reply:
        return Reply(b"<p>", headers=own)

    with app.test_request_context("/page") as context:
        answer = dispatcher.endpoint(route, page)(context.request.environ, {})
    policies = [text for name, text in answer.headers if name == "Content-Security-Policy"]
    assert policies == ["default-src 'self'"]
    others = dict(STRICT).keys() - own.keys()
    assert others <= {name for name, _ in answer.headers}


def test_without_origins_no_page_is_told_anything() -> None:
    service = EdgeService(Config(auth=AuthConfig(client_keys=["c"], admin_keys=["a"])))
    client = edge_app(service).test_client()
    assert preflight(client, OURS).status_code == 405
    response = client.post(FEEDBACK, json=report(service), headers={"Origin": OURS})
    assert response.status_code == 202
    assert cors(response) == cors(preflight(client, OURS)) == {}
    assert "Vary" not in response.headers


@pytest.mark.parametrize("origin", [OURS, "http://localhost:3000"])
def test_pages_of_a_named_origin_may_send_feedback(
    client: FlaskClient, service: EdgeService, origin: str
) -> None:
    asked = preflight(client, origin)
    assert (asked.status_code, asked.data) == (204, b"")
    assert asked.headers["Vary"] == "Origin"
    assert cors(asked) == {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Methods": "POST",
        "Access-Control-Allow-Headers": "Content-Type, X-Request-Id",
        "Access-Control-Max-Age": "600",
    }
    sent = client.post(FEEDBACK, json=report(service), headers={"Origin": origin})
    assert sent.status_code == 202
    assert sent.headers["Vary"] == "Origin"
    assert cors(sent) == {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Expose-Headers": "Retry-After, X-Request-Id",
    }


def test_a_refusal_can_be_read_by_the_page_as_well(client: FlaskClient) -> None:
    refused = client.post(FEEDBACK, json={"events": []}, headers={"Origin": OURS})
    assert refused.status_code == 422
    assert refused.headers["Access-Control-Allow-Origin"] == OURS


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "",
        "null",
        OTHERS,
        OURS + "/",
        OURS.upper(),
        OURS + ".evil.example",
        OURS + ":443",
        "http://www.example.org",
        "https://example.org",
        f"{OTHERS}, {OURS}",
    ],
)
def test_other_origins_are_told_nothing(
    client: FlaskClient, service: EdgeService, origin: str | None
) -> None:
    headers = {} if origin is None else {"Origin": origin}
    for response in (
        preflight(client, origin),
        client.post(FEEDBACK, json=report(service), headers=headers),
    ):
        assert cors(response) == {}
        # A cache must not hand this answer to a page of ours, nor ours to others.
        assert response.headers["Vary"] == "Origin"


@pytest.mark.parametrize("path", ["/v1/rank", "/v1/catalog", "/v1/status", "/metrics", "/nothing"])
def test_what_needs_a_key_is_not_for_pages(client: FlaskClient, path: str) -> None:
    assert preflight(client, OURS, path).status_code in (404, 405)
    for response in (
        preflight(client, OURS, path),
        client.post(path, headers={"Origin": OURS, "X-API-Key": "c"}, json={}),
        client.get(path, headers={"Origin": OURS, "X-API-Key": "c"}),
    ):
        assert cors(response) == {}


def test_a_preflight_is_counted_as_any_call(client: FlaskClient, service: EdgeService) -> None:
    preflight(client, OURS)
    metrics = service.metrics
    assert isinstance(metrics, PrometheusMetrics)
    counted = 'marquee_requests_total{route="/v1/feedback",status="204"} 1.0'
    assert counted in metrics.exposition().decode()


@pytest.mark.parametrize(
    "origin",
    ["*", "", "null", "www.example.org", OURS + "/", OURS + "/path", "https://*.example.org",
     "https://EXAMPLE.org", "https://a b", "ftp://example.org", "https://example.org:port"],
)  # fmt: skip
def test_what_is_no_origin_is_refused_by_its_key(origin: str) -> None:
    with pytest.raises(ConfigError, match="no origin") as caught:
        parse_config({"server": {"cors_origins": [OURS, origin]}})
    assert caught.value.path == "server.cors_origins"


@pytest.mark.parametrize("origin", [OURS, "http://[::1]:8080", "http://localhost:3000"])
def test_origins_are_taken_as_browsers_write_them(origin: str) -> None:
    assert parse_config({"server": {"cors_origins": [origin]}}).server.cors_origins == [origin]


def test_pages_of_other_sites_cannot_use_a_service_that_asks_for_no_key() -> None:
    service = EdgeService()
    client = edge_app(service).test_client()
    path = "/v1/snapshots/artwork-000001/activate"
    # No body and no header of note: a browser sends such a call without asking first.
    assert client.post(path, headers={"Origin": OTHERS}).status_code == 403
    assert (
        client.post(FEEDBACK, json=report(service), headers={"Origin": OTHERS}).status_code == 403
    )
    assert service.events == []
    assert client.post(path, headers={"Origin": "http://127.0.0.1:8080"}).status_code == 200
    assert client.post(path).status_code == 200
