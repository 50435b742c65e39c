"""Order updates over WebSockets: `/ws/orders?orderId=…[&after=seq]`, `/ws/orders[?cursor=…]`."""

import contextlib
import functools
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from threading import Lock
from typing import Any

import structlog
from flask import Flask, Response, g, request
from flask_sock import Sock
from simple_websocket import ConnectionClosed
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import ProtocolError

from orderengine.api.answers.problems import RETRY_AFTER_S, ErrorCode, Refused
from orderengine.api.gate.access import current_caller
from orderengine.api.updates.handshake import handshake_refusal, origin_refusal, prepare_handshake
from orderengine.api.updates.subject import (
    ClientStreamRequest,
    OrderStreamRequest,
    read_stream_request,
)
from orderengine.domain.access import Caller
from orderengine.domain.events import OrderEvent
from orderengine.execution.intake.keys import Authenticator
from orderengine.execution.operations.counters import CounterName, ProcessMetrics
from orderengine.execution.ports import Orders
from orderengine.stream.client_follower import ClientFollower
from orderengine.stream.follower import Follower
from orderengine.stream.hub import Hub
from orderengine.stream.messages import cursor_message, event_text
from orderengine.stream.replay import Cursor

PATH = "/ws/orders"
EXTENSION = "orderengine.updates"
ENDPOINT = "order_updates"

WAKE_S = 0.5
CLOSE_TIMEOUT_S = 1.0
SERVER_OPTIONS = {"ping_interval": 25, "max_message_size": 1024}

PEER_GONE = (ConnectionClosed, ProtocolError, OSError)
"""The errors that sending raises once the client has closed, or is gone."""


log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Caps:
    """The most sockets of a process, and of one client in it (0: no limit of its own).

    `origins` are other sites whose pages may open sockets; pages of this service always may.
    """

    sockets: int
    per_client: int = 0
    origins: frozenset[str] = frozenset()


class SocketEnd(StrEnum):
    """Why a socket ended, for the metrics."""

    ENDED = "ended"
    """After the last event of its order."""
    GONE = "gone"
    """The client closed it, or is gone."""
    SLOW = "slow"
    """The client read nothing for too long, or fell too far behind its orders."""
    FLOODED = "flooded"
    """The client sent too much."""
    REVOKED = "revoked"
    """The client's key was revoked."""
    RESTART = "restart"
    """This process shuts down; the client reconnects to another."""


_CODES = {
    SocketEnd.ENDED: CloseReason.NORMAL_CLOSURE,
    SocketEnd.SLOW: CloseReason.TRY_AGAIN_LATER,
    SocketEnd.FLOODED: CloseReason.POLICY_VIOLATION,
    SocketEnd.REVOKED: CloseReason.POLICY_VIOLATION,
    SocketEnd.RESTART: CloseReason.SERVICE_RESTART,
}


class Updates:
    """The sockets of this process: `open` now, and at most `limit`.

    Every socket calls `draining` twice a second: True means that the server shuts down.
    """

    def __init__(
        self,
        orders: Orders,
        hub: Hub,
        authenticator: Authenticator,
        caps: Caps,
        metrics: ProcessMetrics | None = None,
    ) -> None:
        self.metrics = ProcessMetrics() if metrics is None else metrics
        self.draining: Callable[[], bool] = lambda: False
        self.limit = caps.sockets
        self.per_client = caps.per_client
        self._origins = caps.origins
        self._open_by_client: Counter[str] = Counter()
        self.open = 0
        self.closed: Counter[SocketEnd] = Counter()
        self._orders = orders
        self._hub = hub
        self._authenticator = authenticator
        self._lock = Lock()

    def admit(self) -> Response | None:
        """Check a handshake, and refuse it while an HTTP answer is still possible."""
        if request.path != PATH:
            return None
        refusal = handshake_refusal() or origin_refusal(self._origins)
        if refusal is not None:
            return refusal
        client_id = current_caller().client_id
        self.take_slot(client_id)
        g.socket_slot = client_id
        g.stream_request = read_stream_request(self._orders, self._hub)
        prepare_handshake(request.environ)
        return None

    def release(self, _: BaseException | None = None) -> None:
        """Give back the slot of this request, if it has one."""
        client_id = g.pop("socket_slot", None)
        if client_id is not None:
            self.give_back(client_id)

    def give_back(self, client_id: str) -> None:
        """Give back a slot that was taken for this client."""
        with self._lock:
            self.open -= 1
            self._open_by_client[client_id] -= 1
            self._open_by_client += Counter()  # drops clients that have none any more
        self.metrics.count(CounterName.OPEN_SOCKETS, by=-1)

    def serve(self, ws: Any) -> None:
        """Send the updates to one client, then close; `ws` is simple-websocket's server."""
        with _parting(ws):
            ws.close(self._send_counted(ws, g.stream_request))

    def _send_counted(
        self, ws: Any, stream_request: OrderStreamRequest | ClientStreamRequest
    ) -> CloseReason:
        end = SocketEnd.GONE
        try:
            end = self._send(ws, stream_request)
        finally:
            if ws.sock.slow:  # noticed by this thread or by the one that reads
                end = SocketEnd.SLOW
            with self._lock:
                self.closed[end] += 1
            self.metrics.count(CounterName.SOCKETS_CLOSED, end.value)
        return _CODES[end]

    def take_slot(self, client_id: str) -> None:
        """Take a slot; raises Refused if the process (503) or the client (429) has none left."""
        with self._lock:
            is_full = self.open >= self.limit
            has_enough = 0 < self.per_client <= self._open_by_client[client_id]
            if not is_full and not has_enough:
                self.open += 1
                self._open_by_client[client_id] += 1
                self.metrics.count(CounterName.OPEN_SOCKETS)
                return
        later = {"Retry-After": str(RETRY_AFTER_S)}
        if is_full:
            detail = f"this process serves at most {self.limit} sockets; connect again shortly"
            raise Refused(503, ErrorCode.TOO_MANY_SOCKETS, detail, headers=later)
        detail = (
            f"a client may have {self.per_client} sockets per process; "
            "close one, or connect again later"
        )
        raise Refused(429, ErrorCode.TOO_MANY_CLIENT_SOCKETS, detail, headers=later)

    def follow(self, stream_request: OrderStreamRequest) -> Follower:
        """Follow the order of a checked request; the caller closes the follower."""
        return self._hub.follow(stream_request.order_id, stream_request.after)

    def _follow(
        self, stream_request: OrderStreamRequest | ClientStreamRequest
    ) -> Follower | ClientFollower:
        if isinstance(stream_request, OrderStreamRequest):
            return self.follow(stream_request)
        client_id = stream_request.caller.client_id
        return self._hub.follow_client(client_id, stream_request.first, stream_request.cursor)

    def reason_to_part(self, caller: Caller) -> SocketEnd | None:
        """Why this process must stop sending to this caller, or None."""
        if self.draining():
            return SocketEnd.RESTART
        return SocketEnd.REVOKED if self._authenticator.is_revoked(caller) else None

    def _send(self, ws: Any, stream_request: OrderStreamRequest | ClientStreamRequest) -> SocketEnd:
        """Send until there is a reason to close."""
        if isinstance(stream_request, OrderStreamRequest) and stream_request.is_over:
            return SocketEnd.ENDED
        with self._follow(stream_request) as follower:
            while not follower.ended:
                reason = self.reason_to_part(stream_request.caller)
                if reason is not None:
                    return reason
                if ws.sock.flooded:
                    return SocketEnd.FLOODED
                if follower.overrun:
                    return SocketEnd.SLOW
                _discard_input(ws)
                item = follower.next(WAKE_S)
                if item is not None:
                    ws.send(_text_of(item))
        return SocketEnd.ENDED


def _text_of(item: OrderEvent | Cursor) -> str:
    return event_text(item) if isinstance(item, OrderEvent) else cursor_message(item)


def register_updates(
    app: Flask,
    orders: Orders,
    hub: Hub,
    authenticator: Authenticator,
    caps: Caps,
    metrics: ProcessMetrics | None = None,
) -> Updates:
    """Serve the updates of orders under gunicorn's threaded worker.

    Every socket holds one of the server's threads, so `caps.sockets` must leave some for HTTP.
    Refusals are raised as `Refused` and `StorageUnavailable`, which the application answers.
    """
    updates = Updates(orders, hub, authenticator, caps, metrics)
    app.extensions[EXTENSION] = updates
    app.config["SOCK_SERVER_OPTIONS"] = SERVER_OPTIONS | app.config.get("SOCK_SERVER_OPTIONS", {})
    app.before_request(updates.admit)
    app.teardown_request(updates.release)
    Sock(app).route(PATH, endpoint=ENDPOINT)(updates.serve)
    app.view_functions[ENDPOINT] = _opened(app.view_functions[ENDPOINT])
    return updates


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


def _discard_input(ws: Any) -> None:
    """Discard the client's messages; raises ConnectionClosed once it has left."""
    while ws.receive(timeout=0) is not None:
        pass
    if not ws.thread.is_alive():
        raise ConnectionClosed


@contextlib.contextmanager
def _parting(ws: Any) -> Iterator[None]:
    """Wait briefly for the client's close frame, then end the connection and its reader thread.

    The server would also close the connection, but while the thread still reads from it.
    """
    try:
        with contextlib.suppress(*PEER_GONE):
            yield
        ws.thread.join(CLOSE_TIMEOUT_S)  # it may be answering the client's close frame
    finally:
        ws.sock.close()
        ws.thread.join(CLOSE_TIMEOUT_S)
