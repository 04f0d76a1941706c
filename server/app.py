"""The Flask application: the route table bound to a service, with the front door before it.

With ``server.admin_port`` there are two sets of routes: what is for admins alone, and the metrics,
are known to requests of that port only, and anywhere else are as unknown as any other address,
whatever the method. Everything else is served on both, so that whoever operates the service needs
one address. The port is that of the socket which the connection came in by, as the HTTP server
tells it in ``SERVER_PORT``: nothing that a client sends has a part in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from flask import Flask, Response, request
from flask.typing import RouteCallable
from werkzeug.exceptions import HTTPException
from werkzeug.routing import PathConverter

from server.auth import Authenticator
from server.cors import BROWSERS_CALL, CrossOrigin
from server.dispatch import Answer, Dispatcher, Endpoint
from server.front import ByPort, Front
from server.rate_limits import RateLimiter
from server.route_table import ROUTES, Route
from server.routes import handlers

if TYPE_CHECKING:
    from server.service import Service


class _IdConverter(PathConverter):
    """The variable part of an address, whatever it holds: what is no id is refused as such."""

    part_isolating = False
    regex = r"[\s\S]+?"


def create_app(
    service: Service,
    *,
    authenticator: Authenticator | None = None,
    limiter: RateLimiter | None = None,
) -> Flask:
    """Build the application of one worker.

    Without an ``authenticator`` the keys are read as the service's configuration says; without a
    ``limiter`` everybody may call as often as they like.

    Raises:
        ConfigError: no key is configured where one is needed.
    """
    config = service.config
    dispatcher = Dispatcher(service, authenticator or Authenticator.from_config(config), limiter)
    by_name = handlers(config.limits.depth_max)
    endpoints = {route.name: dispatcher.endpoint(route, by_name[route.name]) for route in ROUTES}
    hot: dict[tuple[str, str], Endpoint] = {}
    if config.server.cors_origins:
        cross_origin = CrossOrigin(config.server.cors_origins)
        name, rule = BROWSERS_CALL.name, BROWSERS_CALL.rule
        endpoints[name] = cross_origin(endpoints[name])
        hot["OPTIONS", rule] = cross_origin.preflight(dispatcher.empty(rule))
    hot |= {(route.method, route.rule): endpoints[route.name] for route in ROUTES if route.is_hot}
    app = _router(dispatcher, endpoints, ROUTES)
    behind = app.wsgi_app
    if config.server.admin_port is not None:
        public = _router(dispatcher, endpoints, [route for route in ROUTES if not route.is_inner])
        behind = ByPort(str(config.server.admin_port), behind, public.wsgi_app)
    # As Flask documents it: whoever calls the application calls what stands here.
    app.wsgi_app = Front(hot, behind, dispatcher.unknown)  # type: ignore[method-assign]
    return app


def _router(
    dispatcher: Dispatcher, endpoints: Mapping[str, Endpoint], routes: Iterable[Route]
) -> Flask:
    app = Flask("server", static_folder=None)
    # Ids may hold slashes, also two in a row; an address is matched as it was sent.
    app.url_map.converters = {**app.url_map.converters, "path": _IdConverter}
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = True
    for route in routes:
        app.add_url_rule(
            route.rule,
            endpoint=route.name,
            view_func=_view(endpoints[route.name]),
            methods=[route.method],
            provide_automatic_options=False,
        )

    def unrouted(error: HTTPException) -> Response:
        return _response(dispatcher.unrouted(request.environ, error))

    app.register_error_handler(HTTPException, unrouted)
    return app


class _Response(Response):
    """Says nothing of a body's type where there is no body."""

    default_mimetype = None


def _response(answer: Answer) -> Response:
    return _Response(answer.body, answer.status, answer.headers)


def _view(endpoint: Endpoint) -> RouteCallable:
    def view(**path: str) -> Response:
        return _response(endpoint(request.environ, path))

    return view
