"""The Flask application: the route table bound to a service, with the front door before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask, Response, request
from flask.typing import RouteCallable
from werkzeug.exceptions import HTTPException
from werkzeug.routing import PathConverter

from server.auth import Authenticator
from server.dispatch import Answer, Dispatcher, Endpoint
from server.front import Front
from server.route_table import ROUTES
from server.routes import handlers

if TYPE_CHECKING:
    from server.service import Service


class _IdConverter(PathConverter):
    """The variable part of an address: unlike Werkzeug's own, an id may begin with a slash."""

    part_isolating = False
    regex = ".+?"


def create_app(service: Service, *, authenticator: Authenticator | None = None) -> Flask:
    """Build the application of one worker.

    Without an ``authenticator`` the keys are read as the service's configuration says.

    Raises:
        ConfigError: no key is configured where one is needed.
    """
    app = Flask("server", static_folder=None)
    # Ids may hold slashes, also two in a row; an address is matched as it was sent.
    app.url_map.converters = {**app.url_map.converters, "path": _IdConverter}
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = True
    dispatcher = Dispatcher(service, authenticator or Authenticator.from_config(service.config))
    by_name = handlers(service.config.limits.depth_max)
    hot: dict[tuple[str, str], Endpoint] = {}
    for route in ROUTES:
        endpoint = dispatcher.endpoint(route, by_name[route.name])
        if route.is_hot:
            hot[route.method, route.rule] = endpoint
        app.add_url_rule(
            route.rule,
            endpoint=route.name,
            view_func=_view(endpoint),
            methods=[route.method],
            provide_automatic_options=False,
        )

    def unrouted(error: HTTPException) -> Response:
        return _response(dispatcher.unrouted(request.environ, error))

    app.register_error_handler(HTTPException, unrouted)
    # As Flask documents it: whoever calls the application calls what stands here.
    app.wsgi_app = Front(hot, app.wsgi_app)  # type: ignore[method-assign]
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
