"""The last stage of an order, confirm: polls the network until the transaction has landed.

It takes a group of orders and returns a result for each, like the other stages.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial

import structlog

from orderengine.domain.errors import (
    AttemptFailed,
    FailureReason,
    HistoryMissing,
    NetworkUnavailable,
    StorageUnavailable,
)
from orderengine.domain.fill import Fill, SignedTransaction
from orderengine.domain.moves import Confirm
from orderengine.domain.order import Order
from orderengine.domain.pricing import effective_price, slippage_bps
from orderengine.execution.chain.engine import AttemptEnded, Engine, Superseded
from orderengine.execution.chain.groups import each
from orderengine.execution.chain.handover import Submitted
from orderengine.execution.chain.price_limit import failure_of
from orderengine.execution.network import Execution, InFlight, NotFound, Outcome, Reverted
from orderengine.execution.ports import PlannedMove

log = structlog.get_logger(__name__)


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
    found = _with_those_not_found(engine, submitted, outcomes)
    unknown = [
        one.order_id
        for one, each_found in zip(submitted, found, strict=True)
        if isinstance(each_found, HistoryMissing)
    ]
    if unknown:
        engine.orders.hold(unknown, FailureReason.HISTORY_MISSING)
    polled = each(partial(_polled, engine), submitted, found)
    landed = [one for one in polled if isinstance(one, PlannedMove)]
    moved = iter(_moved(engine, landed))
    return [next(moved) if isinstance(one, PlannedMove) else one for one in polled]


def _moved(engine: Engine, landed: Sequence[PlannedMove]) -> list[PollResult | Exception]:
    try:
        moved = engine.advance_all(landed)
    except StorageUnavailable as error:
        return [error] * len(landed)  # the others are still in flight, and are polled again
    return [one if isinstance(one, Superseded) else PollResult.CONFIRMED for one in moved]


Found = Outcome | Exception | None
"""An outcome, None for bytes that were sent again, or the error that leaves the order as it is."""


def _polled(engine: Engine, submitted: Submitted, outcome: Found) -> PollResult | PlannedMove:
    """The move to confirm an execution; else the result of the poll."""
    if isinstance(outcome, Exception):
        raise outcome
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


def _with_those_not_found(
    engine: Engine, submitted: Sequence[Submitted], outcomes: Sequence[Outcome]
) -> list[Found]:
    """The outcomes; for what the network does not know, what follows from its row."""
    unknown = [
        one
        for one, outcome in zip(submitted, outcomes, strict=True)
        if isinstance(outcome, NotFound)
    ]
    if not unknown:
        return list(outcomes)
    found = iter(_send_again_or_prove_expiry(engine, unknown))
    return [next(found) if isinstance(outcome, NotFound) else outcome for outcome in outcomes]


def _send_again_or_prove_expiry(engine: Engine, unknown: Sequence[Submitted]) -> list[Found]:
    """Send the rows' bytes again, or, past their last valid height, get the proof of expiry.

    NotFound only as that proof. The proof needs this order of requests: first the height, then the
    signatures. The bytes of an order that its client wants to cancel, or whose time has passed, are
    not sent again: they may never have been sent. Bytes for another network or of another wallet
    are left alone, since this network knows nothing about them.
    """
    rows = each(partial(_row_of, engine), unknown)
    own = [row for row in rows if isinstance(row, _Row) and row.is_own]
    try:
        answers = _asked(engine, own)
    except NetworkUnavailable as error:
        answers = dict.fromkeys((row.transaction.signature for row in own), error)
    return [
        answers.get(row.transaction.signature, InFlight()) if isinstance(row, _Row) else row
        for row in rows
    ]


def _asked(engine: Engine, rows: Sequence["_Row"]) -> dict[str, Found]:
    """The answers by signature; what is neither sent nor proved dead has none."""
    if not rows:
        return {}
    final = engine.network.final_height()
    late = [row.transaction for row in rows if final > row.transaction.last_valid_height]
    again = [
        row.transaction
        for row in rows
        if final <= row.transaction.last_valid_height
        and row.order.cancel_requested_at is None
        and not _has_expired(engine, row.order)
    ]
    sent = engine.network.send_all(again) if again else []
    proved = engine.network.look_up_expired_all(late) if late else []
    signatures = [each.signature for each in (*again, *late)]
    return dict(zip(signatures, [*sent, *proved], strict=True))


@dataclass(frozen=True, slots=True)
class _Row:
    order: Order
    transaction: SignedTransaction
    is_own: bool


def _row_of(engine: Engine, submitted: Submitted) -> _Row:
    order = engine.live(submitted.order_id, submitted.signature)
    if order.transaction is None:
        raise Superseded(f"order {submitted.order_id} has no transaction")
    is_own = engine.network.owns(order.transaction)
    if not is_own:
        log.warning("foreign_order", order_id=str(order.order_id))
    return _Row(order, order.transaction, is_own)


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
        network_fee_lamports=execution.network_fee_lamports,
        priority_fee_lamports=execution.priority_fee_lamports,
        rent_lamports=execution.rent_lamports,
    )
    return Confirm(
        venue=submitted.venue,
        quoted_price=submitted.quoted_price,
        signature=submitted.signature,
        fill=fill,
    )
