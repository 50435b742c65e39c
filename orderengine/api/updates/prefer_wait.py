"""`Prefer: wait=N` (RFC 7240): hold an answer until the order has ended, for at most N seconds."""

import asyncio
import re
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from uuid import UUID

from flask import Flask, Request

from orderengine.api.updates.connection import Connection, SocketEnd
from orderengine.api.updates.loop import Loop
from orderengine.api.validation.inputs import validation_error
from orderengine.domain.errors import StorageUnavailable, Violation
from orderengine.domain.order import Order
from orderengine.execution.ports import Orders
from orderengine.stream.follower import Follower
from orderengine.stream.hub import Hub

HEADER = "Prefer"
APPLIED = "Preference-Applied"
MAX_WAIT_S = 10
MAX_HELD = 128
"""Requests that wait at once in a process; each holds a connection, and no thread."""

ANSWERERS = 4
"""Threads that read ended orders and answer with them."""

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


EXTENSION = "orderengine.waits"

Ended = Future[Order | None]
"""The order, once it has ended. None on timeout, when the server ends, or if it waits again."""


class _Wait:
    """Waits for the end of one order, in the loop."""

    follower: Follower

    def __init__(self, loop: Loop, wait_s: float, end: Callable[["_Wait", bool], None]) -> None:
        self._loop = loop
        self._wait_s = wait_s
        self._end: Callable[[_Wait, bool], None] | None = end
        self._timer: asyncio.TimerHandle | None = None
        self._is_begun = False

    def wake(self) -> None:
        self._loop.wake(self)

    def begin(self) -> None:
        self._is_begun = True
        if self._end is None:
            return
        self._timer = self._loop.later(self._wait_s, self.abandon)
        self.on_news()

    def on_news(self) -> None:
        # The hub may wake it before it is told of its follower.
        while (
            self._is_begun
            and self._end is not None
            and (event := self.follower.next(0)) is not None
        ):
            if self.follower.ended or event.status.is_idle:
                self._finish(has_ended=self.follower.ended)

    def abandon(self) -> None:
        self._finish(has_ended=False)

    def _finish(self, *, has_ended: bool) -> None:
        end, self._end = self._end, None
        if self._timer is not None:
            self._timer.cancel()
        if end is not None:
            self.follower.close()
            end(self, has_ended)


class HeldAnswers:
    """Holds answers until their orders have ended, at most `limit` at once.

    A held answer is an entry in the loop. It uses neither a thread nor a connection to a server,
    until one of `ANSWERERS` threads reads the ended order.
    """

    def __init__(
        self, orders: Orders, hub: Hub, limit: int = MAX_HELD, loop: Loop | None = None
    ) -> None:
        self.loop = loop or Loop()
        self._orders = orders
        self._hub = hub
        self._limit = limit
        self._changed = threading.Condition()
        self._held: dict[_Wait, Ended] = {}
        self._answers: set[Connection] = set()
        self._answerers = ThreadPoolExecutor(ANSWERERS, thread_name_prefix="answers")

    def wait_for_end(self, order_id: UUID, wait_s: float, after: int = 0) -> Order | None:
        """The order, once it has ended; holds the calling thread meanwhile.

        None on timeout, if too many wait already, or if a step after `after` lets the order wait
        for its price again, which may take weeks.
        """
        ended = self.begin(order_id, wait_s, after)
        return None if ended is None else ended.result()

    def begin(self, order_id: UUID, wait_s: float, after: int = 0) -> Ended | None:
        """Begin to wait for the end of an order; None if too many wait already."""
        wait, ended = _Wait(self.loop, wait_s, self._submit), Ended()
        with self._changed:
            if wait_s <= 0 or len(self._held) >= self._limit:
                return None
            wait.follower = self._hub.follow(order_id, after, wait.wake)
            self._held[wait] = ended
        self.loop.begin(wait, wait.begin)
        return ended

    def answer(self, connection: Connection) -> None:
        """Let a connection, which was taken from the server, send its answer and close."""
        with self._changed:
            self._answers.add(connection)
        self.loop.begin(connection, connection.open)

    def leave(self, timeout_s: float) -> None:
        """End all waits, since the server ends, and let their answers be sent."""
        self.loop.call(self._abandon_all)
        with self._changed:
            self._changed.wait_for(lambda: not self._held and not self._answers, timeout_s)

    def opened(self, connection: Connection) -> None:
        """An answer is being sent."""

    def ending(self, connection: Connection, end: SocketEnd) -> None:
        """It was sent, or can not be."""

    def sent(self, times: tuple[float, ...]) -> None:
        """It was handed to the kernel."""

    def closed_one(self, connection: Connection) -> None:
        """Its connection is closed."""
        with self._changed:
            self._answers.discard(connection)
            self._changed.notify_all()

    def _abandon_all(self) -> None:
        with self._changed:
            held = list(self._held)
        for wait in held:
            wait.abandon()

    def _submit(self, wait: _Wait, has_ended: bool) -> None:  # noqa: FBT001
        self._answerers.submit(self._end, wait, has_ended)

    def _end(self, wait: _Wait, has_ended: bool) -> None:  # noqa: FBT001
        order: Order | None = None
        try:
            order = self._orders.get(wait.follower.order_id) if has_ended else None
        except StorageUnavailable:
            pass  # the client must at least learn that it was accepted
        finally:
            self._held[wait].set_result(order)
            with self._changed:
                del self._held[wait]
                self._changed.notify_all()


def register_held_answers(app: Flask, waits: HeldAnswers) -> None:
    """Let the views of this application hold their answers."""
    app.extensions[EXTENSION] = waits
