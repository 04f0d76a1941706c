"""OpenAPI 3.1, generated from the route table and the wire types, so that neither can drift.

Why patterns are rewritten: Python anchors a pattern by ``\\A`` and ``\\Z``, where JSON Schema's
dialect (ECMA-262) knows only ``^`` and ``$``.
"""

from __future__ import annotations

import inspect
import re
from functools import cache
from typing import Any, Final

import msgspec

from server.codec import JSON, MSGPACK
from server.openapi_examples import EXAMPLES
from server.route_table import ROUTES, Access, Route
from server.wire import Problem

Json = dict[str, Any]

API_VERSION: Final = "1"

_VARIABLE: Final = re.compile(r"<(?:\w+:)?(\w+)>")
_REF: Final = "#/components/schemas/{name}"
_ID_PATTERN: Final = "^[A-Za-z0-9_.:@/-]{1,256}$"

_DESCRIPTION: Final = (
    "Marquee decides which artwork each title of a homepage shows and in what order its rows "
    "stand, and learns from what viewers do. Bodies are JSON or MessagePack, by Content-Type and "
    "Accept; map keys are strings in both. Errors are problem documents (RFC 9457) with a hint "
    "that says what to do. Bodies need a Content-Length."
)

_REFUSED: Final[dict[int, str]] = {
    400: "The body is not well-formed, or its length is wrong.",
    401: "There is no API key, or it is unknown; for feedback, no valid token either.",
    403: "The key is not an admin's.",
    404: "There is no such thing.",
    406: "None of the accepted encodings is on offer.",
    409: "The decision id was used before with another body.",
    411: "The body's length was not announced.",
    412: "If-Match names another version than the current one.",
    413: "The body, or a token in it, is larger than allowed.",
    415: "The body's encoding is unknown.",
    422: "The request is well-formed and wrong; `field` and `hint` say where and what to do.",
    429: "The caller calls too often (rate_limits); Retry-After says when to try again.",
    500: "The server failed; quote the X-Request-Id.",
    503: "Not now; Retry-After says when to try again.",
}

_SECURITY: Final[dict[Access, list[Json]]] = {
    "open": [],
    "client": [{"bearer": []}, {"apiKey": []}],
    "admin": [{"bearer": []}, {"apiKey": []}],
    "feedback": [{"bearer": []}, {"apiKey": []}, {}],
}


@cache
def openapi_json() -> bytes:
    """Return the document as it is served and kept in ``docs/openapi.json``."""
    encoded = msgspec.json.Encoder(order="sorted").encode(openapi_document())
    return msgspec.json.format(encoded, indent=2) + b"\n"


def openapi_document() -> Json:
    """Return the whole description of the API."""
    paths: dict[str, Json] = {}
    for route in ROUTES:
        path = _VARIABLE.sub(r"{\1}", route.rule)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Marquee",
            "version": API_VERSION,
            "description": _DESCRIPTION,
            "license": {"name": "BSD-3-Clause", "identifier": "BSD-3-Clause"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
    }


def _operation(route: Route) -> Json:
    operation: Json = {
        "operationId": route.name,
        "summary": route.summary,
        "security": _SECURITY[route.access],
        "responses": _responses(route),
    }
    if route.access == "admin":
        operation["description"] = "Needs an admin's key."
    parameters = _parameters(route)
    if parameters:
        operation["parameters"] = parameters
    if route.request:
        operation["requestBody"] = {
            "required": True,
            "content": _content(route.request, (JSON.media_type, MSGPACK.media_type)),
        }
    return operation


def _parameters(route: Route) -> list[Json]:
    parameters: list[Json] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "pattern": _ID_PATTERN},
        }
        for name in _VARIABLE.findall(route.rule)
    ]
    if route.is_versioned and route.request:
        parameters.append(
            {
                "name": "If-Match",
                "in": "header",
                "required": False,
                "description": "Make the change only if this version is the current one.",
                "schema": {"type": "string"},
            }
        )
    return parameters


def _responses(route: Route) -> Json:
    success: Json = {"description": "Done."}
    if route.plain:
        success["content"] = {route.plain.partition(";")[0]: {}}
    elif route.answer:
        success["content"] = _content(route.answer, (JSON.media_type, MSGPACK.media_type))
    if route.is_versioned:
        success["headers"] = {
            "ETag": {"description": "The catalog's version.", "schema": {"type": "string"}}
        }
    responses = {str(route.status): success}
    for status in sorted(_refusals(route)):
        responses[str(status)] = {
            "description": _REFUSED[status],
            "content": _content(Problem, (JSON.problem_type, MSGPACK.problem_type)),
        }
    if route.name == "readyz":
        # A probe is told the reasons in the answer's own type.
        responses["503"] = {"description": "Not ready.", "content": success["content"]}
    return responses


def _refusals(route: Route) -> set[int]:
    statuses = {500, *route.refusals}
    if route.access != "open":
        statuses |= {401, 406, 429}
    if route.access == "admin":
        statuses.add(403)
    if route.method != "GET":
        statuses.add(411)
    if route.request:
        statuses |= {400, 413, 415, 422}
    if _VARIABLE.search(route.rule):
        statuses.add(422)
    return statuses


def _content(body_type: type, media_types: tuple[str, ...]) -> Json:
    schema = {"$ref": _REF.format(name=body_type.__name__)}
    first: Json = {"schema": schema}
    if body_type.__name__ in EXAMPLES:
        first["example"] = EXAMPLES[body_type.__name__]
    return {
        name: first if index == 0 else {"schema": schema} for index, name in enumerate(media_types)
    }


def _schemas() -> dict[str, Json]:
    types = {kind for route in ROUTES for kind in (route.request, route.item, route.answer) if kind}
    ordered = sorted([*types, Problem], key=lambda kind: kind.__name__)
    _, components = msgspec.json.schema_components(ordered, ref_template=_REF)
    for route in ROUTES:
        if route.request and route.item:
            _describe_items(components[route.request.__name__], route.item)
    tidied: dict[str, Json] = _tidied(components)
    return tidied


def _describe_items(schema: Json, item: type) -> None:
    """Fill in what a request's one list holds, which its type keeps undecoded."""
    (items,) = schema["properties"].values()
    items["items"] = {"$ref": _REF.format(name=item.__name__)}


def _tidied(node: Any) -> Any:
    """Return the schema with portable patterns and descriptions in one paragraph style."""
    if isinstance(node, list):
        return [_tidied(member) for member in node]
    if not isinstance(node, dict):
        return node
    tidy = {key: _tidied(value) for key, value in node.items()}
    if isinstance(tidy.get("pattern"), str):
        tidy["pattern"] = re.sub(r"\A\\A(.*)\\Z\Z", r"^\1$", tidy["pattern"])
    if isinstance(tidy.get("description"), str):
        tidy["description"] = inspect.cleandoc(tidy["description"]).replace("``", "`")
    return tidy
