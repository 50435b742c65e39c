"""Order updates over WebSockets: `GET /ws/orders?orderId=…[&after=seq]`."""

import base64
import binascii
import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from threading import Lock
from typing import Any
from uuid import UUID

from flask import Flask, Response, g, request
from flask_sock import Sock
from simple_websocket import ConnectionClosed
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import ProtocolError

from orderengine.api.errors import RETRY_AFTER_S, ErrorCode, Refused, events_pruned, problem
from orderengine.api.guarded_socket import GuardedSocket
from orderengine.api.inputs import read_query, refusal
from orderengine.api.schemas import UpdatesQuerySchema
from orderengine.domain.errors import Violation
from orderengine.execution.ports import Orders
from orderengine.stream.hub import Hub
from orderengine.stream.messages import event_text

PATH = "/ws/orders"
EXTENSION = "orderengine.updates"

WAKE_S = 0.5
CLOSE_TIMEOUT_S = 1.0
SERVER_OPTIONS = {"ping_interval": 25, "max_message_size": 1024}

PEER_GONE = (ConnectionClosed, ProtocolError, OSError)
"""What sending raises once the client has closed, or is no longer there."""

_HANDSHAKE = {"HTTP_CONNECTION", "HTTP_UPGRADE", "HTTP_SEC_WEBSOCKET_KEY"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a client asked for; `is_over` when there is nothing left to send."""

    order_id: UUID
    after: int
    is_over: bool


class SocketEnd(StrEnum):
    """Why a socket ended, for the metrics."""

    ENDED = "ended"
    """After the last event of its order."""
    GONE = "gone"
    """The client closed it, or is no longer there."""
    SLOW = "slow"
    """The client read nothing for so long that it was cut off."""
    FLOODED = "flooded"
    """The client said too much."""
    RESTART = "restart"
    """This process goes down; the client goes on at another."""


_ENDS = {
    CloseReason.NORMAL_CLOSURE: SocketEnd.ENDED,
    CloseReason.POLICY_VIOLATION: SocketEnd.FLOODED,
    CloseReason.SERVICE_RESTART: SocketEnd.RESTART,
}


class Updates:
    """The sockets of this process: `open` now, and at most `limit`.

    `draining` is asked twice a second by every socket: true means that the server is going down.
    """

    def __init__(self, orders: Orders, hub: Hub, limit: int) -> None:
        self.draining: Callable[[], bool] = lambda: False
        self.limit = limit
        self.open = 0
        self.closed: Counter[SocketEnd] = Counter()
        self._orders = orders
        self._hub = hub
        self._lock = Lock()

    def admit(self) -> Response | None:
        """Refuse what can not be served while an HTTP answer is still possible."""
        if request.path != PATH:
            return None
        refusal = _handshake_refusal()
        if refusal is not None:
            return refusal
        query = read_query(UpdatesQuerySchema(), request)
        if not self._take_slot():
            return problem(
                503,
                ErrorCode.TOO_MANY_SOCKETS,
                f"this process serves at most {self.limit} sockets; connect again shortly",
                headers={"Retry-After": str(RETRY_AFTER_S)},
            )
        g.socket_slot = True
        g.wanted = self._check(**query)
        _prepare_handshake(request.environ)
        return None

    def release(self, _: BaseException | None = None) -> None:
        """Give back the slot of this request, whatever became of it."""
        if g.pop("socket_slot", None):
            with self._lock:
                self.open -= 1

    def serve(self, ws: Any) -> None:
        """Send the updates to one client and part from it; `ws` is simple-websocket's server."""
        with _parting(ws):
            ws.close(self._send_counted(ws, g.wanted))

    def _send_counted(self, ws: Any, wanted: Wanted) -> CloseReason:
        end = SocketEnd.GONE
        try:
            reason = self._send(ws, wanted)
            end = _ENDS[reason]
        except BlockingIOError:  # what a send raises that came to its time-out
            end = SocketEnd.SLOW
            raise
        finally:
            with self._lock:
                self.closed[end] += 1
        return reason

    def _take_slot(self) -> bool:
        with self._lock:
            if self.open >= self.limit:
                return False
            self.open += 1
            return True

    def _check(self, order_id: UUID, after: int) -> Wanted:
        order = self._orders.get(order_id)
        if order is None:
            raise Refused(404, ErrorCode.ORDER_NOT_FOUND, f"there is no order {order_id}")
        if after > order.version and not order.status.is_terminal:
            message = f"must not be beyond {order.version}, the latest seq"
            raise refusal([Violation("after", "range", message)])
        is_over = order.status.is_terminal and after >= order.version
        if order.status.is_terminal and not is_over and not self._orders.events(order_id, after):
            raise events_pruned()
        return Wanted(order_id, after, is_over)

    def _send(self, ws: Any, wanted: Wanted) -> CloseReason:
        """Send until there is a reason to close."""
        if wanted.is_over:
            return CloseReason.NORMAL_CLOSURE
        with self._hub.follow(wanted.order_id, wanted.after) as follower:
            while not follower.ended:
                if self.draining():
                    return CloseReason.SERVICE_RESTART
                if ws.sock.flooded:
                    return CloseReason.POLICY_VIOLATION
                _discard_input(ws)
                event = follower.next(WAKE_S)
                if event is not None:
                    ws.send(event_text(event))
        return CloseReason.NORMAL_CLOSURE


def register_updates(app: Flask, orders: Orders, hub: Hub, max_sockets: int) -> Updates:
    """Serve the updates of orders under gunicorn's threaded worker.

    Every socket holds one of the server's threads, so `max_sockets` must leave some for HTTP.
    Refusals are raised as `Refused` and `StorageUnavailable`, which the application answers.
    """
    updates = Updates(orders, hub, max_sockets)
    app.extensions[EXTENSION] = updates
    app.config["SOCK_SERVER_OPTIONS"] = SERVER_OPTIONS | app.config.get("SOCK_SERVER_OPTIONS", {})
    app.before_request(updates.admit)
    app.teardown_request(updates.release)
    Sock(app).route(PATH, endpoint="order_updates")(updates.serve)
    return updates


def _handshake_refusal() -> Response | None:
    """What keeps this request from becoming a WebSocket: simple-websocket would answer with 500."""
    headers = request.headers
    connection = headers.get("Connection", "").lower().split(",")
    is_upgrade = (
        request.method == "GET"
        and "upgrade" in {token.strip() for token in connection}
        and headers.get("Upgrade", "").lower() == "websocket"
    )
    if not is_upgrade or headers.get("Sec-WebSocket-Version") != "13":
        return problem(
            426,
            ErrorCode.UPGRADE_REQUIRED,
            "this path serves WebSocket connections only, version 13",
            headers={
                "Upgrade": "websocket",
                "Connection": "Upgrade",
                "Sec-WebSocket-Version": "13",
            },
        )
    try:
        key = base64.b64decode(headers.get("Sec-WebSocket-Key", ""), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != 16:
        return problem(400, ErrorCode.BAD_REQUEST, "Sec-WebSocket-Key must be 16 bytes in base64")
    return None


def _prepare_handshake(environ: dict[str, Any]) -> None:
    """Leave simple-websocket the socket to use and the few headers that it needs.

    It would accept compression from any client that offers it, and fail on headers which have
    nothing to do with it.
    """
    for name in [name for name in environ if name.startswith("HTTP_")]:
        if name not in _HANDSHAKE:
            del environ[name]
    environ["HTTP_HOST"] = "localhost"
    environ["HTTP_SEC_WEBSOCKET_VERSION"] = "13"
    environ["gunicorn.socket"] = GuardedSocket(environ["gunicorn.socket"])


def _discard_input(ws: Any) -> None:
    """Drop what the client said; raises ConnectionClosed once it has left."""
    while ws.receive(timeout=0) is not None:
        pass
    if not ws.thread.is_alive():
        raise ConnectionClosed


@contextlib.contextmanager
def _parting(ws: Any) -> Iterator[None]:
    """Wait shortly for the client's goodbye, then end the connection and the thread that reads it.

    A connection that is still open when the view returns is closed in the server's main loop,
    which waits for the client up to two seconds, and for one client after the other.
    """
    try:
        with contextlib.suppress(*PEER_GONE):
            yield
        ws.thread.join(CLOSE_TIMEOUT_S)  # it may just be answering the client's goodbye
    finally:
        ws.sock.close()
        ws.thread.join(CLOSE_TIMEOUT_S)
