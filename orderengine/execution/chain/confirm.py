"""The last stage of an order, confirm: polls the network until the transaction has landed.

It takes a group of orders and returns a result for each, like the other stages.
"""

from collections.abc import Sequence
from enum import Enum, auto
from functools import partial

from orderengine.domain.errors import AttemptFailed, FailureReason, StorageUnavailable
from orderengine.domain.fill import Fill
from orderengine.domain.moves import Confirm
from orderengine.domain.order import Order
from orderengine.domain.pricing import effective_price, slippage_bps
from orderengine.execution.chain.engine import AttemptEnded, Engine, Superseded
from orderengine.execution.chain.groups import each
from orderengine.execution.chain.handover import Submitted
from orderengine.execution.chain.price_limit import failure_of
from orderengine.execution.network import Execution, InFlight, NotFound, Outcome, Reverted
from orderengine.execution.ports import PlannedMove


class PollResult(Enum):
    """The result of one poll of the network."""

    CONFIRMED = auto()
    IN_FLIGHT = auto()
    SENT_AGAIN = auto()


def confirm_orders(engine: Engine, submitted: Sequence[Submitted]) -> list[PollResult | Exception]:
    """Poll the network once, and send again what it does not know.

    Any result but CONFIRMED needs another poll. A transaction that landed with an error, or that
    provably cannot land any more, ends the attempt. Raises NetworkUnavailable without an answer.
    """
    outcomes = engine.network.look_up_all([one.signature for one in submitted])
    polled = each(partial(_polled, engine), submitted, outcomes)
    landed = [one for one in polled if isinstance(one, PlannedMove)]
    moved = iter(_moved(engine, landed))
    return [next(moved) if isinstance(one, PlannedMove) else one for one in polled]


def _moved(engine: Engine, landed: Sequence[PlannedMove]) -> list[PollResult | Exception]:
    try:
        moved = engine.advance_all(landed)
    except StorageUnavailable as error:
        return [error] * len(landed)  # the others are still in flight, and are polled again
    return [one if isinstance(one, Superseded) else PollResult.CONFIRMED for one in moved]


def _polled(engine: Engine, submitted: Submitted, found: Outcome) -> PollResult | PlannedMove:
    """The move to confirm an execution; else the result of the poll."""
    outcome: Outcome | None = found
    if isinstance(outcome, NotFound):
        outcome = _send_again_or_prove_expiry(engine, submitted)
    if outcome is None:
        return PollResult.SENT_AGAIN
    if isinstance(outcome, InFlight):
        return PollResult.IN_FLIGHT
    if isinstance(outcome, Execution):
        move = _confirm(submitted, outcome)
        return PlannedMove(submitted.order_id, submitted.version, move)
    order = engine.live(submitted.order_id, submitted.signature)
    failure = _failure(order, outcome)
    engine.end_attempt(order, failure, submitted.signature, paid=isinstance(outcome, Reverted))
    raise AttemptEnded(str(failure))


def _failure(order: Order, outcome: Reverted | NotFound) -> AttemptFailed:
    if isinstance(outcome, NotFound):
        detail = "the network proved that the transaction can not land any more"
        return AttemptFailed(FailureReason.EXPIRED, detail)
    return failure_of(order, outcome)


def _send_again_or_prove_expiry(engine: Engine, submitted: Submitted) -> Outcome | None:
    """Send the row's bytes again, or, past their last valid height, get the proof of expiry.

    None after sending; NotFound only as that proof. The proof needs this order of requests: first
    the height, then the signature. What its client wants to cancel, and what has expired, is not
    sent again: it may have been lost before it was ever sent.
    """
    order = engine.live(submitted.order_id, submitted.signature)
    transaction = order.transaction
    if transaction is None:
        raise Superseded(f"order {submitted.order_id} has no transaction")
    if engine.network.final_height() > transaction.last_valid_height:
        return engine.network.look_up_expired(transaction)
    if order.cancel_requested_at is not None or _has_expired(engine, order):
        return InFlight()
    engine.network.send(transaction)
    return None


def _has_expired(engine: Engine, order: Order) -> bool:
    return order.expires_at is not None and engine.clock.now() >= order.expires_at


def _confirm(submitted: Submitted, execution: Execution) -> Confirm:
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
    return Confirm(
        venue=submitted.venue,
        quoted_price=submitted.quoted_price,
        signature=submitted.signature,
        fill=fill,
    )
