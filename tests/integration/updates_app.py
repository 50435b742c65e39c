"""A small application around the updates, for a real gunicorn: orders that move when told."""

import os
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue

from orderengine.api.answers.handlers import register_error_handlers
from orderengine.api.gate.access import register_access
from orderengine.api.updates import connection
from orderengine.api.updates.entrance import register_updates
from orderengine.api.updates.slots import Caps
from orderengine.api.updates.updates import Updates
from orderengine.config.settings import Settings
from orderengine.domain.errors import FailureReason
from orderengine.domain.moves import FailAttempt, Move, RoutingCause, StartRouting
from orderengine.execution.intake.keys import (
    Authenticator,
    KeyAuthenticator,
    OpenAuthenticator,
    create_key,
)
from orderengine.execution.operations.counters import ProcessMetrics
from orderengine.execution.ports import EventPublisher
from orderengine.redis.breaker import Breaker
from orderengine.redis.client import create_client
from orderengine.stream.client_follower import Bounds
from orderengine.stream.hub import Hub
from orderengine.stream.publisher import RedisEventPublisher
from orderengine.webserver import gunicorn_conf, head_reading_worker
from tests.builders import a_build
from tests.fakes import START, FakeClock, FakeKeys, FakeOrders
from tests.steps import CONFIRMED, FAIL, RECOVER, Walk

BIG: tuple[Move, ...] = (
    FailAttempt(FailureReason.CHAIN_ERROR, "x" * 400_000, 0.5),
    StartRouting(RoutingCause.RETRY),
)

_BUILD = a_build(START)
WORDY = replace(_BUILD, route=replace(_BUILD.route, refusals={"nowhere": "x" * 20_000}))

PATHS: dict[str, tuple[Move, ...]] = {
    "start": CONFIRMED[:1],
    "finish": CONFIRMED[1:],
    "confirm": CONFIRMED,
    "fail": (FAIL,),
    "flood": (CONFIRMED[0], *BIG * 20),
    "chatter": (CONFIRMED[0], *(WORDY, RECOVER) * 300),
}


def create_app() -> Flask:
    settings = Settings.from_env()
    orders = FakeOrders(TickingClock())
    keys = FakeKeys(orders.clock)
    publisher = RedisEventPublisher(
        create_client(settings.redis_url, 1.0), Breaker(), ProcessMetrics()
    )
    bounds = Bounds(orders=int(os.environ.get("TEST_ORDERS_AT_ONCE", "1000")))
    hub = Hub(settings.redis_url, orders, orders, poll_s=0.2, client_bounds=bounds)
    app = Flask(__name__)
    _shorten_waits(app)
    register_error_handlers(app)
    authenticator: Authenticator = OpenAuthenticator()
    if settings.asks_for_keys:
        authenticator = KeyAuthenticator(keys)
    register_access(app, authenticator)
    per_client = settings.protection.max_sockets_per_client if settings.asks_for_keys else 0
    caps = Caps(settings.ws_max_sockets, per_client)
    updates = register_updates(app, orders, hub, authenticator, caps)
    _let_orders_move(app, orders, publisher)
    _make_keys(app, keys)
    _show_state(app, updates, hub, orders)
    return app


class TickingClock(FakeClock):
    """Moves a little at each reading, so that a later step has a later time."""

    def now(self) -> datetime:
        self.advance(0.0001)
        return self.moment


def _shorten_waits(app: Flask) -> None:
    """Take shorter timeouts from the environment, so that tests wait less."""
    if ping_s := os.environ.get("TEST_PING_S"):
        app.config["SOCK_SERVER_OPTIONS"] = {"ping_interval": float(ping_s)}
    if send_s := os.environ.get("TEST_SEND_TIMEOUT_S"):
        connection.SEND_TIMEOUT_S = int(send_s)
    if request_s := os.environ.get("TEST_REQUEST_TIMEOUT_S"):
        head_reading_worker.REQUEST_TIMEOUT_S = int(request_s)


def _let_orders_move(app: Flask, orders: FakeOrders, publisher: EventPublisher) -> None:
    walks: dict[UUID, Walk] = {}

    @app.post("/body")
    def read() -> ResponseReturnValue:
        return jsonify(length=len(request.get_data()))

    @app.post("/orders")
    def accept() -> ResponseReturnValue:
        walk = Walk(orders, request.args.get("client", "local"))
        walks[walk.order_id] = walk
        publisher.publish(walk.first)
        return jsonify(orderId=str(walk.order_id))

    @app.post("/orders/<uuid:order_id>/<path>")
    def move(order_id: UUID, path: str) -> ResponseReturnValue:
        for moved in walks[order_id].steps(*PATHS[path]):
            publisher.publish(moved)
        return jsonify(version=walks[order_id].order.version)

    @app.post("/orders/<uuid:order_id>/prune")
    def prune(order_id: UUID) -> ResponseReturnValue:
        orders.prune(order_id)
        return jsonify(version=walks[order_id].order.version)

    @app.post("/storage")
    def storage() -> ResponseReturnValue:
        orders.down = request.get_json()["down"]
        return jsonify(down=orders.down)


def _make_keys(app: Flask, keys: FakeKeys) -> None:
    @app.post("/keys/<client_id>")
    def make_key(client_id: str) -> ResponseReturnValue:
        key_id, key = create_key(keys, client_id)
        return jsonify(keyId=key_id, key=key)

    @app.post("/keys/<key_id>/revoke")
    def revoke(key_id: str) -> ResponseReturnValue:
        return jsonify(revoked=keys.revoke(key_id))


def _show_state(app: Flask, updates: Updates, hub: Hub, orders: FakeOrders) -> None:
    @app.get("/state")
    def state() -> ResponseReturnValue:
        return jsonify(
            open=updates.open,
            followers=hub.followers,
            closed=dict(updates.closed),
            orders=len(orders),
            threads=gunicorn_conf.threads,
        )
