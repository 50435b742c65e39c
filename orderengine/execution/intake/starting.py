"""Starts stored orders: publishes their first events, and sends their chains to the workers."""

import threading
from collections.abc import Sequence
from queue import Empty, SimpleQueue
from typing import Protocol

import structlog
from structlog.contextvars import bound_contextvars

from orderengine.domain.errors import DispatchUnavailable
from orderengine.domain.events import Moved
from orderengine.domain.moves import RoutingCause
from orderengine.domain.order import OrderStatus
from orderengine.execution.ports import Dispatcher, EventPublisher

log = structlog.get_logger(__name__)

MOST_TOGETHER = 100
"""The most orders that one exchange with Redis starts."""

MOST_WAITING = 20
"""Beyond so many orders that wait for their start, whoever brings more starts some itself."""


class Starter(Protocol):
    """Starts stored orders; what fails, recovery starts later."""

    def start(self, moved: Sequence[Moved]) -> None:
        """Publish the first events of orders, and send the chains of those that do not wait."""

    def leave(self, timeout_s: float) -> bool:
        """Start what is left, since the process ends; True once nothing is left."""


class DirectStarter:
    """Implements `Starter` in the thread of the caller; bounded in time."""

    def __init__(self, publisher: EventPublisher, dispatcher: Dispatcher) -> None:
        self._publisher = publisher
        self._dispatcher = dispatcher

    def start(self, moved: Sequence[Moved]) -> None:
        """See `Starter.start`; each chain carries the id of its order's request."""
        if not moved:
            return
        with bound_contextvars(stage="accept", attempt=1):
            self._publisher.publish_all(moved)
            started = [each.order for each in moved if each.order.status is OrderStatus.PENDING]
            versions = {order.order_id: order.version for order in started}
            requests = {order.order_id: order.request_id for order in started}
            try:
                if versions:
                    self._dispatcher.route_all(versions, RoutingCause.ORDER, requests)
            except DispatchUnavailable as error:
                ids = [str(order_id) for order_id in versions]
                log.warning("dispatch_unavailable", error=str(error), order_ids=ids)

    def leave(self, timeout_s: float) -> bool:  # noqa: ARG002 - nothing is ever left
        """See `Starter.leave`."""
        return True


class BackgroundStarter:
    """Implements `Starter` by a thread, so that the answer to a client does not wait for Redis.

    Orders that come while it is busy are started together. Its thread begins with the first order,
    hence after a server's fork. While more than MOST_WAITING orders wait, the callers start orders,
    too: many threads that store orders would leave this one too little time of the interpreter.
    """

    def __init__(self, starter: Starter) -> None:
        self._starter = starter
        self._waiting: SimpleQueue[Moved | None] = SimpleQueue()
        self._beginning = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self, moved: Sequence[Moved]) -> None:
        """See `Starter.start`."""
        for each in moved:
            self._waiting.put(each)
        if not self._has_begun() or self._waiting.qsize() > MOST_WAITING:
            self._start_waiting([])

    def leave(self, timeout_s: float) -> bool:
        """See `Starter.leave`; orders that come later are not started."""
        with self._beginning:
            thread = self._thread
        if thread is None:
            return True
        self._waiting.put(None)
        thread.join(timeout_s)
        return not thread.is_alive()

    def _has_begun(self) -> bool:
        """Let the thread begin; False if the machine gives none now: the next order asks again."""
        if self._thread is not None:
            return True
        with self._beginning:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="starter", daemon=True)
                try:
                    thread.start()
                except RuntimeError as error:
                    log.warning("no_thread_to_start_orders", error=str(error))
                    return False
                self._thread = thread
        return True

    def _run(self) -> None:
        while (first := self._waiting.get()) is not None:
            self._start_waiting([first])

    def _start_waiting(self, taken: list[Moved]) -> None:
        """Start what waits, after what was taken already."""
        try:
            while len(taken) < MOST_TOGETHER:
                each = self._waiting.get_nowait()
                if each is None:
                    self._waiting.put(None)
                    break
                taken.append(each)
        except Empty:
            pass
        try:
            self._starter.start(taken)
        except Exception:
            log.exception("orders_not_started", orders=len(taken))
