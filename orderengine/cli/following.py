"""Follows an order: its events as they arrive, across lost connections."""

import http.client
import json
import time
from collections.abc import Callable, Iterator

import websocket

from orderengine.cli.events import TERMINAL, Event
from orderengine.cli.limits import Answer
from orderengine.cli.service import GIVE_UP_AFTER_S, CannotGoOn, Socket, object_of, refused
from orderengine.domain.order import OrderStatus, known_status

RECONNECT_AFTER_S = 0.5


def follow(
    connect: Callable[[int], Socket],
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[Event]:
    """The events of an order as they arrive, up to the terminal one, across lost connections.

    A later release may end an order with a status that is unknown here; then the server's normal
    closure ends the stream. A service that has no socket left is asked again when it says.

    Raises CannotGoOn when the stream is refused, or out of reach for 30 seconds.
    """
    seen, status, alive_at = 0, OrderStatus.PENDING.value, clock()
    while True:
        try:
            socket = connect(seen)
            alive_at = clock()
            for event in _receive(socket):
                seen, status = event["seq"], event["status"]
                alive_at = clock()
                yield event
                if status in TERMINAL:
                    return
            if socket.has_told_all and known_status(status) is None:
                return
        except (OSError, websocket.WebSocketException) as error:
            # The next connection goes on after the last event seen.
            later_s = _later_s(error)
            if later_s is not None:  # the service is there, and has said when
                pause(later_s)
                alive_at = clock()
        if clock() - alive_at > GIVE_UP_AFTER_S:
            raise CannotGoOn("the stream was lost; the order continues unwatched")
        pause(RECONNECT_AFTER_S)


def _later_s(error: Exception) -> float | None:
    """The wait that the service asks for, in seconds; raises RequestRefused if there is none."""
    if not isinstance(error, websocket.WebSocketBadStatusException):
        return None
    document, headers = object_of(error.resp_body) or {}, error.resp_headers or {}
    denied = refused(Answer(error.status_code, document, headers))
    is_passing = error.status_code >= http.client.INTERNAL_SERVER_ERROR
    if not is_passing and error.status_code != http.client.TOO_MANY_REQUESTS:
        raise denied from error
    return denied.later_s


def _receive(socket: Socket) -> Iterator[Event]:
    try:
        while text := socket.recv():
            yield json.loads(text)
    finally:
        socket.close()
