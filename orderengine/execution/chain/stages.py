"""The four stages of an order: route, build, submit, confirm.

Each stage has one fenced move. A poll that finds nothing final makes none; to end an attempt, a
stage makes another one. A stage raises Superseded if the order has moved on, AttemptEnded if it
ended the attempt, and TransientFault to be run again. Any other error leaves the order where it is,
for recovery.
"""

from dataclasses import dataclass
from enum import Enum, auto
from uuid import UUID

import structlog

from orderengine.domain.documents import route_document
from orderengine.domain.errors import (
    AttemptFailed,
    FailureReason,
    NetworkUnavailable,
    OrderEngineError,
    VenueUnavailable,
)
from orderengine.domain.moves import Build, Confirm, RoutingCause, StartRouting, Submit
from orderengine.domain.order import Fill, Order, OrderStatus, SignedTransaction
from orderengine.domain.pricing import effective_price, slippage_bps
from orderengine.domain.routing import Route, RouteRequest
from orderengine.execution.chain.engine import MAX_RECOVERIES, AttemptEnded, Engine, Superseded
from orderengine.execution.chain.handover import Built, Routed, Submitted
from orderengine.execution.chain.price_limit import failure_of, limit_of
from orderengine.execution.ports import (
    Execution,
    InFlight,
    NotFound,
    Outcome,
    Reverted,
    Swap,
    SwapLeg,
)
from orderengine.execution.queries.find import find_route

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Tries:
    """How often this message was tried before, and whether another try is left."""

    made: int
    left: bool


FIRST_TRY = Tries(made=0, left=True)
REQUOTE_DELAY_S = 0.05
REQUOTE_DELAY_MAX_S = 4.0


def route_order(
    engine: Engine,
    order_id: UUID,
    version: int,
    cause: RoutingCause,
    tries: Tries = FIRST_TRY,
    *,
    again: bool = False,
) -> Routed:
    """Quote every venue and choose the best for the client's side.

    A retry of the same message continues from the move that the first try made. A message that
    recovery sent `again` is counted before it moves a pending order, so that an order which crashes
    its worker before the first step is given up in the end.
    Raises VenueUnavailable if no venue answers and a try is left.
    """
    if tries.made:
        order = _resume_routing(engine, order_id, version)
    else:
        if again:
            engine.count_recovery(order_id, version)
        order = engine.advance(order_id, version, StartRouting(cause))
    try:
        instrument = engine.instruments.get(order.symbol)
        request = RouteRequest(
            instrument,
            order.side,
            instrument.base_units(order.quantity),
            order.slippage_tolerance_bps,
            order.max_legs,
        )
        route = find_route(engine.board, request)
        limit = limit_of(order, route, engine.max_notional)
    except AttemptFailed as failure:
        if failure.reason is FailureReason.NO_QUOTE and tries.left:
            raise VenueUnavailable(failure.detail) from failure
        raise _end_attempt(engine, order, failure) from failure
    _log_decision(order, route)
    return Routed(order_id, order.version, route, limit, order.attempt)


def _resume_routing(engine: Engine, order_id: UUID, version: int) -> Order:
    order = engine.current(order_id, version + 1)
    if order.status is not OrderStatus.ROUTING:
        raise Superseded(f"order {order_id} is {order.status}")
    return order


def _log_decision(order: Order, route: Route) -> None:
    log.info(
        "route_chosen",
        order_id=str(order.order_id),
        attempt=order.attempt,
        side=order.side.value,
        **route_document(route),
    )


def build_order(engine: Engine, routed: Routed) -> Built:
    """Store the route and the worst amount to settle at.

    An expired quote starts a new quote in the same attempt, after a growing delay; after repeated
    expiry the attempt ends.
    """
    build = Build(route=routed.route, limit_amount=routed.limit_amount)
    try:
        order = engine.advance(routed.order_id, routed.version, build)
    except Superseded:
        # Still at this version, so the quote has expired; otherwise `current` raises.
        _take_quotes_anew(engine, engine.current(routed.order_id, routed.version))
        raise
    return Built(order.order_id, order.version, order.attempt)


def _take_quotes_anew(engine: Engine, order: Order) -> None:
    log.info("quote_expired", order_id=str(order.order_id), recoveries=order.recoveries)
    if order.recoveries >= MAX_RECOVERIES:
        detail = f"quotes expired before they were built, {order.recoveries} times in a row"
        raise _end_attempt(engine, order, AttemptFailed(FailureReason.QUOTE_EXPIRED, detail))
    delay_s = min(REQUOTE_DELAY_S * 2**order.recoveries, REQUOTE_DELAY_MAX_S)
    engine.route_again(order.order_id, order.version, RoutingCause.QUOTE_EXPIRED, delay_s)


def submit_order(engine: Engine, built: Built, tries: Tries = FIRST_TRY) -> Submitted:
    """Sign the swap in the row, commit the signed bytes, and only then send them.

    Raises NetworkUnavailable if the network cannot sign now and a try is left.
    """
    order = engine.at_move(built.order_id, built.version)
    transaction = _sign(engine, order, tries)
    submitted = engine.advance(built.order_id, built.version, Submit(transaction))
    try:
        engine.network.send(transaction)
    except NetworkUnavailable as error:
        # The bytes may have arrived: only the network's word on the signature counts from here.
        log.warning("send_unanswered", order_id=str(order.order_id), error=str(error))
    return Submitted.of(submitted)


def _sign(engine: Engine, order: Order, tries: Tries) -> SignedTransaction:
    try:
        return engine.network.sign(_swap(engine, order))
    except NetworkUnavailable as error:
        if tries.left:
            raise
        failure = AttemptFailed(FailureReason.NETWORK_UNAVAILABLE, str(error))
        raise _end_attempt(engine, order, failure) from error
    except AttemptFailed as failure:
        raise _end_attempt(engine, order, failure) from failure


def _swap(engine: Engine, order: Order) -> Swap:
    if order.route is None or order.limit_amount is None:
        raise OrderEngineError(f"order {order.order_id} is {order.status} without a route")
    instrument, route = engine.instruments.get(order.symbol), order.route
    # A release with other decimals may have routed it: the route states those of its amounts.
    base_amount = int(order.quantity.scaleb(route.base_decimals))
    unstated = route.base_decimals == instrument.unstated_decimals
    decimals = None if unstated else route.base_decimals
    if (route.base_amount, {leg.side for leg in route.legs}) != (base_amount, {order.side}):
        raise OrderEngineError(f"order {order.order_id} was routed for another amount or side")
    return Swap(
        order_id=order.order_id,
        attempt=order.attempt,
        symbol=order.symbol,
        side=order.side,
        legs=tuple(SwapLeg(leg.venue, leg.pool, leg.base_amount, decimals) for leg in route.legs),
        limit_amount=order.limit_amount,
    )


class PollResult(Enum):
    """The result of one poll of the network."""

    CONFIRMED = auto()
    IN_FLIGHT = auto()
    SENT_AGAIN = auto()


def confirm_order(engine: Engine, submitted: Submitted) -> PollResult:
    """Poll the network once, and send again if it does not know the signature.

    Any result but CONFIRMED needs another poll. A transaction that landed with an error, or that
    provably cannot land any more, ends the attempt.
    """
    outcome: Outcome | None = engine.network.look_up(submitted.signature)
    if isinstance(outcome, NotFound):
        outcome = _send_again_or_prove_expiry(engine, submitted)
    if outcome is None:
        return PollResult.SENT_AGAIN
    if isinstance(outcome, InFlight):
        return PollResult.IN_FLIGHT
    if isinstance(outcome, Execution):
        _confirm(engine, submitted, outcome)
        return PollResult.CONFIRMED
    raise _end_attempt(engine, submitted, _failure(engine, submitted, outcome))


def _failure(engine: Engine, submitted: Submitted, outcome: Reverted | NotFound) -> AttemptFailed:
    if isinstance(outcome, NotFound):
        detail = "the network proved that the transaction can not land any more"
        return AttemptFailed(FailureReason.EXPIRED, detail)
    return failure_of(engine.current(submitted.order_id, submitted.version), outcome)


def _send_again_or_prove_expiry(engine: Engine, submitted: Submitted) -> Outcome | None:
    """Send the row's bytes again, or, past their last valid height, get the proof of expiry.

    None after sending; NotFound only as that proof. The proof needs this order of requests: first
    the height, then the signature.
    """
    order = engine.current(submitted.order_id, submitted.version)
    transaction = order.transaction
    if transaction is None or transaction.signature != submitted.signature:
        raise Superseded(f"order {submitted.order_id} has another live signature")
    if engine.network.final_height() > transaction.last_valid_height:
        return engine.network.look_up_expired(transaction)
    engine.network.send(transaction)
    return None


def _end_attempt(engine: Engine, order: Order | Submitted, failure: AttemptFailed) -> AttemptEnded:
    """End the attempt, and return the error for the caller to raise."""
    engine.end_attempt(order.order_id, order.version, failure)
    return AttemptEnded(str(failure))


def _confirm(engine: Engine, submitted: Submitted, execution: Execution) -> None:
    price = effective_price(
        execution.base_amount, execution.quote_amount, submitted.base_decimals, submitted.side
    )
    fill = Fill(
        base_amount=execution.base_amount,
        quote_amount=execution.quote_amount,
        executed_price=price,
        fee=execution.fee,
        market_impact_bps=execution.market_impact_bps,
        slippage_bps=slippage_bps(submitted.side, submitted.quoted_price, price),
        landed_at=execution.landed_at,
        legs=execution.legs,
    )
    move = Confirm(
        venue=submitted.venue,
        quoted_price=submitted.quoted_price,
        signature=submitted.signature,
        fill=fill,
    )
    engine.advance(submitted.order_id, submitted.version, move)
