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

from orderengine.api.access import current_caller
from orderengine.api.errors import RETRY_AFTER_S, ErrorCode, Refused, events_pruned, problem
from orderengine.api.guarded_socket import GuardedSocket
from orderengine.api.inputs import read_query, refusal
from orderengine.api.schemas import UpdatesQuerySchema
from orderengine.domain.access import Caller
from orderengine.domain.errors import Violation
from orderengine.execution.access import Gate
from orderengine.execution.ports import Orders
from orderengine.stream.follower import Follower
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

    caller: Caller
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


@dataclass(frozen=True, slots=True)
class Caps:
    """How many sockets a process has at most, how many of them one client (0: all), and for whom.

    `origins` are other sites whose pages may open sockets; this service's own may anyway.
    """

    sockets: int
    per_client: int = 0
    origins: frozenset[str] = frozenset()


class Updates:
    """The sockets of this process: `open` now, and at most `limit`.

    `draining` is asked twice a second by every socket: true means that the server is going down.
    """

    def __init__(self, orders: Orders, hub: Hub, gate: Gate, caps: Caps) -> None:
        self.draining: Callable[[], bool] = lambda: False
        self.limit = caps.sockets
        self.per_client = caps.per_client
        self._origins = caps.origins
        self._open_by_client: Counter[str] = Counter()
        self.open = 0
        self.closed: Counter[SocketEnd] = Counter()
        self._orders = orders
        self._hub = hub
        self._gate = gate
        self._lock = Lock()

    def admit(self) -> Response | None:
        """Refuse what can not be served while an HTTP answer is still possible."""
        if request.path != PATH:
            return None
        refusal = _handshake_refusal() or _origin_refusal(self._origins)
        if refusal is not None:
            return refusal
        query = read_query(UpdatesQuerySchema(), request)
        query.pop("ticket", None)
        client_id = current_caller().client_id
        self.take_slot(client_id)
        g.socket_slot = client_id
        g.wanted = self.check(**query)
        _prepare_handshake(request.environ)
        return None

    def release(self, _: BaseException | None = None) -> None:
        """Give back the slot of this request, whatever became of it."""
        client_id = g.pop("socket_slot", None)
        if client_id is not None:
            self.give_back(client_id)

    def give_back(self, client_id: str) -> None:
        """Give back a slot that was taken for this client."""
        with self._lock:
            self.open -= 1
            self._open_by_client[client_id] -= 1
            self._open_by_client += Counter()  # drops those that have none any more

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

    def take_slot(self, client_id: str) -> None:
        """Raises Refused when no more sockets are served, or no more to this client."""
        with self._lock:
            is_full = self.open >= self.limit
            has_enough = 0 < self.per_client <= self._open_by_client[client_id]
            if not is_full and not has_enough:
                self.open += 1
                self._open_by_client[client_id] += 1
                return
        later = {"Retry-After": str(RETRY_AFTER_S)}
        if is_full:
            detail = f"this process serves at most {self.limit} sockets; connect again shortly"
            raise Refused(503, ErrorCode.TOO_MANY_SOCKETS, detail, headers=later)
        detail = (
            f"a client may have {self.per_client} sockets of one process; "
            "close one, or connect again later"
        )
        raise Refused(429, ErrorCode.TOO_MANY_CLIENT_SOCKETS, detail, headers=later)

    def check(self, order_id: UUID, after: int) -> Wanted:
        """What the caller wants to follow; raises Refused if there is no such thing."""
        caller = current_caller()
        order = self._orders.get(order_id)
        if order is None or order.client_id != caller.client_id:
            raise Refused(404, ErrorCode.ORDER_NOT_FOUND, f"there is no order {order_id}")
        if after > order.version and not order.status.is_terminal:
            message = f"must not be beyond {order.version}, the latest seq"
            raise refusal([Violation("after", "range", message)])
        is_over = order.status.is_terminal and after >= order.version
        if order.status.is_terminal and not is_over and not self._orders.events(order_id, after):
            raise events_pruned()
        return Wanted(caller, order_id, after, is_over)

    def follow(self, wanted: Wanted) -> Follower:
        """Follow what was checked; to be closed by the caller."""
        return self._hub.follow(wanted.order_id, wanted.after)

    def reason_to_part(self, caller: Caller) -> CloseReason | None:
        """Why this process must not go on sending to this caller, or None."""
        if self.draining():
            return CloseReason.SERVICE_RESTART
        return CloseReason.POLICY_VIOLATION if self._gate.is_closed_to(caller) else None

    def _send(self, ws: Any, wanted: Wanted) -> CloseReason:
        """Send until there is a reason to close."""
        if wanted.is_over:
            return CloseReason.NORMAL_CLOSURE
        with self.follow(wanted) as follower:
            while not follower.ended:
                reason = self.reason_to_part(wanted.caller)
                if reason is not None:
                    return reason
                if ws.sock.flooded:
                    return CloseReason.POLICY_VIOLATION
                _discard_input(ws)
                event = follower.next(WAKE_S)
                if event is not None:
                    ws.send(event_text(event))
        return CloseReason.NORMAL_CLOSURE


def register_updates(app: Flask, orders: Orders, hub: Hub, gate: Gate, caps: Caps) -> Updates:
    """Serve the updates of orders under gunicorn's threaded worker.

    Every socket holds one of the server's threads, so `caps.sockets` must leave some for HTTP.
    Refusals are raised as `Refused` and `StorageUnavailable`, which the application answers.
    """
    updates = Updates(orders, hub, gate, caps)
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


def _origin_refusal(allowed: frozenset[str]) -> Response | None:
    """What keeps other sites' pages from opening sockets with a browser of somebody who may."""
    origin = request.headers.get("Origin")
    own = {f"{scheme}://{request.host}" for scheme in ("http", "https")}
    if origin is None or origin in own | allowed:
        return None
    detail = "sockets are not opened for this Origin"
    return problem(403, ErrorCode.ORIGIN_NOT_ALLOWED, detail)


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
