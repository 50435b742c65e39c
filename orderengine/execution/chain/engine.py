"""Shared by the stages and recovery: the ports, and moving an order with all that follows."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

import structlog
from structlog.contextvars import bind_contextvars, bound_contextvars

from orderengine.domain.errors import (
    AttemptFailed,
    DispatchUnavailable,
    OrderEngineError,
    OrderUnfillable,
)
from orderengine.domain.instruments import Instruments
from orderengine.domain.moves import Fail, FailAttempt, Move, RoutingCause
from orderengine.domain.order import Order
from orderengine.domain.texts import decimal_text
from orderengine.execution.operations.counters import Metrics
from orderengine.execution.operations.order_metrics import record_move
from orderengine.execution.ports import (
    Dispatcher,
    EventPublisher,
    Orders,
    QuoteBoard,
    SettlementNetwork,
)

log = structlog.get_logger(__name__)

MAX_RECOVERIES = 10


@contextmanager
def logging_as(stage: str, order_id: UUID | str, attempt: int | None = None) -> Iterator[None]:
    """Bind order, attempt and stage to every line logged meanwhile, including a library's.

    The attempt is null until the order is read.
    """
    with bound_contextvars(order_id=str(order_id), stage=stage, attempt=attempt):
        yield


def note_attempt(attempt: int) -> None:
    """Bind this attempt to the log lines that follow."""
    bind_contextvars(attempt=attempt)


class ChainEnds(OrderEngineError):
    """The rest of a chain must not run; another message or recovery continues the order."""


class Superseded(ChainEnds):
    """The order was not moved: it has moved on, or may not move, as with an expired quote."""


class AttemptEnded(ChainEnds):
    """The stage ended the attempt, or the order."""


class LastMoved(Protocol):
    """The order that this thread has moved last, if it is remembered."""

    order: Order | None


class NothingKept:
    """Implements `LastMoved` without a memory: each stage reads its order."""

    @property
    def order(self) -> Order | None:
        """None."""
        return None

    @order.setter
    def order(self, order: Order | None) -> None:
        """Forget it."""


@dataclass(frozen=True, slots=True)
class Engine:
    """The ports of a worker and the policy of its attempts.

    `attempt_backoff_s` gives the delay after attempt n, in seconds. `max_notional` is the highest
    value of an order, in whole USDC; 0 is no limit.
    """

    orders: Orders
    board: QuoteBoard
    network: SettlementNetwork
    publisher: EventPublisher
    dispatcher: Dispatcher
    instruments: Instruments
    metrics: Metrics
    max_attempts: int
    attempt_backoff_s: Callable[[int], float]
    max_notional: int = 0
    last_moved: LastMoved = field(default_factory=NothingKept, repr=False)

    def advance(self, order_id: UUID, version: int, move: Move) -> Order:
        """Move an order and publish the event; raises Superseded if it is not at `version`."""
        moved = self.orders.move(order_id, version, move)
        if moved is None:
            raise Superseded(f"order {order_id} is not at version {version}, or may not move")
        self.publisher.publish(moved)
        order = self.last_moved.order = moved.order
        note_attempt(order.attempt)
        record_move(self.metrics, order)
        log.info(
            "order_moved",
            order_id=str(order_id),
            status=order.status.value,
            version=order.version,
            attempt=order.attempt,
            **_end(order),
        )
        return order

    def count_recovery(self, order_id: UUID, version: int) -> None:
        """Count a recovery of a pending order; raises Superseded if it has moved."""
        if not self.orders.count_recovery(order_id, version):
            raise Superseded(f"order {order_id} is not at version {version}")

    def current(self, order_id: UUID, version: int) -> Order:
        """Read an order; raises Superseded if it is not at `version` any more."""
        order = self.orders.get(order_id)
        if order is None or order.version != version:
            raise Superseded(f"order {order_id} is not at version {version}")
        note_attempt(order.attempt)
        return order

    def at_move(self, order_id: UUID, version: int) -> Order:
        """The order right after its move to `version`; raises Superseded as `current` does.

        If this thread made that move and remembers the row, the order is not read again. At one
        version only the row's count of recoveries changes, and the fence of the next move detects
        whether another one has moved the order since.
        """
        last, self.last_moved.order = self.last_moved.order, None
        if last is not None and (last.order_id, last.version) == (order_id, version):
            return last
        return self.current(order_id, version)

    def end_attempt(self, order_id: UUID, version: int, failure: AttemptFailed) -> None:
        """Start the next attempt after a backoff, or fail the order if none is left.

        Raises Superseded if the order is not at `version`.
        """
        order = self.current(order_id, version)
        spent = order.attempt >= self.max_attempts or isinstance(failure, OrderUnfillable)
        move: Move = (
            Fail(failure.reason, failure.detail)
            if spent
            else FailAttempt(failure.reason, failure.detail, self.attempt_backoff_s(order.attempt))
        )
        after = self.advance(order_id, version, move)
        log.warning(
            "attempt_failed",
            order_id=str(order_id),
            attempt=order.attempt,
            reason=failure.reason.value,
            detail=failure.detail,
            order_failed=spent,
        )
        if isinstance(move, FailAttempt):
            self.route_again(order_id, after.version, RoutingCause.RETRY, move.backoff_s)

    def route_again(
        self, order_id: UUID, version: int, cause: RoutingCause, delay_s: float = 0.0
    ) -> None:
        """Dispatch the chain; if the broker is unavailable, recovery dispatches it later."""
        try:
            self.dispatcher.route(order_id, version, cause, delay_s)
        except DispatchUnavailable as error:
            log.warning("dispatch_unavailable", order_id=str(order_id), error=str(error))


def _end(order: Order) -> dict[str, str | float]:
    """The log fields of an ended order, so that one line holds everything; empty if still open."""
    if order.fill is not None and order.route is not None:
        price = decimal_text(order.fill.executed_price)
        told = {"dex": order.route.venue, "executed_price": price}
    elif order.failure is not None:
        told = {"reason": order.failure.reason.value, "detail": order.failure.detail}
    else:
        return {}
    took_s = (order.updated_at - order.created_at).total_seconds()
    what = {"symbol": order.symbol, "side": order.side.value, "quantity": f"{order.quantity:f}"}
    return {**what, **told, "took_s": round(took_s, 3)}
