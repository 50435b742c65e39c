"""How an order goes on after a failed attempt: by its type, time in force, and the reason."""

from collections.abc import Callable

from orderengine.domain.errors import AttemptFailed, FailureReason, OrderUnfillable
from orderengine.domain.moves import (
    EndCanceled,
    EndExpired,
    Fail,
    FailAttempt,
    Move,
    NotFilled,
    Rest,
)
from orderengine.domain.order import Order, OrderStatus
from orderengine.domain.terms import OrderType

MAX_PAID_RESTS = 10
"""How often an order may rest after transactions that landed with an error and cost a fee.

A rest counts once, for whatever number of transactions since the order started.
"""

_LEFT = {
    FailureReason.NO_QUOTE,
    FailureReason.INSUFFICIENT_LIQUIDITY,
    FailureReason.PRICE_LIMIT,
}
"""Reasons for which a limit order that is not signed waits again."""

_MISSED = {FailureReason.PRICE_LIMIT, FailureReason.SLIPPAGE_EXCEEDED}
"""Reasons for which a limit order waits again after its transaction has landed with an error."""

_UNFILLED = {
    FailureReason.NO_QUOTE,
    FailureReason.PRICE_LIMIT,
    FailureReason.SLIPPAGE_EXCEEDED,
    FailureReason.EXPIRED,
}
"""Reasons for which a limit order with one try ends without a fill; others are failures."""


def move_after(
    order: Order,
    failure: AttemptFailed,
    max_attempts: int,
    backoff_s: Callable[[int], float],
    *,
    paid: bool = False,
) -> Move:
    """The move after a failed attempt; `paid` if its transaction landed with an error."""
    tried = order.attempt - order.first_attempt + 1
    again = tried < max_attempts and not isinstance(failure, OrderUnfillable)
    if failure.reason is FailureReason.TRANSACTION_TOO_LARGE:
        # The next attempt has fewer legs. Nothing has to pass first, and the legs bound how often.
        again, backoff_s = not isinstance(failure, OrderUnfillable), _at_once
    if order.rests:
        return _after_resting(order, failure, tried if again else None, backoff_s, paid=paid)
    if order.type is OrderType.LIMIT and failure.reason in _UNFILLED:
        return NotFilled(failure.reason, failure.detail)
    if again:
        return FailAttempt(failure.reason, failure.detail, backoff_s(tried))
    return Fail(failure.reason, failure.detail)


def _at_once(_: int) -> float:
    return 0.0


def _after_resting(
    order: Order,
    failure: AttemptFailed,
    tried: int | None,
    backoff_s: Callable[[int], float],
    *,
    paid: bool,
) -> Move:
    """The move of a GTC or GTD limit order; `tried` is None if no attempt is left."""
    is_signed = order.status is OrderStatus.SUBMITTED
    has_left = failure.reason in (_MISSED if is_signed else _LEFT) and paid == is_signed
    has_left = has_left or (not is_signed and _is_long_outage(failure))
    if not has_left and tried is not None:
        return FailAttempt(failure.reason, failure.detail, backoff_s(tried))
    is_final = isinstance(failure, OrderUnfillable) and not has_left
    # An earlier attempt since the latest start may have cost a fee, and this one none.
    has_paid = paid or any(
        each.reason is FailureReason.CHAIN_ERROR and each.attempt >= order.first_attempt
        for each in order.failed_attempts
    )
    if is_final or (has_paid and order.paid_rests >= MAX_PAID_RESTS):
        return Fail(failure.reason, failure.detail)
    return Rest(failure.reason, failure.detail, has_paid)


def _is_long_outage(failure: AttemptFailed) -> bool:
    """Whether the network has given no answer for so long that no attempt is worth making."""
    is_outage = failure.reason is FailureReason.NETWORK_UNAVAILABLE
    return is_outage and isinstance(failure, OrderUnfillable)


def end_of(order: Order, detail: str) -> EndCanceled | EndExpired | None:
    """The end of a submitted order whose transaction is dead; a request beats an expiry.

    None if it has neither. Storage makes the second move only after `expires_at`.
    """
    if order.cancel_requested_at is not None:
        return EndCanceled(detail)
    return None if order.expires_at is None else EndExpired(detail)
