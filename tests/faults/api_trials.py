"""Trying every route of the API with what its description allows, and with what it does not.

Requests are made by schemathesis from the OpenAPI document, valid and invalid ones, in both
encodings; each answer is held against the same document: no failure of the server, no status,
content type, header or body that is not described.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

import msgspec
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import APIOperation, Case, GenerationMode, Response
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

AnyOperation = APIOperation[Any, Any, Any, Any]
AnyCase = Case[Any]
Role = Literal["nobody", "client", "admin"]
ROLES: Final[tuple[Role, ...]] = ("nobody", "client", "admin")
MEDIA_TYPES: Final = ("application/json", "application/msgpack")
CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
WAIT_S: Final = 60.0


class Trial(NamedTuple):
    """One route tried as one caller in one encoding."""

    operation: Any
    role: Role
    media_type: str

    def __str__(self) -> str:
        """Return a name for it."""
        return f"{self.operation.label} as {self.role} in {self.media_type}"


@schemathesis.serializer("application/msgpack")
def _to_msgpack(_context: object, value: Any) -> Any:
    """Encode a body; what MessagePack has no word for goes as it is in JSON's place."""
    try:
        return msgspec.msgpack.encode(value)
    except (OverflowError, TypeError, UnicodeEncodeError):
        return b"\xc1"


@schemathesis.deserializer("application/msgpack", "application/problem+msgpack")
def _from_msgpack(_context: object, response: Response) -> Any:
    return msgspec.msgpack.decode(response.content)


def trials_of(document: Mapping[str, Any]) -> list[Trial]:
    """Return all routes of a document, as every caller, in both encodings."""
    schema = schemathesis.openapi.from_dict(_without_security(document))
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    return [
        Trial(operation, role, media_type)
        for operation in operations
        for role in ROLES
        for media_type in MEDIA_TYPES
    ]


def _without_security(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document without keys, lest they are made up: who calls is up to the trial."""
    open_to_all: dict[str, Any] = copy.deepcopy(dict(document))
    for methods in open_to_all["paths"].values():
        for operation in methods.values():
            operation.pop("security", None)
    del open_to_all["components"]["securitySchemes"]
    return open_to_all


def is_needed_role(trial: Trial) -> bool:
    """Tell whether the trial's caller is the one with just the rights that the route asks for."""
    return trial.role == ("admin" if _needs_admin(trial) else "client")


def _needs_admin(trial: Trial) -> bool:
    return "admin" in str(trial.operation.definition.raw.get("description", ""))


def try_route(
    trial: Trial, url: str, keys: Mapping[Role, str], examples: int, seed_number: int
) -> Counter[int]:
    """Send so many valid and so many invalid requests; return how they were answered.

    Raises:
        AssertionError: an answer is not as the document says, or the rights are not kept.
    """
    statuses: Counter[int] = Counter()
    operation: AnyOperation = trial.operation
    needs_admin = _needs_admin(trial)
    key = keys.get(trial.role)
    headers = {"Accept": trial.media_type, **({"X-API-Key": key} if key else {})}

    def send(case: AnyCase) -> None:
        response = case.call(base_url=url, headers=headers, timeout=WAIT_S)
        statuses[response.status_code] += 1
        case.validate_response(response, checks=CHECKS)
        if needs_admin and trial.role != "admin":
            expected = 403 if trial.role == "client" else 401
            assert response.status_code == expected, f"{trial}: {response.status_code}"

    for mode in _modes(operation):
        bounded = settings(
            max_examples=examples,
            deadline=None,
            database=None,
            phases=(Phase.explicit, Phase.generate),
            suppress_health_check=list(HealthCheck),
        )
        has_body = bool(operation.body)
        media_type = trial.media_type if has_body else None
        cases = operation.as_strategy(generation_mode=mode, media_type=media_type)
        seed(seed_number)(bounded(given(case=cases)(_named(send))))()
    return statuses


def _modes(operation: AnyOperation) -> Sequence[GenerationMode]:
    """Return the ways of making requests; what has neither body nor parameters has no wrong one."""
    if operation.body or operation.path_parameters:
        return (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    return (GenerationMode.POSITIVE,)


def _named(send: Any) -> Any:
    def route(case: AnyCase) -> None:
        send(case)

    return route
