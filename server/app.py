"""The Flask application: the route table bound to a service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask
from werkzeug.exceptions import HTTPException
from werkzeug.routing import PathConverter

from server.auth import Authenticator
from server.dispatch import Dispatcher
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
    for route in ROUTES:
        app.add_url_rule(
            route.rule,
            endpoint=route.name,
            view_func=dispatcher.view(route, by_name[route.name]),
            methods=[route.method],
            provide_automatic_options=False,
        )
    app.register_error_handler(HTTPException, dispatcher.unrouted)
    return app
