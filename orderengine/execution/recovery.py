"""Recovery: whatever a crash, a lost message or an outage left behind goes on from its row.

One mechanism for every crash point, driven by the state of the row and not by what went wrong.
"""

import time
from collections.abc import Callable, Sequence
from uuid import UUID

import structlog
from structlog.contextvars import bound_contextvars

from orderengine.domain.errors import (
    DispatchUnavailable,
    FailureReason,
    QueuesTooLong,
    StorageUnavailable,
)
from orderengine.domain.moves import Fail, RoutingCause
from orderengine.domain.order import Order, OrderStatus
from orderengine.execution.engine import MAX_RECOVERIES, Engine, Superseded, logging_as
from orderengine.execution.handover import Submitted
from orderengine.execution.meter import Counter
from orderengine.execution.unreadable import Unreadable

log = structlog.get_logger(__name__)

CLAIM_LIMIT = 200
REST_FACTOR = 9
"""The rest after a look through the queues, in times of what the look took."""


class Recovery:
    """Dispatches the rest of the chain for orders that are due and that no message waits for.

    A message that waits in a queue brings its order on without help: another one would only make
    the queue longer. To look for it takes as long as the queues are long; a round that looked for
    a while is followed by a rest, so that a backlog leaves the workers nine tenths of their time.
    """

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._clock = clock
        self._rests_until = float("-inf")

    def run_once(self) -> int:
        """One round; returns how many orders were due.

        Raises DispatchUnavailable before anything is claimed, when the queues can not be looked
        through, or at the first message that the broker does not take: what was claimed and not
        dispatched is due again within seconds. An order that can not be brought back is logged and
        keeps none of the others waiting.
        """
        if self._clock() < self._rests_until:
            return 0
        self._engine.dispatcher.ping()
        due = self._engine.orders.claim_due(CLAIM_LIMIT)
        waiting = self._waiting(due) if due else set()
        for order in due:
            if order.order_id not in waiting:
                _bring_back(self._engine, order)
        if waiting:
            log.info("orders_wait_for_workers", orders=len(waiting))
        return len(due)

    def _waiting(self, due: Sequence[Order | Unreadable]) -> set[UUID]:
        began = self._clock()
        try:
            found = self._engine.dispatcher.waiting({each.order_id: each.version for each in due})
        except QueuesTooLong:
            self._rest_after(began)
            raise
        # No rest after a wait for a broker that gave no answer: recovery is wanted when it is back.
        self._rest_after(began)
        return found

    def _rest_after(self, began: float) -> None:
        ended = self._clock()
        self._rests_until = ended + REST_FACTOR * (ended - began)


def _bring_back(engine: Engine, order: Order | Unreadable) -> None:
    # The request that placed it is named here, and on what is dispatched for it.
    request = {} if order.request_id is None else {"request_id": order.request_id}
    with bound_contextvars(**request), logging_as("recovery", order.order_id, order.attempt):
        try:
            _recover(engine, order)
        except (DispatchUnavailable, StorageUnavailable):
            raise
        except Exception:
            log.exception("order_not_recovered", order_id=str(order.order_id))


def _recover(engine: Engine, order: Order | Unreadable) -> None:
    if order.status is None:
        return  # a later release knows how to go on: nothing is sent, and no count ends it
    if order.status is OrderStatus.SUBMITTED:
        # What was signed may land: no count of anything ends such an order, read or unread.
        if isinstance(order, Unreadable):
            return
        engine.dispatcher.confirm(Submitted.of(order))
    elif order.recoveries >= MAX_RECOVERIES:
        _give_up(engine, order)
        return
    elif order.status is OrderStatus.PENDING:
        cause = RoutingCause.ORDER if order.attempt == 1 else RoutingCause.RETRY
        engine.dispatcher.route(order.order_id, order.version, cause, again=True)
    else:
        engine.dispatcher.route(order.order_id, order.version, RoutingCause.RECOVERY)
    engine.meter.count(Counter.REDISPATCHES, order.status.value)
    log.info("order_redispatched", order_id=str(order.order_id), status=order.status.value)


def _give_up(engine: Engine, order: Order | Unreadable) -> None:
    """Fail an order that brought its worker down each time; nothing of it was ever signed."""
    detail = f"recovered {order.recoveries} times in attempt {order.attempt} without getting on"
    failure = Fail(FailureReason.ENGINE_ERROR, detail)
    if isinstance(order, Unreadable):
        # Not published, since it can not be read: streams find its end in the events.
        engine.orders.give_up(order.order_id, order.version, failure)
        return
    try:
        engine.advance(order.order_id, order.version, failure)
    except Superseded:
        log.info("order_moved_meanwhile", order_id=str(order.order_id))
