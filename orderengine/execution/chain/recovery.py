"""Recovery: continues any order that a crash, lost message or outage left behind.

One mechanism serves every crash point: it depends on the row's state, not on what went wrong. It
looks a submitted order up, and routes any other one anew.
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
from orderengine.execution.chain.engine import MAX_RECOVERIES, Engine, Superseded, logging_as
from orderengine.execution.chain.handover import Submitted
from orderengine.execution.operations.counters import CounterName
from orderengine.execution.unreadable import Unreadable

log = structlog.get_logger(__name__)

CLAIM_LIMIT = 200
REST_FACTOR = 9
"""The rest after a search of the queues, as a multiple of the search's time."""


class Recovery:
    """Dispatches due orders that have no message in a queue.

    A waiting message continues its order without help; another message would only lengthen the
    queue. The search takes longer the longer the queues are. After a slow search recovery rests, so
    that a backlog leaves the workers nine tenths of the time.
    """

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._clock = clock
        self._rests_until = float("-inf")

    def run_once(self) -> int:
        """Run one round; returns how many orders were due.

        Raises DispatchUnavailable before claiming anything if the broker is unavailable, if the
        queues cannot be searched, or at the first message that the broker refuses. Orders claimed
        but not dispatched are due again within seconds. An order that cannot be recovered is logged
        and does not block the others.
        """
        if self._clock() < self._rests_until:
            return 0
        self._engine.dispatcher.ping()
        due = self._engine.orders.claim_due(CLAIM_LIMIT)
        waiting = self._waiting(due) if due else set()
        for order in self._movable(due):
            if order.order_id not in waiting:
                _bring_back(self._engine, order)
        if waiting:
            log.info("orders_wait_for_workers", orders=len(waiting))
        return len(due)

    def _movable(self, due: Sequence[Order | Unreadable]) -> Sequence[Order | Unreadable]:
        """Those that may move: while trading is halted only submitted ones, which may have landed.

        The others would be signed in vain, and given up after ten times.
        """
        if not due or self._engine.halts.since() is None:
            return due
        log.warning("trading_halted", orders=len(due))
        return [order for order in due if order.status is OrderStatus.SUBMITTED]

    def _waiting(self, due: Sequence[Order | Unreadable]) -> set[UUID]:
        began = self._clock()
        try:
            found = self._engine.dispatcher.waiting({each.order_id: each.version for each in due})
        except QueuesTooLong:
            self._rest_after(began)
            raise
        # No rest if the broker gave no answer: recovery must run as soon as the broker is back.
        self._rest_after(began)
        return found

    def _rest_after(self, began: float) -> None:
        ended = self._clock()
        self._rests_until = ended + REST_FACTOR * (ended - began)


def _bring_back(engine: Engine, order: Order | Unreadable) -> None:
    # Log lines and dispatched messages carry the id of the request that placed the order.
    request = {} if order.request_id is None else {"request_id": order.request_id}
    with bound_contextvars(**request), logging_as("recovery", order.order_id, order.attempt):
        try:
            if isinstance(order, Order):
                # A worker may have taken its message since the claim: the oldest orders of a
                # backlog are due and next in their queue. Another message would wait behind the
                # whole backlog.
                engine.current(order.order_id, order.version)
            _recover(engine, order)
        except Superseded:
            log.info("order_already_moved", order_id=str(order.order_id))
        except (DispatchUnavailable, StorageUnavailable):
            raise
        except Exception:
            log.exception("order_not_recovered", order_id=str(order.order_id))


def _recover(engine: Engine, order: Order | Unreadable) -> None:
    if order.status is None:
        return  # a status of a later release: only that release may continue or end the order
    if order.status is OrderStatus.SUBMITTED:
        # A signed transaction may land: no count may end the order, whether or not it is readable.
        if isinstance(order, Unreadable):
            return
        if order.transaction is not None and not engine.network.owns(order.transaction):
            return  # signed for another network or wallet: /readyz and `orders stuck` tell
        engine.dispatcher.confirm(Submitted.of(order))
    elif order.recoveries >= MAX_RECOVERIES:
        _give_up(engine, order)
        return
    elif _is_out(engine, order):
        return
    elif order.status is OrderStatus.PENDING:
        first = order.first_attempt if isinstance(order, Order) else 1
        cause = RoutingCause.ORDER if order.attempt == first else RoutingCause.RETRY
        engine.dispatcher.route(order.order_id, order.version, cause, again=True)
    else:
        engine.dispatcher.route(order.order_id, order.version, RoutingCause.RECOVERY)
    engine.metrics.count(CounterName.REDISPATCHES, order.status.value)
    log.info("order_redispatched", order_id=str(order.order_id), status=order.status.value)


def _is_out(engine: Engine, order: Order | Unreadable) -> bool:
    """Whether the order could be neither quoted nor signed now: recovery claims it again soon.

    If the outage lasts too long, the order is routed nonetheless, and ends there.
    """
    outage_s = engine.network.outage_s
    return 0 < outage_s < engine.outage_limit_s and order.status is not OrderStatus.PENDING


def _give_up(engine: Engine, order: Order | Unreadable) -> None:
    """Fail an order that crashed its worker each time; it has no transaction that may land."""
    detail = f"recovered {order.recoveries} times in attempt {order.attempt} without progress"
    failure = Fail(FailureReason.ENGINE_ERROR, detail)
    if isinstance(order, Unreadable):
        # Not published, because it is unreadable: streams find its end in the events.
        engine.orders.give_up(order.order_id, order.version, failure)
        return
    engine.advance(order.order_id, order.version, failure)
