"""The way of every request: who calls, what is asked, the handler, the answer, the accounts.

One request gives exactly one line of log and one count, however it ends.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import structlog
from flask import Request, Response, request

from server.auth import Authenticator
from server.body import read_body
from server.codec import JSON, Encoding, RequestDecoder, encoding_of, negotiate
from server.errors import LengthRequiredError, MediaTypeError, NotAcceptableError
from server.exchange import Call, Handler, Reply
from server.http_errors import Refusal, refusal_of
from server.route_table import Route

if TYPE_CHECKING:
    from server.service import Service

log = structlog.get_logger()

_REQUEST_ID: Final = re.compile(r"\A[A-Za-z0-9_.:@/-]{1,256}\Z")
_STAGED: Final = "rank"
"""The route whose decoding and encoding are timed by themselves."""


class Dispatcher:
    """Serves the routes of one service."""

    def __init__(self, service: Service, authenticator: Authenticator) -> None:
        self._service = service
        self._authenticator = authenticator

    def view(self, route: Route, handler: Handler) -> Callable[..., Response]:
        """Return the Flask view of a route."""
        decoder: RequestDecoder[Any] | None = (
            RequestDecoder(
                route.request, depth_max=self._service.config.limits.depth_max, item=route.item
            )
            if route.request
            else None
        )

        def serve(**path: str) -> Response:
            started = perf_counter()
            request_id = _request_id(request)
            structlog.contextvars.bind_contextvars(request_id=request_id)
            reply = Reply()
            try:
                reply = self._reply(route, handler, decoder, path)
                response = self._success(route, reply)
            except Exception as error:  # noqa: BLE001 - the edge: every error becomes a problem
                response = problem_response(request, refusal_of(error))
            self._account(route.rule, response, started, request_id, reply)
            return response

        return serve

    def unrouted(self, error: Exception) -> Response:
        """Answer a request that no route matches."""
        started = perf_counter()
        response = problem_response(request, refusal_of(error))
        self._account("unmatched", response, started, _request_id(request), Reply())
        return response

    def _reply(
        self,
        route: Route,
        handler: Handler,
        decoder: RequestDecoder[Any] | None,
        path: Mapping[str, str],
    ) -> Reply:
        headers = request.headers
        role = None
        if route.access != "open":
            role = self._authenticator.role(headers.get("Authorization"), headers.get("X-API-Key"))
        if route.access in ("client", "admin"):
            self._authenticator.require(route.access, role)
        encoding, asked = JSON, None
        if decoder:
            encoding = encoding_of(headers.get("Content-Type"))
            body = read_body(request.environ, *self._bytes_max(route))
            started = perf_counter()
            asked = decoder.decode(body, encoding)
            self._stage(route, "decode", started)
        elif "HTTP_TRANSFER_ENCODING" in request.environ:
            raise LengthRequiredError("this call takes no body", hint="send it without a body")
        if route.access != "open":
            # What cannot be answered is not begun.
            negotiate(headers.get("Accept"), encoding)
        return handler(
            Call(self._service, asked, encoding, role, path, _version_of(headers.get("If-Match")))
        )

    def _bytes_max(self, route: Route) -> tuple[int, str]:
        limits = self._service.config.limits
        if route.is_catalog_body:
            return limits.catalog_bytes_max, "limits.catalog_bytes_max"
        return limits.body_bytes_max, "limits.body_bytes_max"

    def _success(self, route: Route, reply: Reply) -> Response:
        status = reply.status or route.status
        if route.plain:
            return Response(reply.answer, status, reply.headers, content_type=route.plain)
        if route.answer is None:
            return Response(status=status, headers=reply.headers)
        encoding = answer_encoding(request)
        started = perf_counter()
        body = encoding.encode(reply.answer)
        self._stage(route, "encode", started)
        return Response(body, status, reply.headers, content_type=encoding.media_type)

    def _stage(self, route: Route, stage: str, started: float) -> None:
        if route.name == _STAGED:
            self._service.metrics.observe(
                "marquee_stage_seconds", stage, value=perf_counter() - started
            )

    def _account(
        self, rule: str, response: Response, started: float, request_id: str, reply: Reply
    ) -> None:
        response.headers["X-Request-Id"] = request_id
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Content-Type-Options"] = "nosniff"
        seconds = perf_counter() - started
        metrics = self._service.metrics
        metrics.count("marquee_requests_total", rule, str(response.status_code))
        metrics.observe("marquee_request_seconds", rule, value=seconds)
        log.info(
            "request",
            route=rule,
            method=request.method,
            status=response.status_code,
            ms=round(seconds * 1e3, 2),
            request_id=request_id,
            decision_ids=list(reply.decision_ids),
        )
        structlog.contextvars.unbind_contextvars("request_id")


def answer_encoding(asked: Request) -> Encoding:
    """Return the encoding to answer in: what is accepted, else that of the body, else JSON."""
    try:
        return negotiate(asked.headers.get("Accept"), _body_encoding(asked))
    except NotAcceptableError:
        return JSON


def problem_response(asked: Request, refusal: Refusal) -> Response:
    """Build the answer that tells a problem."""
    encoding = answer_encoding(asked)
    return Response(
        encoding.encode(refusal.problem),
        refusal.problem.status,
        refusal.headers,
        content_type=encoding.problem_type,
    )


def _body_encoding(asked: Request) -> Encoding:
    try:
        return encoding_of(asked.headers.get("Content-Type"))
    except MediaTypeError:
        return JSON


def _request_id(asked: Request) -> str:
    given = asked.headers.get("X-Request-Id", "")
    return given if _REQUEST_ID.match(given) else uuid.uuid4().hex


def _version_of(if_match: str | None) -> str | None:
    """Return the version that If-Match names, None where any will do."""
    if if_match is None or if_match.strip() == "*":
        return None
    return if_match.strip().removeprefix("W/").strip('"')
