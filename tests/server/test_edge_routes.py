"""Every route over Flask's client: encodings, statuses, headers, problems, keys and tokens."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from bandit.config.schema import AuthConfig, Config, LimitsConfig
from server.codec import JSON, MSGPACK, Encoding
from server.wire import FeedbackAnswer, Problem, RankAnswer, RankBatchAnswer
from tests.server.edge_service import NOW_US, SNAPSHOT, VERSION, EdgeService, edge_app

PAGE = {"rows": [{"id": "noir", "titles": ["detour"]}, {"id": "silent"}], "titles": ["metropolis"]}
BOTH = pytest.mark.parametrize("encoding", [JSON, MSGPACK], ids=lambda one: one.name)


@pytest.fixture
def service() -> EdgeService:
    return EdgeService()


@pytest.fixture
def client(service: EdgeService) -> FlaskClient:
    return edge_app(service).test_client()


@pytest.fixture
def keyed() -> EdgeService:
    return EdgeService(Config(auth=AuthConfig(client_keys=["client"], admin_keys=["admin"])))


def send(
    client: FlaskClient,
    path: str,
    value: Any,
    *,
    encoding: Encoding = JSON,
    method: str = "POST",
    **headers: str,
) -> TestResponse:
    return client.open(
        path,
        method=method,
        data=encoding.encode(value),
        headers={"Content-Type": encoding.media_type}
        | {name.replace("_", "-"): text for name, text in headers.items()},
    )


def problem(response: TestResponse, status: int) -> Problem:
    assert response.status_code == status, response.data
    assert response.content_type == "application/problem+json"
    decoded = msgspec.json.decode(response.data, type=Problem)
    assert decoded.status == status
    assert decoded.hint
    assert decoded.type.startswith("urn:marquee:problem:")
    return decoded


def event(number: int = 1, **fields: Any) -> dict[str, Any]:
    return {
        "event_id": f"e{number}",
        "decision_id": "d1",
        "type": "click",
        "title": "detour",
    } | fields


def test_json_and_messagepack_answers_are_equal(client: FlaskClient) -> None:
    page = PAGE | {"decision_id": "d1"}
    answers = {}
    for sent in (JSON, MSGPACK):
        for accepted in (JSON, MSGPACK):
            response = send(client, "/v1/rank", page, encoding=sent, Accept=accepted.media_type)
            assert response.status_code == 201
            assert response.content_type == accepted.media_type
            decode = msgspec.json.decode if accepted is JSON else msgspec.msgpack.decode
            answers[sent.name, accepted.name] = decode(response.data, type=RankAnswer)
    assert len(answers) == 4
    assert all(answer == answers["json", "json"] for answer in answers.values())
    assert answers["json", "json"].rows[0].titles[0].id == "detour"


@BOTH
def test_the_answer_has_the_encoding_of_the_body(client: FlaskClient, encoding: Encoding) -> None:
    assert send(client, "/v1/rank", PAGE, encoding=encoding).content_type == encoding.media_type


def test_problems_come_in_the_accepted_encoding(client: FlaskClient) -> None:
    response = send(client, "/v1/rank", {"x": 1}, Accept="application/msgpack")
    assert response.content_type == "application/problem+msgpack"
    assert msgspec.msgpack.decode(response.data, type=Problem).status == 422
    assert problem(send(client, "/v1/rank", PAGE, Accept="text/html"), 406)


def test_every_answer_carries_the_headers(client: FlaskClient) -> None:
    for response in (client.get("/livez"), client.get("/nowhere"), send(client, "/v1/rank", 1)):
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["X-Request-Id"]
        assert "Access-Control-Allow-Origin" not in response.headers


def test_a_lawful_request_id_is_kept_and_any_other_replaced(client: FlaskClient) -> None:
    kept = client.get("/livez", headers={"X-Request-Id": "abc-1"}).headers["X-Request-Id"]
    assert kept == "abc-1"
    for wrong in ("a b", "x" * 300, '"'):
        given = client.get("/livez", headers={"X-Request-Id": wrong}).headers["X-Request-Id"]
        assert given != wrong
        assert len(given) == 32


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_unknown_encodings_are_refused(client: FlaskClient, content_type: str) -> None:
    response = client.post("/v1/rank", data=b"{}", headers={"Content-Type": content_type})
    assert "Content-Type" in problem(response, 415).hint


def test_addresses_and_methods_that_are_not_ours(client: FlaskClient) -> None:
    assert "openapi" in problem(client.get("/v1/nothing"), 404).hint
    response = client.get("/v1/rank")
    problem(response, 405)
    assert response.headers["Allow"] == "POST"
    problem(client.options("/v1/rank"), 405)


def test_a_taken_decision_id_conflicts(client: FlaskClient) -> None:
    assert send(client, "/v1/rank", PAGE | {"decision_id": "d"}).status_code == 201
    assert send(client, "/v1/rank", PAGE | {"decision_id": "d"}).status_code == 201
    problem(send(client, "/v1/rank", {"titles": ["x"], "decision_id": "d"}), 409)


def test_an_unexpected_error_tells_nothing_of_its_inside(client: FlaskClient) -> None:
    response = send(client, "/v1/rank", PAGE | {"decision_id": "crash"})
    problem(response, 500)
    assert b"secret" not in response.data
    assert b"ZeroDivision" not in response.data


def test_too_many_rows_and_titles_name_the_limit() -> None:
    limits = LimitsConfig(rows_max=2, titles_max=3, batch_pages_max=2, feedback_events_max=2)
    client = edge_app(EdgeService(Config(limits=limits))).test_client()
    rows = problem(send(client, "/v1/rank", {"rows": [{"id": str(n)} for n in range(3)]}), 422)
    assert (rows.field, "limits.rows_max" in rows.hint) == ("rows", True)
    page = {"rows": [{"id": "r", "titles": ["a", "b"]}], "titles": ["c", "d"]}
    assert "limits.titles_max" in problem(send(client, "/v1/rank", page), 422).hint
    batch = problem(send(client, "/v1/rank/batch", {"pages": [PAGE] * 3}), 422)
    assert "limits.batch_pages_max" in batch.hint
    events = {"events": [event(n) for n in range(3)]}
    assert "limits.feedback_events_max" in problem(send(client, "/v1/feedback", events), 422).hint


def test_bodies_above_the_limit_are_refused_and_the_catalog_has_its_own() -> None:
    limits = LimitsConfig(body_bytes_max=100, catalog_bytes_max=2000)
    client = edge_app(EdgeService(Config(limits=limits))).test_client()
    value = {"titles": [{"id": "t" * 200, "artworks": [{"id": "a"}]}]}
    assert "limits.body_bytes_max" in problem(send(client, "/v1/rank", value), 413).hint
    assert send(client, "/v1/catalog", value, method="PUT").status_code == 200
    wide = {"titles": value["titles"] * 20}
    refused = problem(send(client, "/v1/catalog", wide, method="PUT"), 413)
    assert "limits.catalog_bytes_max" in refused.hint


@BOTH
def test_each_page_of_a_batch_is_judged_by_itself(client: FlaskClient, encoding: Encoding) -> None:
    pages = [PAGE, {"rows": "no"}, PAGE | {"decision_id": "crash"}, {}, PAGE]
    response = send(client, "/v1/rank/batch", {"pages": pages}, encoding=encoding)
    assert response.status_code == 200
    decode = msgspec.json.decode if encoding is JSON else msgspec.msgpack.decode
    items = decode(response.data, type=RankBatchAnswer).pages
    statuses = [201 if item.decision else item.problem and item.problem.status for item in items]
    assert statuses == [201, 422, 500, 422, 201]
    assert all((item.decision is None) != (item.problem is None) for item in items)


@BOTH
def test_feedback_is_judged_event_by_event(
    client: FlaskClient, service: EdgeService, encoding: Encoding
) -> None:
    events = [event(1), event(1), event(2, type="stare"), event(3, seconds=-1), event(4, x=1)]
    response = send(client, "/v1/feedback", {"events": events}, encoding=encoding)
    assert response.status_code == 202
    decode = msgspec.json.decode if encoding is JSON else msgspec.msgpack.decode
    answer = decode(response.data, type=FeedbackAnswer)
    assert (answer.accepted, answer.duplicates) == (1, 1)
    assert [(one.index, one.code) for one in answer.rejected] == [
        (2, "invalid"), (3, "invalid"), (4, "invalid"),
    ]  # fmt: skip
    assert "type" in answer.rejected[0].detail
    assert "seconds" in answer.rejected[1].detail
    assert all(one.hint for one in answer.rejected)
    assert [one.event_id for one in service.events] == ["e1"]


def test_feedback_that_cannot_be_stored_may_come_again(
    client: FlaskClient, service: EdgeService
) -> None:
    service.full = True
    response = send(client, "/v1/feedback", {"events": [event()]})
    problem(response, 503)
    assert response.headers["Retry-After"] == "1"


def test_activation(client: FlaskClient, service: EdgeService) -> None:
    for decision_id in ("d1", "a/b", "a//b"):
        response = client.post(f"/v1/decisions/{decision_id}/activate")
        assert (response.status_code, response.data) == (204, b"")
    assert service.activated == ["d1", "a/b", "a//b"]
    problem(client.post("/v1/decisions/a%20b/activate"), 422)
    problem(client.post(f"/v1/decisions/{'x' * 257}/activate"), 422)


def test_the_catalog_is_versioned(client: FlaskClient, service: EdgeService) -> None:
    document = {"titles": [{"id": "t", "artworks": [{"id": "a"}]}], "rows": [{"id": "r"}]}
    put = send(client, "/v1/catalog", document, method="PUT", If_Match=f'"{VERSION}"')
    assert (put.status_code, put.headers["ETag"]) == (200, f'"{VERSION}"')
    assert msgspec.json.decode(put.data)["titles"] == 1
    got = client.get("/v1/catalog", headers={"Accept": "application/msgpack"})
    assert msgspec.msgpack.decode(got.data)["titles"][0]["id"] == "t"
    assert got.headers["ETag"] == f'"{VERSION}"'
    patch = {"titles": document["titles"]}
    for method, value in (("PUT", document), ("PATCH", patch)):
        stale = send(client, "/v1/catalog", value, method=method, If_Match='"c1111111111111111"')
        problem(stale, 412)
        any_version = send(client, "/v1/catalog", value, method=method, If_Match="*")
        assert any_version.status_code == 200


def test_snapshots(client: FlaskClient) -> None:
    listed = msgspec.json.decode(client.get("/v1/snapshots").data)
    assert listed == {"snapshots": [msgspec.to_builtins(SNAPSHOT)]}
    activated = client.post(f"/v1/snapshots/{SNAPSHOT.version}/activate")
    assert activated.status_code == 200
    problem(client.post("/v1/snapshots/other/activate"), 404)


def test_status_and_health(client: FlaskClient, service: EdgeService) -> None:
    assert client.get("/v1/status").json == {"events_learned": 3}
    assert client.get("/livez").json == {"status": "ok", "reasons": []}
    assert client.get("/readyz").status_code == 200
    service.reasons = ["the server is stopping"]
    response = client.get("/readyz", headers={"Accept": "text/html"})
    assert (response.status_code, response.json) == (
        503,
        {"status": "not ready", "reasons": ["the server is stopping"]},
    )
    assert client.get("/livez").status_code == 200


def test_requests_are_counted_by_route(client: FlaskClient) -> None:
    send(client, "/v1/rank", PAGE)
    client.get("/nowhere")
    client.post("/v1/decisions/d1/activate")
    send(client, "/v1/feedback", {"events": [event(type="stare")]})
    response = client.get("/metrics")
    assert response.content_type.startswith("text/plain; version=0.0.4")
    for line in (
        'marquee_requests_total{route="/v1/rank",status="201"} 1.0',
        'marquee_requests_total{route="unmatched",status="404"} 1.0',
        'marquee_request_seconds_count{route="/v1/decisions/<path:decision_id>/activate"} 1.0',
        'marquee_request_seconds_count{route="/v1/rank"} 1.0',
        'marquee_stage_seconds_count{stage="decode"} 1.0',
        'marquee_stage_seconds_count{stage="encode"} 1.0',
        'marquee_feedback_total{result="rejected"} 1.0',
    ):
        assert line in response.text.splitlines()


ADMIN_CALLS = [
    ("GET", "/v1/catalog"),
    ("PUT", "/v1/catalog"),
    ("PATCH", "/v1/catalog"),
    ("POST", "/v1/snapshots/x/activate"),
]
CLIENT_CALLS = [("POST", "/v1/rank"), ("POST", "/v1/rank/batch"), ("GET", "/v1/status")]


@pytest.mark.parametrize(("method", "path"), ADMIN_CALLS)
def test_admin_calls_need_an_admin(keyed: EdgeService, method: str, path: str) -> None:
    client = edge_app(keyed).test_client()
    problem(send(client, path, {}, method=method, X_API_Key="client"), 403)
    assert send(client, path, {}, method=method, X_API_Key="admin").status_code not in (401, 403)


@pytest.mark.parametrize(("method", "path"), [*ADMIN_CALLS, *CLIENT_CALLS])
def test_calls_need_a_key(keyed: EdgeService, method: str, path: str) -> None:
    client = edge_app(keyed).test_client()
    given: list[dict[str, str]] = [{}, {"X-API-Key": "wrong"}, {"Authorization": "Basic client"}]
    for headers in given:
        response = client.open(path, method=method, json={}, headers=headers)
        problem(response, 401)
        assert response.headers["WWW-Authenticate"].startswith("Bearer")


def test_probes_need_no_key(keyed: EdgeService) -> None:
    client = edge_app(keyed).test_client()
    for path in ("/livez", "/readyz", "/metrics", "/openapi.json"):
        assert client.get(path).status_code == 200


def test_without_a_key_each_event_needs_its_token(keyed: EdgeService) -> None:
    client = edge_app(keyed).test_client()
    token = keyed.tokens.sign("d1", NOW_US)
    old = keyed.tokens.sign("d1", NOW_US - 3600_000_000)
    events = [
        event(1, token=token),
        event(2),
        event(3, token=token, decision_id="d2"),
        event(4, token=old),
        event(5, token="x" * 3000),
        event(6, token=token),
    ]
    answer = msgspec.json.decode(
        send(client, "/v1/feedback", {"events": events}).data, type=FeedbackAnswer
    )
    assert answer.accepted == 2
    assert [(one.index, one.code) for one in answer.rejected] == [
        (1, "token_missing"),
        (2, "token_invalid"),
        (3, "token_expired"),
        (4, "token_too_large"),
    ]
    assert [one.event_id for one in keyed.events] == ["e1", "e6"]


@pytest.mark.parametrize(
    ("events", "status"),
    [
        ([event()], 401),
        ([event(token="forged")], 401),
        ([event(token="x" * 3000)], 413),
        ([event(token="forged"), event(2, type="stare")], 401),
        ([event(type="stare")], 401),
    ],
)
def test_without_any_valid_token_the_request_is_refused(
    keyed: EdgeService, events: list[dict[str, Any]], status: int
) -> None:
    client = edge_app(keyed).test_client()
    problem(send(client, "/v1/feedback", {"events": events}), status)
    assert keyed.events == []


def test_with_a_key_tokens_are_checked_only_where_given(keyed: EdgeService) -> None:
    client = edge_app(keyed).test_client()
    events = {"events": [event(1), event(2, token="forged")]}
    answer = msgspec.json.decode(
        send(client, "/v1/feedback", events, X_API_Key="client").data, type=FeedbackAnswer
    )
    assert answer.accepted == 1
    assert [one.code for one in answer.rejected] == ["token_invalid"]


def test_feedback_may_be_made_to_need_a_key() -> None:
    auth = AuthConfig(client_keys=["client"], feedback_needs="key")
    service = EdgeService(Config(auth=auth))
    client = edge_app(service).test_client()
    tokened = {"events": [event(token=service.tokens.sign("d1", NOW_US))]}
    problem(send(client, "/v1/feedback", tokened), 401)
    assert send(client, "/v1/feedback", tokened, X_API_Key="client").status_code == 202


@pytest.mark.parametrize("wrong", ["a%0Ab", "%0A", "a%00", "..%2F%0D%0A..", "%F0%9F%8E%AC", "%FF"])
@pytest.mark.parametrize("path", ["/v1/decisions/{}/activate", "/v1/snapshots/{}/activate"])
def test_an_address_with_what_is_no_id_is_refused_as_such(path: str, wrong: str) -> None:
    response = edge_app(EdgeService()).test_client().post(path.format(wrong))
    assert response.status_code == 422
