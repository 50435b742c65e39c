"""The first stage's message: it wakes a worker, which then takes the orders that are to start."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from celery import Task
from celery.exceptions import Ignore
from structlog.contextvars import bound_contextvars

from orderengine.domain.errors import StorageUnavailable, TransientFault
from orderengine.domain.moves import RoutingCause
from orderengine.domain.order import Order
from orderengine.execution.chain import stages
from orderengine.execution.chain.engine import ChainEnds, Engine, logging_as
from orderengine.execution.chain.handover import Routed
from orderengine.execution.chain.slots import Slots
from orderengine.worker.running import Message, request_of, tell_interrupted, tries_of

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Wake:
    """A message to route an order; `again` as in `Dispatcher.route`."""

    task: "Task[Any, Any]"
    order_id: UUID
    version: int
    cause: RoutingCause
    again: bool

    def route(self, engine: Engine, slots: Slots) -> list[Routed]:
        """Route this order, or a group of those that start; raises as `Message.run` does.

        Empty if the order was taken along with another one. Most messages of a busy worker end this
        way. Raising Ignore would cost ten times as much: Celery formats the traceback.
        """
        with self._starting():
            orders = self._take(engine, slots)
        if not orders:
            return []
        message = Message(
            self.task,
            "route",
            orders,
            # Each was at the version before: it has made one move since.
            lambda one: (str(one[0].order_id), one[0].version - 1, self.cause.value),
            one_by_one=True,
            is_whole=[order.order_id for order in orders] == [self.order_id],
        )
        work = partial(stages.route_orders, engine, tries=tries_of(self.task))
        return message.run(slots, work)

    def _take(self, engine: Engine, slots: Slots) -> list[Order]:
        """The orders that start routing: this one alone, or several that are new or triggered.

        Empty if this process has taken the order along with another one. Raises Superseded if the
        order has moved on otherwise. One that was tried or recovered is always alone.
        """
        if self.cause is not RoutingCause.ORDER or self.again or self.task.request.retries:
            slots.take(1, urgent=True)
            return [self._alone(engine)]
        own = self.order_id, self.version
        size = min(engine.pace.group_size, slots.limit)
        room = slots.take_for_group(size, own)
        if not room or slots.took_along(own):
            return []
        orders = [self._alone(engine)] if room == 1 else self._together(engine, room - 1)
        started = [(order.order_id, order.version - 1) for order in orders]
        slots.note_group(size, room, started, own)
        return orders

    def _alone(self, engine: Engine) -> Order:
        return stages.start_routing(
            engine,
            self.order_id,
            self.version,
            self.cause,
            tries_of(self.task),
            again=self.again,
        )

    def _together(self, engine: Engine, others: int) -> list[Order]:
        try:
            return engine.claim(self.order_id, self.version, others)
        except (ChainEnds, StorageUnavailable):
            raise
        except Exception:
            log.exception("group_falls_apart")
        return [self._alone(engine)]

    @contextmanager
    def _starting(self) -> Iterator[None]:
        """Turn the end of a chain into Ignore, while only the message's order is known."""
        with bound_contextvars(**request_of(self.task)), logging_as("route", self.order_id):
            try:
                yield
            except ChainEnds as end:
                raise Ignore(str(end)) from end
            except (StorageUnavailable, TransientFault) as fault:
                tell_interrupted(fault)
                raise
