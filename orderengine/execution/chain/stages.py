"""The stages of an order that a worker runs without waiting: route, build, submit.

Each stage takes a group of orders and makes one fenced move of each, all in one statement. It
returns a result for each order: what it hands on, or the error that stopped the order. The error is
Superseded if the order has moved on, AttemptEnded if the stage ended the attempt, and a
TransientFault if the stage is to be run again. Any other error leaves the order unchanged, for
recovery. An error that concerns all orders is raised.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

import structlog

from orderengine.domain.documents import route_document
from orderengine.domain.errors import (
    AttemptFailed,
    FailureReason,
    NetworkUnavailable,
    VenueUnavailable,
)
from orderengine.domain.fill import SignedTransaction
from orderengine.domain.instruments import Instrument
from orderengine.domain.moves import Build, RoutingCause, StartRouting, Submit
from orderengine.domain.order import Order, OrderStatus
from orderengine.domain.routing import Route
from orderengine.domain.side import Side
from orderengine.execution.chain.attempts import end_attempt, outlast
from orderengine.execution.chain.engine import (
    MAX_RECOVERIES,
    Engine,
    Superseded,
)
from orderengine.execution.chain.groups import among, each
from orderengine.execution.chain.handover import Built, Routed, Submitted
from orderengine.execution.chain.price_limit import failure_of, limit_of
from orderengine.execution.chain.requests import request_of
from orderengine.execution.chain.swaps import handover_of, swap_of
from orderengine.execution.network import Reverted, Swap
from orderengine.execution.operations.counters import CounterName
from orderengine.execution.ports import PlannedMove, Quoted
from orderengine.execution.queries.find import route_from_answers

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Tries:
    """How often this message was tried before, and whether another try is left."""

    made: int
    left: bool


FIRST_TRY = Tries(made=0, left=True)
REQUOTE_DELAY_S = 0.05
REQUOTE_DELAY_MAX_S = 4.0


def start_routing(
    engine: Engine,
    order_id: UUID,
    version: int,
    cause: RoutingCause,
    tries: Tries = FIRST_TRY,
    *,
    again: bool = False,
) -> Order:
    """Move an order to `routing`; raises Superseded if it has moved on.

    A retry of the same message continues from the move that the first try made. A message that
    recovery sent `again` is counted before it moves a pending order, so that an order which crashes
    its worker before the first step is given up in the end.
    """
    if tries.made:
        order = engine.current(order_id, version + 1)
        if order.status is not OrderStatus.ROUTING:
            raise Superseded(f"order {order_id} is {order.status}")
        return order
    if again:
        engine.count_recovery(order_id, version)
    return engine.advance(order_id, version, StartRouting(cause))


def route_orders(
    engine: Engine, orders: Sequence[Order], tries: Tries = FIRST_TRY
) -> list[Routed | Exception]:
    """Quote every venue and choose the best for each client's side.

    Each venue is asked once for each instrument and side of the group. An order's result is
    VenueUnavailable if no venue answers and a try is left.
    """
    answers = _ask(engine, orders)
    return each(lambda order: _route(engine, order, answers, tries), orders)


Pair = tuple[str, Side]


def _ask(engine: Engine, orders: Sequence[Order]) -> Mapping[Pair, Quoted]:
    pairs: dict[Pair, tuple[Instrument, Side]] = {}
    for order in orders:
        instrument = engine.instruments.find(order.symbol)
        if instrument is not None:  # else the order fails when its turn comes
            pairs[order.symbol, order.side] = instrument, order.side
    began = time.monotonic()
    answers = engine.board.collect_all(list(pairs.values()))
    engine.pace.took(time.monotonic() - began)
    return dict(zip(pairs, answers, strict=True))


def _route(engine: Engine, order: Order, answers: Mapping[Pair, Quoted], tries: Tries) -> Routed:
    try:
        instrument = engine.instruments.get(order.symbol)
        request = request_of(order, instrument)
        route = route_from_answers(request, *answers[order.symbol, order.side])
        limit = limit_of(order, route, engine.max_notional)
    except AttemptFailed as failure:
        if failure.reason is FailureReason.NO_QUOTE and tries.left:
            raise VenueUnavailable(failure.detail) from failure
        if failure.reason is FailureReason.NO_QUOTE and engine.network.outage_s:
            outlast(engine, failure.detail, order)
        raise end_attempt(engine, order, failure) from failure
    _log_decision(order, route)
    return Routed(order.order_id, order.version, route, limit, order.attempt, order.request_id)


def _log_decision(order: Order, route: Route) -> None:
    log.info(
        "route_chosen",
        order_id=str(order.order_id),
        attempt=order.attempt,
        side=order.side.value,
        **route_document(route),
    )


def build_orders(engine: Engine, routed: Sequence[Routed]) -> list[Built | Exception]:
    """Store the routes and the worst amounts to settle at.

    An expired quote starts a new quote in the same attempt, after a growing delay; after repeated
    expiry the attempt ends.
    """
    moved = engine.advance_all(
        [PlannedMove(one.order_id, one.version, _build(one)) for one in routed]
    )
    return each(partial(_built, engine), routed, moved)


def _build(routed: Routed) -> Build:
    return Build(route=routed.route, limit_amount=routed.limit_amount)


def _built(engine: Engine, routed: Routed, moved: Order | Superseded) -> Built:
    if isinstance(moved, Superseded):
        # Still at this version, so the quote has expired; otherwise `current` raises.
        _take_quotes_anew(engine, engine.current(routed.order_id, routed.version))
        raise moved
    return handover_of(engine, moved)


def _take_quotes_anew(engine: Engine, order: Order) -> None:
    log.info("quote_expired", order_id=str(order.order_id), recoveries=order.recoveries)
    if order.recoveries >= MAX_RECOVERIES:
        detail = f"quotes expired before they were built, {order.recoveries} times in a row"
        raise end_attempt(engine, order, AttemptFailed(FailureReason.QUOTE_EXPIRED, detail))
    delay_s = min(REQUOTE_DELAY_S * 2**order.recoveries, REQUOTE_DELAY_MAX_S)
    engine.route_again(order.order_id, order.version, RoutingCause.QUOTE_EXPIRED, delay_s)


def submit_orders(
    engine: Engine, built: Sequence[Built], tries: Tries = FIRST_TRY
) -> list[Submitted | Exception]:
    """Sign the swaps, commit the signed bytes, and only then send them.

    Nothing is signed while trading is halted: recovery takes the orders up afterwards. Raises
    NetworkUnavailable if the network cannot sign now and a try is left.
    """
    if engine.halts.is_halted():
        return [Superseded(f"order {one.order_id}: trading is halted") for one in built]
    swaps = each(lambda one: (one, _swap(engine, one)), built)
    signed = among(swaps, lambda wanted: _sign(engine, wanted, tries))
    stored = among(signed, partial(_store, engine))
    return among(stored, partial(_send, engine))


def _swap(engine: Engine, built: Built) -> Swap:
    if built.swap is not None:
        return built.swap
    order = engine.current(built.order_id, built.version)
    try:
        return swap_of(engine, order)
    except AttemptFailed as failure:
        raise end_attempt(engine, order, failure) from failure


def _sign(
    engine: Engine, wanted: Sequence[tuple[Built, Swap]], tries: Tries
) -> Sequence[tuple[Built, SignedTransaction] | Exception]:
    answers: Sequence[SignedTransaction | AttemptFailed]
    try:
        answers = engine.network.sign_all([swap for _, swap in wanted])
    except NetworkUnavailable as error:
        if tries.left:
            raise
        if engine.network.outage_s:
            return each(partial(outlast, engine, str(error)), [built for built, _ in wanted])
        failure = AttemptFailed(FailureReason.NETWORK_UNAVAILABLE, str(error))
        answers = [failure] * len(wanted)
    return each(partial(_signed, engine), [built for built, _ in wanted], answers)


def _signed(
    engine: Engine, built: Built, answer: SignedTransaction | AttemptFailed
) -> tuple[Built, SignedTransaction]:
    if not isinstance(answer, AttemptFailed):
        return built, answer
    engine.metrics.count(CounterName.NOT_SIGNED, answer.reason.value)
    failure = answer
    if answer.reason is FailureReason.SLIPPAGE_EXCEEDED:
        order = engine.current(built.order_id, built.version)
        failure = failure_of(order, Reverted(slippage_exceeded=True, detail=answer.detail))
    raise end_attempt(engine, built, failure) from answer


def _store(
    engine: Engine, signed: Sequence[tuple[Built, SignedTransaction]]
) -> Sequence[tuple[Order, SignedTransaction] | Exception]:
    moved = engine.advance_all(
        [PlannedMove(built.order_id, built.version, Submit(bytes_)) for built, bytes_ in signed]
    )
    return [
        order if isinstance(order, Superseded) else (order, transaction)
        for order, (_, transaction) in zip(moved, signed, strict=True)
    ]


def _send(
    engine: Engine, stored: Sequence[tuple[Order, SignedTransaction]]
) -> Sequence[Submitted | Exception]:
    errors = engine.network.send_all([transaction for _, transaction in stored])
    return each(_submitted, [order for order, _ in stored], errors)


def _submitted(order: Order, error: NetworkUnavailable | None) -> Submitted:
    if error is not None:
        # The bytes may have arrived: only the network's word on the signature counts from here.
        log.warning("send_unanswered", order_id=str(order.order_id), error=str(error))
    return Submitted.of(order)
