"""The web application."""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flask import Flask, Response
from flask.json.provider import DefaultJSONProvider

from orderengine.api.answers.handlers import register_error_handlers
from orderengine.api.context import share_ports
from orderengine.api.description.openapi import describe
from orderengine.api.gate import access
from orderengine.api.gate.cross_origin import share_with_origins
from orderengine.api.gate.protection import (
    limit_addresses,
    limit_keys,
    refuse_foreign_names,
    secure_answers,
    trust_proxies,
)
from orderengine.api.gate.request_ids import name_requests
from orderengine.api.gate.turns import Turns, register_turns
from orderengine.api.routes import (
    amendments,
    batches,
    cancels,
    documentation,
    event_stream,
    health,
    market,
    metrics,
    named_orders,
    orders,
    page,
    tickets,
)
from orderengine.api.updates.entrance import register_updates
from orderengine.api.updates.loop import Loop
from orderengine.api.updates.prefer_wait import HeldAnswers, register_held_answers
from orderengine.api.updates.slots import Caps
from orderengine.api.validation.strict_json import MAX_BODY_BYTES
from orderengine.config.settings import Settings
from orderengine.process.logs import withhold

if TYPE_CHECKING:
    from orderengine.bootstrap.web import WebPorts

DESCRIBED = (
    orders.blueprint,
    batches.blueprint,
    named_orders.blueprint,
    event_stream.blueprint,
    amendments.blueprint,
    cancels.blueprint,
    market.blueprint,
    tickets.blueprint,
    health.blueprint,
)
"""The blueprints in the API description, in its order."""

OTHERS = (metrics.blueprint, named_orders.earlier, documentation.blueprint, page.blueprint)


class _InSchemaOrder(DefaultJSONProvider):
    sort_keys = False


class _Application(Flask):
    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        # Flask asks whether it is a coroutine, for each of twenty functions of a request. None is.
        return func


def create_app(ports: "WebPorts | None" = None, settings: Settings | None = None) -> Flask:
    """Make the application; without ports, assemble them from the settings.

    Without settings, read them from the environment. Raises ConfigurationError. The server sets up
    logging, because it logs before the application exists and after it has ended.
    """
    if ports is None:
        ports = _assemble(settings or Settings.from_env())
    app = _application()
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    share_ports(app, ports)
    name_requests(app)
    register_turns(app, Turns())
    loop = Loop()
    register_held_answers(app, HeldAnswers(ports.orders, ports.hub, loop=loop))
    refuse_foreign_names(app, ports.known_hosts)
    share_with_origins(app, ports.allowed_origins)
    limit_addresses(app)
    access.register_access(app, ports.authenticator)
    limit_keys(app)
    register_error_handlers(app)
    for blueprint in (*DESCRIBED, *OTHERS):
        app.register_blueprint(blueprint)
    _serve_description(app, asks_for_keys=ports.authenticator.asks_for_keys)
    caps = Caps(ports.max_sockets, ports.limits.max_sockets_per_client, ports.allowed_origins)
    register_updates(app, ports.orders, ports.hub, ports.authenticator, caps, ports.metrics, loop)
    trust_proxies(app, ports.proxy_hops)
    secure_answers(app)
    app.after_request(_forbid_caching)
    return app


def _application() -> Flask:
    app = _Application("orderengine", static_folder=None)
    app.debug = False  # ignores a FLASK_DEBUG that was set for another program
    app.json = _InSchemaOrder(app)
    # No redirects: each would be an HTML page that repeats the Host. Another spelling gets 404.
    app.url_map.merge_slashes = app.url_map.redirect_defaults = False
    app.url_map.converters["order"] = orders.OrderConverter
    return app


def _serve_description(app: Flask, *, asks_for_keys: bool) -> None:
    def get_openapi() -> Response:
        return Response(_description(asks_for_keys=asks_for_keys), mimetype="application/json")

    app.add_url_rule("/openapi.json", "openapi", get_openapi)


@functools.cache
def _description(*, asks_for_keys: bool) -> str:
    """`/openapi.json`, made when a process is first asked for it.

    Making it takes several times as long as making the application, and most processes are never
    asked.
    """
    app = _application()
    api = describe(app, asks_for_keys=asks_for_keys)
    for blueprint in DESCRIBED:
        api.register_blueprint(blueprint)
    return app.json.dumps(api.spec.to_dict(), indent=2)


def _assemble(settings: Settings) -> "WebPorts":
    # Imported here, so that an application with given ports loads no driver of any server.
    from orderengine.bootstrap.web import build_web

    if settings.solana is not None:
        withhold(settings.solana.secrets)
    return build_web(settings)


def _forbid_caching(answer: Response) -> Response:
    # A proxy must not serve an outdated status.
    answer.headers.setdefault("Cache-Control", "no-store")
    return answer
