"""Writes ``docs/http-api.md`` from the API's description: ``python -m server.api_reference``.

Everything comes from the OpenAPI document, which comes from the route table and the wire types;
this file only lays it out for reading.
"""

from __future__ import annotations

import json
from typing import Any, Final

import click
import msgspec

from bandit.types import Features
from server.openapi import Json, openapi_document
from server.route_table import ROUTES, Access, Route

_FEATURE: Final = msgspec.json.schema(Features)["additionalProperties"]

_WHO: Final[dict[Access, str]] = {
    "open": "anybody",
    "client": "any API key",
    "admin": "an admin's API key",
    "feedback": "an API key, or else a valid decision token in each event",
}

_HEAD: Final = """# HTTP API

<!-- Written by `python -m server.api_reference`; change the types in server instead. -->

The same as [openapi.json](openapi.json), which a running service gives at `/openapi.json`, laid
out for reading.

Bodies are JSON (`application/json`) or MessagePack (`application/msgpack`), by `Content-Type` and
`Accept`; both have the same fields. A body needs a `Content-Length`. An API key is sent as
`Authorization: Bearer KEY` or `X-API-Key: KEY`; a service without any configured key that listens
on a loopback address takes everybody as an admin. Errors are problem documents (RFC 9457), of the
type [Problem](#problem), and their `hint` says what to do. Every answer has an `X-Request-Id`.

| call | does | who may call |
|---|---|---|
"""

_TYPES: Final = """# Types

An *id* is 1 to 256 of the characters `A-Z a-z 0-9 _ . : @ / -`.

<a id="features"></a>
*Features* are a flat map of names, written like ids but without colons, to values: a finite number
of at most 1e9 in size, a text of at most 256 characters, or a list of numbers or of texts. Names
that were never seen before are fine.

Requests refuse unknown fields; answers may gain some.
"""


def http_reference() -> str:
    """Return the description of every route and every type in Markdown."""
    document = openapi_document()
    overview = [
        f"| [`{route.method} {path_of(route)}`](#{route.name}) | {route.summary} "
        f"| {_WHO[route.access]} |"
        for route in ROUTES
    ]
    routes = [_route(route, document) for route in ROUTES]
    types = [_type(name, schema) for name, schema in document["components"]["schemas"].items()]
    return "\n".join([_HEAD + "\n".join(overview) + "\n", *routes, _TYPES, *types])


def path_of(route: Route) -> str:
    """Return a route's address with ``{names}`` for what varies."""
    return route.rule.replace("<path:", "{").replace("<", "{").replace(">", "}")


def _route(route: Route, document: Json) -> str:
    operation: Json = document["paths"][path_of(route)][route.method.lower()]
    lines = [
        f'<a id="{route.name}"></a>',
        "",
        f"## `{route.method} {path_of(route)}`",
        "",
        route.summary,
        "",
        f"Who may call: {_WHO[route.access]}.",
        "",
    ]
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "header":
            lines += [f"Header `{parameter['name']}`: {parameter['description']}", ""]
    if "requestBody" in operation:
        lines += [f"Body: {_content(operation['requestBody'])}", ""]
    lines += ["| status | body | when |", "|---|---|---|"]
    for status, response in operation["responses"].items():
        lines.append(f"| {status} | {_content(response)} | {response['description']} |")
    return "\n".join([*lines, ""])


def _content(holder: Json) -> str:
    for media_type, content in holder.get("content", {}).items():
        return _words(content["schema"]) if "schema" in content else f"`{media_type}`"
    return "none"


def _type(name: str, schema: Json) -> str:
    required = schema.get("required", [])
    lines = [f"## {name}", "", schema.get("description", ""), "", "| field | takes | default |"]
    lines.append("|---|---|---|")
    for field, value in schema["properties"].items():
        if field in required:
            default = "required"
        elif "default" in value:
            default = f"`{json.dumps(value['default'])}`"
        else:
            default = "left out"
        lines.append(f"| `{field}` | {_words(value)} | {default} |")
    return "\n".join([*lines, ""])


def _words(schema: Json | bool) -> str:
    """Return what a schema allows, in words; true and the empty one allow anything."""
    if isinstance(schema, bool) or not schema:
        return "anything"
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return ", or ".join(_words(choice) for choice in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(f"`{json.dumps(value)}`" for value in schema["enum"])
    return _BY_TYPE[schema["type"]](schema)


def _object(schema: Json) -> str:
    value = schema.get("additionalProperties", {})
    if value == _FEATURE:
        return "[features](#features)"
    return f"map of names to ({_words(value)})"


def _array(schema: Json) -> str:
    if "prefixItems" in schema:
        return f"list of {', '.join(f'({_words(item)})' for item in schema['prefixItems'])}"
    return f"list of ({_words(schema['items'])}){_bounds(schema, 'minItems', 'maxItems')}"


def _string(schema: Json) -> str:
    if "pattern" in schema:
        return "id"
    return "text"


def _number(schema: Json) -> str:
    kind = "whole number" if schema["type"] == "integer" else "number"
    return f"{kind}{_bounds(schema, 'minimum', 'maximum')}"


def _plain(schema: Json) -> str:
    return {"boolean": "true or false", "null": "null"}[schema["type"]]


def _bounds(schema: Json, least: str, most: str) -> str:
    bounds = [
        f"{word} {_figure(schema[key])}"
        for word, key in (("at least", least), ("at most", most))
        if key in schema
    ]
    return f", {', '.join(bounds)}" if bounds else ""


def _figure(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


_BY_TYPE: Final = {
    "object": _object,
    "array": _array,
    "string": _string,
    "number": _number,
    "integer": _number,
    "boolean": _plain,
    "null": _plain,
}


if __name__ == "__main__":
    click.echo(http_reference(), nl=False)
