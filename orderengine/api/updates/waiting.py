"""`Prefer: wait=N` (RFC 7240): hold an answer until the order has ended, for at most N seconds."""

import re
import threading
import time
from uuid import UUID

from flask import Flask, Request, current_app

from orderengine.api.validation.inputs import validation_error
from orderengine.domain.errors import StorageUnavailable, Violation
from orderengine.domain.order import Order, OrderStatus
from orderengine.execution.ports import Orders
from orderengine.stream.hub import Hub

HEADER = "Prefer"
APPLIED = "Preference-Applied"
MAX_WAIT_S = 10
MAX_WAITING = 32
"""Requests that wait at once in a process; the server has a thread for each of them."""

_WAIT = re.compile(r"wait *= *([0-9]{1,4}|\"[0-9]{1,4}\")")


def read_wait(request: Request) -> int | None:
    """The seconds that the client wants to wait, at most 10; None if it does not want to.

    Ignores other preferences, as RFC 7240 requires. Raises Refused (400) for a malformed `wait`.
    """
    for preference in ",".join(request.headers.getlist(HEADER)).split(","):
        name = preference.partition("=")[0].strip().lower()
        if name == "wait":
            found = _WAIT.fullmatch(preference.partition(";")[0].strip().lower())
            if found is None:
                message = f"must give wait in whole seconds; at most {MAX_WAIT_S} are granted"
                raise validation_error([Violation(HEADER, "wait", message)])
            return min(int(found[1].strip('"')), MAX_WAIT_S)
    return None


_EXTENSION = "orderengine.waits"


class Waits:
    """Holds requests until their orders have ended, at most `limit` at once.

    A held request sleeps on the hub's queue, and uses neither the processor nor a connection.
    """

    def __init__(self, orders: Orders, hub: Hub, limit: int = MAX_WAITING) -> None:
        self._orders = orders
        self._hub = hub
        self._slots = threading.BoundedSemaphore(limit)

    def wait_for_end(self, order_id: UUID, wait_s: float, after: int = 0) -> Order | None:
        """The order, once it has ended.

        None on timeout, if too many wait already, or if a step after `after` lets the order wait
        for its price again, which may take weeks.
        """
        if wait_s <= 0 or not self._slots.acquire(blocking=False):
            return None
        try:
            return self._await(order_id, wait_s, after)
        finally:
            self._slots.release()

    def _await(self, order_id: UUID, wait_s: float, after: int) -> Order | None:
        deadline = time.monotonic() + wait_s
        with self._hub.follow(order_id, after) as follower:
            while not follower.ended:
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    return None
                event = follower.next(left_s)
                if event is not None and event.status is OrderStatus.WAITING:
                    return None
        try:
            return self._orders.get(order_id)
        except StorageUnavailable:
            return None  # the client must at least learn that it was accepted


def register_waits(app: Flask, waits: Waits) -> None:
    """Let the views of this application hold their answers."""
    app.extensions[_EXTENSION] = waits


def current_waits() -> Waits:
    """The waits of the application that serves this request."""
    waits: Waits = current_app.extensions[_EXTENSION]
    return waits
