"""A small application around the updates, for a real gunicorn: orders that move when told."""

import os
import threading
from uuid import UUID

from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue

from orderengine.api import guarded_socket, gunicorn_conf
from orderengine.api.access import register_access
from orderengine.api.errors import register_error_handlers
from orderengine.api.updates import Caps, Updates, register_updates
from orderengine.config import Settings
from orderengine.domain.errors import FailureReason
from orderengine.domain.moves import FailAttempt, Move, RoutingCause, StartRouting
from orderengine.execution.access import OpenGate
from orderengine.execution.meter import Tally
from orderengine.execution.ports import EventPublisher
from orderengine.stream.breaker import Breaker
from orderengine.stream.client import create_client
from orderengine.stream.hub import Hub
from orderengine.stream.publisher import RedisEventPublisher
from tests.fakes import FakeOrders
from tests.steps import CONFIRMED, FAIL, Walk

BIG: tuple[Move, ...] = (
    FailAttempt(FailureReason.CHAIN_ERROR, "x" * 400_000, 0.5),
    StartRouting(RoutingCause.RETRY),
)

PATHS: dict[str, tuple[Move, ...]] = {
    "start": CONFIRMED[:1],
    "finish": CONFIRMED[1:],
    "confirm": CONFIRMED,
    "fail": (FAIL,),
    "flood": (CONFIRMED[0], *BIG * 20),
}


def create_app() -> Flask:
    settings = Settings.from_env()
    orders = FakeOrders()
    publisher = RedisEventPublisher(create_client(settings.redis_url, 1.0), Breaker(), Tally())
    hub = Hub(settings.redis_url, orders, orders, poll_s=0.2)
    app = Flask(__name__)
    _shorten_waits(app)
    register_error_handlers(app)
    gate = OpenGate()
    register_access(app, gate)
    updates = register_updates(app, orders, hub, gate, Caps(settings.ws_max_sockets))
    _let_orders_move(app, orders, publisher)
    _show_state(app, updates, hub)
    return app


def _shorten_waits(app: Flask) -> None:
    """A test need not wait for as long as a server does."""
    if ping_s := os.environ.get("TEST_PING_S"):
        app.config["SOCK_SERVER_OPTIONS"] = {"ping_interval": float(ping_s)}
    if send_s := os.environ.get("TEST_SEND_TIMEOUT_S"):
        guarded_socket.SEND_TIMEOUT_S = int(send_s)
    if request_s := os.environ.get("TEST_REQUEST_TIMEOUT_S"):
        gunicorn_conf.REQUEST_TIMEOUT_S = int(request_s)


def _let_orders_move(app: Flask, orders: FakeOrders, publisher: EventPublisher) -> None:
    walks: dict[UUID, Walk] = {}

    @app.post("/orders")
    def accept() -> ResponseReturnValue:
        walk = Walk(orders)
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


def _show_state(app: Flask, updates: Updates, hub: Hub) -> None:
    @app.get("/state")
    def state() -> ResponseReturnValue:
        readers = [t for t in threading.enumerate() if "simple_websocket" in t.name]
        return jsonify(
            readers=len(readers),
            open=updates.open,
            followers=hub.followers,
            closed=dict(updates.closed),
        )
