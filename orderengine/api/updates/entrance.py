"""Opens connections that follow orders, and gives them to the loop.

WebSockets: `/ws/orders?orderId=…[&after=seq]`, `/ws/orders[?cursor=…]`. The view of
`GET /api/orders/{id}/stream` opens Server-Sent Events here as well.
"""

import functools
import socket
from collections.abc import Callable
from typing import Any

import structlog
from flask import Flask, Response, current_app, g, request
from flask_sock import Sock

from orderengine.api.gate.access import current_caller
from orderengine.api.updates import event_stream, web_socket
from orderengine.api.updates.connection import Connection, SocketKind
from orderengine.api.updates.encoding import Encoder, sent_event, text_frame
from orderengine.api.updates.handshake import handshake_refusal, origin_refusal, prepare_handshake
from orderengine.api.updates.loop import Loop, Wheel
from orderengine.api.updates.slots import Caps
from orderengine.api.updates.subject import (
    ClientStreamRequest,
    OrderStreamRequest,
    read_stream_request,
)
from orderengine.api.updates.takeover import taken
from orderengine.api.updates.updates import Updates
from orderengine.execution.intake.keys import Authenticator
from orderengine.execution.operations.counters import ProcessMetrics
from orderengine.execution.ports import Orders
from orderengine.stream.hub import Hub

PATH = "/ws/orders"
EXTENSION = "orderengine.updates"
ENTRANCE = "orderengine.entrance"
ENDPOINT = "order_updates"

log = structlog.get_logger(__name__)


class NoThread:
    """Stands in for the thread with which simple-websocket would read a socket."""

    name = ""

    def __init__(self, target: Callable[[], None]) -> None:
        """Take its work, and forget it."""

    def start(self) -> None:
        """Nothing: the loop reads the socket."""


PING_S = 25.0
LARGEST_MESSAGE = 1024


class Entrance:
    """Lets clients in: checks a handshake, and gives the opened connection to the loop."""

    def __init__(
        self, updates: Updates, orders: Orders, hub: Hub, origins: frozenset[str], ping_s: float
    ) -> None:
        self._updates = updates
        self._orders = orders
        self._hub = hub
        self._origins = origins
        loop = updates.loop
        self._sockets = web_socket.Shared(
            loop, Encoder(text_frame), Wheel(loop, ping_s), LARGEST_MESSAGE
        )
        self._streams = event_stream.Shared(
            loop, Encoder(sent_event), Wheel(loop, event_stream.COMMENT_AFTER_S)
        )

    def admit(self) -> Response | None:
        """Check a handshake, and refuse it while an HTTP answer is still possible."""
        if request.path != PATH:
            return None
        refusal = handshake_refusal() or origin_refusal(self._origins)
        if refusal is not None:
            return refusal
        self.take_slot()
        g.stream_request = read_stream_request(self._orders, self._hub)
        prepare_handshake(request.environ)
        return None

    def take_slot(self) -> None:
        """Take a slot for this request, which gives it back unless a connection begins with it.

        Raises Refused if there is none left.
        """
        client_id = current_caller().client_id
        self._updates.slots.take(client_id)
        g.socket_slot = client_id

    def release(self, _: BaseException | None = None) -> None:
        """Give back the slot of this request, if it still has one."""
        client_id = g.pop("socket_slot", None)
        if client_id is not None:
            self._updates.slots.give_back(client_id)

    def serve(self, ws: Any) -> None:
        """Take an opened socket from simple-websocket, whose server this is."""
        wanted: OrderStreamRequest | ClientStreamRequest = g.stream_request
        is_one = isinstance(wanted, OrderStreamRequest)
        kind = SocketKind.ORDER if is_one else SocketKind.CLIENT
        sock = taken(ws.sock)
        ws.connected = False  # so that it says no goodbye
        self._begin(
            web_socket.WebSocket(self._sockets, self._updates, sock, wanted.caller, kind), wanted
        )

    def stream(self, wanted: OrderStreamRequest, sock: socket.socket, head: bytes) -> None:
        """Send the events of an order over this connection, after the head of the answer."""
        self._begin(
            event_stream.EventStream(self._streams, self._updates, sock, wanted.caller, head),
            wanted,
        )

    def _begin(
        self, connection: Connection, wanted: OrderStreamRequest | ClientStreamRequest
    ) -> None:
        self._updates.begin(connection, wanted)
        g.pop("socket_slot")  # it is the connection's now


def register_updates(
    app: Flask,
    orders: Orders,
    hub: Hub,
    authenticator: Authenticator,
    caps: Caps,
    metrics: ProcessMetrics | None = None,
    loop: Loop | None = None,
) -> Updates:
    """Serve the updates of orders, under a server that gives connections away (`takeover`).

    Refusals are raised as `Refused` and `StorageUnavailable`, which the application answers.
    """
    updates = Updates(loop or Loop(), hub, authenticator, caps, metrics)
    app.extensions[EXTENSION] = updates
    given = app.config.get("SOCK_SERVER_OPTIONS", {})
    app.config["SOCK_SERVER_OPTIONS"] = {"thread_class": NoThread}
    ping_s = given.get("ping_interval", PING_S)
    entrance = Entrance(updates, orders, hub, caps.origins, ping_s)
    app.extensions[ENTRANCE] = entrance
    app.before_request(entrance.admit)
    app.teardown_request(entrance.release)
    Sock(app).route(PATH, endpoint=ENDPOINT)(entrance.serve)
    app.view_functions[ENDPOINT] = _opened(app.view_functions[ENDPOINT])
    return updates


def current_entrance() -> Entrance:
    """The entrance of the application that serves this request."""
    entrance: Entrance = current_app.extensions[ENTRANCE]
    return entrance


def _opened(view: Callable[..., Any]) -> Callable[..., Any]:
    """Serve a socket; a client that leaves before it is opened is not an error."""

    @functools.wraps(view)
    def serve() -> Any:
        try:
            return view()
        except ConnectionError:
            log.info("client_left_before_handshake")
            return Response(status=400)  # which nobody reads

    return serve
