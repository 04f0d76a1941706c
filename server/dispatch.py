"""The way of every request: who calls, what is asked, the handler, the answer, the accounts.

It works on the WSGI environ and gives an :class:`Answer`, so that a call can come through either of
two doors, :mod:`server.front` and Flask's router, and is served in the same way by both. One
request gives exactly one line of log and one count, however it ends.

Why not through Flask alone: its request and response objects, contexts and signals took 120 µs of
a worker's time a request, twice what all else does around deciding and logging a small page. That
is 55 µs here: the ranker's part 25 (see :mod:`server.page_ranker`), metrics 15 (1 µs a count, 2 µs
an observation, each written through to a file that outlives the process), headers and the choice
of encodings 5, the body and its checks 5, and 5 for the line of log.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from http import HTTPStatus
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import structlog
from werkzeug.exceptions import NotFound

from server.access_log import log_request
from server.auth import Authenticator, Role
from server.body import read_body
from server.catalog_bodies import large_body
from server.codec import JSON, Encoding, RequestDecoder, encoding_of, negotiate
from server.errors import LengthRequiredError, MediaTypeError, NotAcceptableError
from server.exchange import Call, Handler, Reply
from server.http_errors import Refusal, refusal_of
from server.rate_limits import RateLimiter
from server.route_table import Access, Route
from server.strict_headers import strict_beside

if TYPE_CHECKING:
    from server.service import Service

Environ = dict[str, Any]
"""A request as WSGI has it."""

Path = Mapping[str, str]
"""The variable parts of an address."""

NO_PATH: Final[Path] = {}

_REQUEST_ID: Final = re.compile(r"\A[A-Za-z0-9_.:@/-]{1,256}\Z")
_STAGED: Final = "rank"
"""The route whose decoding and encoding are timed by themselves."""

_STATUS_LINES: Final = {each.value: f"{each.value} {each.phrase.upper()}" for each in HTTPStatus}


class Answer(NamedTuple):
    """What goes back: the status line, the headers, and the body, which may be empty."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes


class _Outcome(NamedTuple):
    """An answer before it carries what every answer carries."""

    status: int
    headers: Mapping[str, str]
    content_type: str | None
    body: bytes


Endpoint = Callable[[Environ, Path], Answer]
"""Serves one route, whichever door the call came through."""


class Dispatcher:
    """Serves the routes of one service."""

    def __init__(
        self,
        service: Service,
        authenticator: Authenticator,
        limiter: RateLimiter | None = None,
    ) -> None:
        self._service = service
        self._authenticator = authenticator
        self._limiter = limiter

    def endpoint(self, route: Route, handler: Handler) -> Endpoint:
        """Return what serves a route."""
        depth_max = self._service.config.limits.depth_max
        decoder: RequestDecoder[Any] | None = None
        if route.request:
            decoder = RequestDecoder(route.request, depth_max=depth_max, item=route.item)

        def serve(environ: Environ, path: Path) -> Answer:
            started = perf_counter()
            request_id = _request_id(environ)
            structlog.contextvars.bind_contextvars(request_id=request_id)
            reply = Reply()
            try:
                call, encoding = self._call(route, decoder, environ, path)
                reply = handler(call)
                outcome = self._success(route, reply, encoding)
            except Exception as error:  # noqa: BLE001 - the edge: every error becomes a problem
                outcome = _problem(environ, refusal_of(error))
            return self._account(route.rule, environ, outcome, started, request_id, reply)

        return serve

    def unrouted(self, environ: Environ, error: Exception) -> Answer:
        """Answer a request that no route matches."""
        started = perf_counter()
        outcome = _problem(environ, refusal_of(error))
        request_id = _request_id(environ)
        return self._account("unmatched", environ, outcome, started, request_id, Reply())

    def unknown(self, environ: Environ, _path: Path) -> Answer:
        """Answer a request to an address that nothing may serve."""
        return self.unrouted(environ, NotFound())

    def empty(self, rule: str) -> Endpoint:
        """Return what answers with nothing but the headers of every answer."""

        def serve(environ: Environ, _path: Path) -> Answer:
            started = perf_counter()
            nothing = _Outcome(HTTPStatus.NO_CONTENT, {}, None, b"")
            return self._account(rule, environ, nothing, started, _request_id(environ), Reply())

        return serve

    def _call(
        self,
        route: Route,
        decoder: RequestDecoder[Any] | None,
        environ: Environ,
        path: Path,
    ) -> tuple[Call, Encoding]:
        """Return what the handler is called with, and how its answer will be encoded."""
        role = None if route.access == "open" else self._entitled(route.access, environ)
        encoding, asked = JSON, None
        if decoder:
            encoding = encoding_of(environ.get("CONTENT_TYPE"))
            asked = self._asked(route, decoder, environ, encoding)
        elif "HTTP_TRANSFER_ENCODING" in environ:
            raise LengthRequiredError("this call takes no body", hint="send it without a body")
        if route.access == "open":
            answers_in = answer_encoding(environ)
        else:
            # What cannot be answered is not begun.
            sent_in = encoding if decoder else _sent_in(environ)
            answers_in = negotiate(environ.get("HTTP_ACCEPT"), sent_in)
        if_match = _version_of(environ.get("HTTP_IF_MATCH"))
        call = Call(self._service, asked, encoding, role, path, if_match, answers_in)
        return call, answers_in

    def _entitled(self, access: Access, environ: Environ) -> Role | None:
        """Return the caller's role, if it suffices and has not called too often."""
        caller = self._authenticator.caller(
            environ.get("HTTP_AUTHORIZATION"),
            environ.get("HTTP_X_API_KEY"),
            environ.get("HTTP_ORIGIN"),
        )
        role = None if caller is None else caller.role
        if self._limiter is not None:
            if caller is not None:
                self._limiter.admit(caller.role, caller.name)
            elif access == "feedback":
                self._limiter.admit_from(
                    environ.get("REMOTE_ADDR", ""), environ.get("HTTP_X_FORWARDED_FOR")
                )
        if access in ("client", "admin"):
            self._authenticator.require(access, role)
        return role

    def _asked(
        self, route: Route, decoder: RequestDecoder[Any], environ: Environ, encoding: Encoding
    ) -> Any:
        """Return the decoded body; a large catalog's as it comes."""
        bytes_max = self._bytes_max(route)
        if route.is_catalog_body:
            large = large_body(environ, *bytes_max, encoding)
            if large is not None:
                return large
        body = read_body(environ, *bytes_max)
        started = perf_counter()
        asked = decoder.decode(body, encoding)
        self._stage(route, "decode", started)
        return asked

    def _bytes_max(self, route: Route) -> tuple[int, str]:
        limits = self._service.config.limits
        if route.is_catalog_body:
            return limits.catalog_bytes_max, "limits.catalog_bytes_max"
        return limits.body_bytes_max, "limits.body_bytes_max"

    def _success(self, route: Route, reply: Reply, encoding: Encoding) -> _Outcome:
        status = reply.status or route.status
        if route.plain:
            media_type = reply.media_type or route.plain
            return _Outcome(status, reply.headers, media_type, reply.answer)
        if route.answer is None:
            return _Outcome(status, reply.headers, None, b"")
        started = perf_counter()
        answer = reply.answer
        body = answer if isinstance(answer, bytes) else encoding.encode(answer)
        self._stage(route, "encode", started)
        return _Outcome(status, reply.headers, encoding.media_type, body)

    def _stage(self, route: Route, stage: str, started: float) -> None:
        if route.name == _STAGED:
            self._service.metrics.observe(
                "marquee_stage_seconds", stage, value=perf_counter() - started
            )

    def _account(
        self,
        rule: str,
        environ: Environ,
        outcome: _Outcome,
        started: float,
        request_id: str,
        reply: Reply,
    ) -> Answer:
        """Finish an answer, count it, and write its line."""
        status, own, content_type, body = outcome
        headers = list(own.items())
        if content_type is not None:
            headers += [("Content-Type", content_type), ("Content-Length", str(len(body)))]
        headers += [("X-Request-Id", request_id), *strict_beside(own)]
        seconds = perf_counter() - started
        metrics = self._service.metrics
        metrics.count("marquee_requests_total", rule, str(status))
        metrics.observe("marquee_request_seconds", rule, value=seconds)
        log_request(
            rule, environ["REQUEST_METHOD"], status, seconds, request_id, reply.decision_ids
        )
        structlog.contextvars.unbind_contextvars("request_id")
        return Answer(_STATUS_LINES[status], headers, body)


def answer_encoding(environ: Environ) -> Encoding:
    """Return the encoding to answer in: what is accepted, else that of the body, else JSON."""
    try:
        return negotiate(environ.get("HTTP_ACCEPT"), _sent_in(environ))
    except NotAcceptableError:
        return JSON


def _problem(environ: Environ, refusal: Refusal) -> _Outcome:
    encoding = answer_encoding(environ)
    body = encoding.encode(refusal.problem)
    return _Outcome(refusal.problem.status, refusal.headers, encoding.problem_type, body)


def _sent_in(environ: Environ) -> Encoding:
    try:
        return encoding_of(environ.get("CONTENT_TYPE"))
    except MediaTypeError:
        return JSON


def _request_id(environ: Environ) -> str:
    given = environ.get("HTTP_X_REQUEST_ID", "")
    return given if given and _REQUEST_ID.match(given) else secrets.token_hex(16)


def _version_of(if_match: str | None) -> str | None:
    """Return the version that If-Match names, None where any will do."""
    if if_match is None or if_match.strip() == "*":
        return None
    return if_match.strip().removeprefix("W/").strip('"')
