"""The API's description: valid, complete, true to the routes, with examples that decode."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from flask.testing import FlaskClient
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from server.openapi import openapi_document, openapi_json
from server.openapi_examples import EXAMPLES
from server.route_table import ROUTES
from server.wire import FeedbackEvent, Problem, RankRequest
from tests.server.edge_service import EdgeService, edge_app

TYPES: dict[str, Any] = {
    kind.__name__: kind for route in ROUTES for kind in (route.request, route.answer) if kind
} | {"Problem": Problem}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return openapi_document()


@pytest.fixture
def client() -> FlaskClient:
    return edge_app(EdgeService()).test_client()


def test_the_document_is_valid(document: dict[str, Any]) -> None:
    OpenAPIV31SpecValidator(document).validate()


def test_it_is_served_as_it_is_printed(client: FlaskClient) -> None:
    response = client.get("/openapi.json")
    assert response.content_type == "application/json"
    assert response.data == openapi_json()
    assert msgspec.json.decode(response.data) == msgspec.json.decode(
        msgspec.json.encode(openapi_document())
    )


def test_every_address_is_described_and_the_other_way_round(document: dict[str, Any]) -> None:
    served = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in edge_app(EdgeService()).url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD"}
    }
    described = {(path, method) for path, calls in document["paths"].items() for method in calls}
    assert served == described


def test_both_encodings_stand_wherever_there_is_a_typed_body(document: dict[str, Any]) -> None:
    rank = document["paths"]["/v1/rank"]["post"]
    for content in (rank["requestBody"]["content"], rank["responses"]["201"]["content"]):
        assert set(content) == {"application/json", "application/msgpack"}
    assert set(rank["responses"]["422"]["content"]) == {
        "application/problem+json",
        "application/problem+msgpack",
    }


def test_batches_tell_what_their_items_are(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for name, field, item in (
        ("FeedbackRequest", "events", FeedbackEvent),
        ("RankBatchRequest", "pages", RankRequest),
    ):
        reference = schemas[name]["properties"][field]["items"]["$ref"]
        assert reference == f"#/components/schemas/{item.__name__}"
        assert item.__name__ in schemas


def test_patterns_are_in_the_dialect_of_json_schema(document: dict[str, Any]) -> None:
    text = msgspec.json.encode(document).decode()
    assert r"\\A" not in text
    assert r"\\Z" not in text
    assert '"pattern":"^[A-Za-z0-9_.:@/-]{1,256}$"' in text


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_fit_their_types_and_schemas(document: dict[str, Any], name: str) -> None:
    msgspec.json.decode(msgspec.json.encode(EXAMPLES[name]), type=TYPES[name])
    schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    OAS31Validator(schema).validate(EXAMPLES[name])


@pytest.mark.parametrize("name", ["RankRequest", "RankBatchRequest", "FeedbackRequest"])
def test_the_examples_of_requests_work(client: FlaskClient, name: str) -> None:
    (route,) = [route for route in ROUTES if route.request and route.request.__name__ == name]
    response = client.post(route.rule, json=EXAMPLES[name])
    assert response.status_code == route.status
    schemas = openapi_document()["components"]
    assert route.answer
    schema = {"$ref": f"#/components/schemas/{route.answer.__name__}", "components": schemas}
    OAS31Validator(schema).validate(response.json)


def test_a_schema_refuses_what_the_service_refuses(
    document: dict[str, Any], client: FlaskClient
) -> None:
    components = document["components"]
    schema = {"$ref": "#/components/schemas/RankRequest", "components": components}
    validator = OAS31Validator(schema)
    refused: list[Any] = [
        {"rows": [{"id": "a b"}]},
        {"titles": ["a b"]},
        {"titles": [""]},
        {"contxt": {}},
        {"context": {"a:b": 1}},
    ]
    for wrong in refused:
        assert not validator.is_valid(wrong)
        assert client.post("/v1/rank", json=wrong).status_code == 422
