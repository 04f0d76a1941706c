"""From errors to HTTP: one table, and the problem documents (RFC 9457) built from it.

The table is looked up by class, the nearest base first. An error that is not in it is a fault of
ours: it is logged with its traceback and answered 500 with nothing of its inside.
"""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import Final, NamedTuple

import structlog
from werkzeug.exceptions import HTTPException

from bandit import errors as core
from server import errors as edge
from server.wire import Problem

log = structlog.get_logger()

PROBLEM_NAMESPACE: Final = "urn:marquee:problem:"
"""Every problem's ``type`` starts with this and ends with the name in the table."""

_REPORT: Final = "try again; if it stays, quote the X-Request-Id of this answer to the operators"


class Meaning(NamedTuple):
    """What an error is to HTTP."""

    status: int
    name: str
    title: str


MEANINGS: Final[dict[type[Exception], Meaning]] = {
    edge.BodySyntaxError: Meaning(400, "body-syntax", "The body is not well-formed"),
    edge.BodyLengthError: Meaning(400, "body-length", "The body's length is wrong"),
    edge.UnauthenticatedError: Meaning(401, "unauthenticated", "An API key is needed"),
    edge.TokenError: Meaning(401, "token", "The decision token is refused"),
    edge.ForbiddenError: Meaning(403, "forbidden", "The key may not do this"),
    core.SnapshotError: Meaning(404, "snapshot", "The snapshot is not to be had"),
    edge.NoSuchPageError: Meaning(404, "page", "There is no such page"),
    edge.NoSuchDecisionError: Meaning(404, "decision", "There is no such decision"),
    edge.NotAcceptableError: Meaning(406, "not-acceptable", "No acceptable encoding"),
    core.DecisionConflictError: Meaning(409, "decision-conflict", "The decision id is taken"),
    core.ChallengerError: Meaning(409, "challenger", "The challenger cannot be moved"),
    edge.LengthRequiredError: Meaning(411, "length-required", "The body's length is needed"),
    core.CatalogConflictError: Meaning(412, "catalog-conflict", "The catalog has changed"),
    edge.BodyTooLargeError: Meaning(413, "body-too-large", "The body is too large"),
    edge.MediaTypeError: Meaning(415, "media-type", "The body's encoding is unknown"),
    edge.TooManyError: Meaning(422, "too-many", "A list is too long"),
    edge.BodyInvalidError: Meaning(422, "body-invalid", "The body is not valid"),
    core.PageError: Meaning(422, "page-invalid", "The page cannot be decided"),
    core.UnknownItemError: Meaning(422, "unknown-item", "The page names an unknown item"),
    core.CatalogError: Meaning(422, "catalog-invalid", "The catalog is not valid"),
    edge.RateLimitedError: Meaning(429, "rate-limited", "Too many calls"),
    core.LogUnavailableError: Meaning(503, "log-unavailable", "The event log is not available"),
    core.LogDamagedError: Meaning(503, "log-damaged", "A part of the event log is damaged"),
    core.SnapshotUnavailableError: Meaning(
        503, "snapshots-unavailable", "The snapshots are not available"
    ),
    edge.StateUnavailableError: Meaning(503, "state-unavailable", "The state is not available"),
    edge.NoSuchFiguresError: Meaning(404, "no-such-figures", "The title is not counted singly"),
    edge.ExplainerBusyError: Meaning(503, "explainer-busy", "Another explanation is being made"),
}

INTERNAL: Final = Meaning(500, "internal", "The server failed")


class Refusal(NamedTuple):
    """A problem and the headers that its status asks for."""

    problem: Problem
    headers: dict[str, str]


def meaning_of(error: Exception) -> Meaning:
    """Return an error's place in the table, :data:`INTERNAL` if it has none."""
    if isinstance(error, edge.TokenError) and error.code == "token_too_large":
        return Meaning(413, "token-too-large", "The decision token is too long")
    for cls in type(error).__mro__:
        found = MEANINGS.get(cls)
        if found is not None:
            return found
    return INTERNAL


def refusal_of(error: Exception) -> Refusal:
    """Turn any error into the problem that the client is told; log those that are our fault."""
    if isinstance(error, HTTPException):
        return _routing_refusal(error)
    meaning = meaning_of(error)
    if meaning is INTERNAL or not isinstance(error, core.MarqueeError):
        log.error("request failed", exc_info=error)
        return Refusal(_problem(INTERNAL, "the request could not be served", _REPORT), {})
    problem = _problem(meaning, error.message, error.hint or _REPORT, _field_of(error))
    if isinstance(error, edge.RateLimitedError):
        return Refusal(problem, _headers_of_limit(error))
    return Refusal(problem, _headers_for(meaning.status))


def _routing_refusal(error: HTTPException) -> Refusal:
    status = error.code or 500
    allowed: list[str] = sorted(getattr(error, "valid_methods", None) or [])
    headers = {"Allow": ", ".join(allowed)} if allowed else {}
    title = HTTPStatus(status).phrase
    name = title.lower().replace(" ", "-")
    detail = f"{title.lower()} at this address"
    hint = "GET /openapi.json lists all addresses and methods"
    return Refusal(_problem(Meaning(status, name, title), detail, hint), headers)


def _problem(meaning: Meaning, detail: str, hint: str, field: str | None = None) -> Problem:
    return Problem(
        type=PROBLEM_NAMESPACE + meaning.name,
        title=meaning.title,
        status=meaning.status,
        detail=detail,
        hint=hint,
        field=field,
    )


def _field_of(error: core.MarqueeError) -> str | None:
    if isinstance(error, edge.RequestError | core.PageError):
        return error.field
    if isinstance(error, core.CatalogError):
        return error.place or None
    return None


def _headers_for(status: int) -> dict[str, str]:
    if status == HTTPStatus.UNAUTHORIZED:
        return {"WWW-Authenticate": 'Bearer realm="marquee"'}
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return {"Retry-After": "1"}
    return {}


def _headers_of_limit(error: edge.RateLimitedError) -> dict[str, str]:
    """Return Retry-After, and the fields of the draft that the IETF has for the rest.

    Why on refusals alone: what is left is never known exactly before, as each process counts for
    itself between two exchanges.
    """
    wait_s = max(1, math.ceil(error.wait_s))
    return {
        "Retry-After": str(wait_s),
        "RateLimit-Policy": f'"{error.name}";q={error.most};w={error.length_s}',
        "RateLimit": f'"{error.name}";r=0;t={wait_s}',
    }
