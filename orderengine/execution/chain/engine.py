"""Shared by the stages and recovery: the ports, and moving an order with all that follows."""

from collections.abc import Callable, Iterator, Sequence
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
)
from orderengine.domain.events import Moved
from orderengine.domain.home import Home, anywhere
from orderengine.domain.instruments import Instruments
from orderengine.domain.moves import FailAttempt, Move, RoutingCause
from orderengine.domain.order import Order, OrderStatus
from orderengine.domain.texts import decimal_text
from orderengine.execution.chain.ends import end_of, move_after
from orderengine.execution.chain.slots import Pace
from orderengine.execution.network import SettlementNetwork
from orderengine.execution.operations.counters import Metrics
from orderengine.execution.operations.halting import Halts, NeverHalted
from orderengine.execution.operations.order_metrics import record_move
from orderengine.execution.ports import (
    Clock,
    Dispatcher,
    EventPublisher,
    Orders,
    PlannedMove,
    PreparedStart,
    QuoteBoard,
)

log = structlog.get_logger(__name__)

MAX_RECOVERIES = 10
END_TRIES = 3
"""A client's request may come between reading a submitted order and ending it."""


class Named(Protocol):
    """An order, or a handover of one; a handover of an older release has neither last value."""

    @property
    def order_id(self) -> UUID:
        """The order's id."""

    @property
    def attempt(self) -> int | None:
        """The attempt it is in."""

    @property
    def request_id(self) -> str | None:
        """The request that placed it."""


@contextmanager
def logging_as(stage: str, order_id: UUID | str, attempt: int | None = None) -> Iterator[None]:
    """Bind order, attempt and stage to every line logged meanwhile, including a library's.

    The attempt is null until the order is read.
    """
    with bound_contextvars(order_id=str(order_id), stage=stage, attempt=attempt):
        yield


@contextmanager
def logging_of(order: Named) -> Iterator[None]:
    """Bind one order of a group, its attempt and its request to every line logged meanwhile."""
    request = {} if order.request_id is None else {"request_id": order.request_id}
    with bound_contextvars(order_id=str(order.order_id), attempt=order.attempt, **request):
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


@dataclass(frozen=True, slots=True)
class Engine:
    """The ports of a worker and the policy of its attempts.

    `attempt_backoff_s` gives the delay after attempt n, in seconds. `max_notional` is the highest
    value of an order, in whole USDC, `max_daily_notional` that of all orders of a client in a day;
    0 is no limit. `outage_limit_s` is how long an order with one try waits unsigned for a network
    that gives no answer. `home` is the network and the wallet that its orders belong to.
    """

    orders: Orders
    board: QuoteBoard
    network: SettlementNetwork
    publisher: EventPublisher
    dispatcher: Dispatcher
    instruments: Instruments
    metrics: Metrics
    clock: Clock
    max_attempts: int
    attempt_backoff_s: Callable[[int], float]
    max_notional: int = 0
    max_daily_notional: int = 0
    outage_limit_s: float = 60.0
    pace: Pace = field(default_factory=Pace, repr=False)
    halts: Halts = field(default_factory=NeverHalted, repr=False)
    home: Callable[[], Home] = anywhere

    def advance(self, order_id: UUID, version: int, move: Move) -> Order:
        """Move an order and publish the event; raises Superseded if it is not at `version`."""
        (order,) = self.advance_all([PlannedMove(order_id, version, move)])
        if isinstance(order, Superseded):
            raise order
        note_attempt(order.attempt)
        return order

    def advance_all(self, planned: Sequence[PlannedMove]) -> list[Order | Superseded]:
        """Make moves of one kind, each as `advance` does; a result for each, in the same order."""
        if not planned:
            return []
        moved = self.orders.move_all(planned)
        self.tell([each for each in moved if each is not None])
        return [
            Superseded(f"order {plan.order_id} is not at version {plan.version}, or may not move")
            if each is None
            else each.order
            for plan, each in zip(planned, moved, strict=True)
        ]

    def claim(self, order_id: UUID, version: int, others: int) -> list[Order]:
        """Start routing of an order, and of up to `others` more; see `Orders.claim_pending`.

        Raises Superseded if there is none to route.
        """
        claimed = self.orders.claim_pending(order_id, version, others)
        if not claimed:
            raise Superseded(f"order {order_id} is not at version {version}")
        self.tell(claimed)
        return [each.order for each in claimed]

    def start(self, planned: Sequence[PlannedMove]) -> list[Moved]:
        """Make moves of one kind, and publish the steps of those orders that moved.

        To be counted and logged by `note` as soon as there is time.
        """
        moved = [each for each in self.orders.move_all(planned) if each is not None]
        if moved:
            self.publisher.publish_all(moved)
        return moved

    def start_prepared(self, prepared: Sequence[PreparedStart]) -> Sequence[Sequence[Moved]]:
        """Start orders whose route is in hand, and publish their steps; those of all that moved.

        To be counted and logged by `note` as soon as there is time.
        """
        started = [steps for steps in self.orders.start_prepared(prepared) if steps]
        if started:
            self.publisher.publish_all([step for steps in started for step in steps])
        return started

    def tell(self, moved: Sequence[Moved]) -> None:
        """Publish, count and log moves that are stored."""
        if moved:
            self.publisher.publish_all(moved)
        self.note(moved)

    def note(self, moved: Sequence[Moved]) -> None:
        """Count and log moves that are published."""
        for order in (each.order for each in moved):
            record_move(self.metrics, order)
            with logging_of(order):
                log.info(
                    "order_moved",
                    order_id=str(order.order_id),
                    status=order.status.value,
                    version=order.version,
                    attempt=order.attempt,
                    **_end(order),
                )

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

    def live(self, order_id: UUID, signature: str) -> Order:
        """Read a submitted order; raises Superseded if another transaction is live, or none.

        Its version does not matter: a client's request to cancel raises it.
        """
        order = self.orders.get(order_id)
        signed = None if order is None else order.transaction
        if (
            order is None
            or order.status is not OrderStatus.SUBMITTED
            or signed is None
            or signed.signature != signature
        ):
            raise Superseded(f"order {order_id} has another live signature, or none")
        note_attempt(order.attempt)
        return order

    def end_attempt(
        self, order: Order, failure: AttemptFailed, signature: str | None = None, *, paid: bool
    ) -> None:
        """Start the next attempt after a backoff, let the order wait again, or end it.

        `signature` is the transaction of a submitted order, of which the network has told that it
        is dead; `paid` if it landed with an error. Raises Superseded if the order has moved.
        """
        move = move_after(order, failure, self.max_attempts, self.attempt_backoff_s, paid=paid)
        (after,) = self.advance_all([PlannedMove(order.order_id, order.version, move, signature)])
        if isinstance(after, Superseded):
            if signature is None:
                raise after
            self._end(order.order_id, signature, failure)
            return
        note_attempt(after.attempt)
        log.warning(
            "attempt_failed",
            order_id=str(order.order_id),
            attempt=order.attempt,
            reason=failure.reason.value,
            detail=failure.detail,
            order_failed=after.status.is_terminal,
        )
        if isinstance(move, FailAttempt):
            self.route_again(order.order_id, after.version, RoutingCause.RETRY, move.backoff_s)

    def _end(self, order_id: UUID, signature: str, failure: AttemptFailed) -> None:
        """End a submitted order whose cancel was requested, or whose time has passed."""
        for _ in range(END_TRIES):
            move = end_of(self.live(order_id, signature), failure.detail)
            if move is None:
                break
            planned = PlannedMove(order_id, 0, move, signature)
            (after,) = self.advance_all([planned])
            if not isinstance(after, Superseded):
                return
        raise Superseded(f"order {order_id} may not move now")

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
    what = {"symbol": order.symbol, "side": order.side.value, **order.logged_amount}
    return {**what, **told, "took_s": round(took_s, 3)}
