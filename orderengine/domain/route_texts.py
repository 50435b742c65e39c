"""Routes in words: the shares of a split, how much better one choice is, and what is too large."""

from collections.abc import Sequence
from decimal import Decimal

from orderengine.domain.errors import FailureReason, OrderUnfillable
from orderengine.domain.pricing import BPS, USDC_DECIMALS, to_tokens
from orderengine.domain.routing import MAX_LEGS, REPEAT_BPS, Offer, RouteRequest
from orderengine.domain.side import Asset, Side


def percent(part: int, whole: int) -> str:
    """A share in percent, to two places."""
    return f"{Decimal(part) * 100 / Decimal(whole):.2f} %"


def advantage(request: RouteRequest, amount: int, other_amount: int) -> str:
    """How much better one amount of the asset that is not exact is than another, in words."""
    difference = abs(amount - other_amount)
    verb, word = ("costs", "less") if request.exact_side is Side.BUY else ("brings", "more")
    instrument = request.instrument
    told = (
        f"{to_tokens(difference, USDC_DECIMALS):f} USDC"
        if request.exact is Asset.BASE
        else f"{to_tokens(difference, instrument.decimals):f} {instrument.symbol}"
    )
    return f"{verb} {told} ({percent(difference, other_amount)}) {word} than"


def too_shallow(request: RouteRequest, offers: Sequence[Offer]) -> OrderUnfillable:
    """The refusal of an order that is too large, naming the largest possible amounts."""
    symbol = request.instrument.symbol
    by_base = request.exact is Asset.BASE
    unit, act = (symbol, "") if by_base else ("USDC", f" {symbol} for")
    largest = {offer.venue: _repeatable(request, offer) for offer in offers}
    most = sorted(largest.values(), reverse=True)
    text = f"at most {sum(most[: request.max_legs]):f} {unit}"
    if request.max_legs < len(most):
        text += f", or {sum(most[:MAX_LEGS]):f} with maxLegs {min(MAX_LEGS, len(most))}"
    each = ", ".join(f"{venue} {amount:f}" for venue, amount in largest.items())
    detail = f"the venues let you {request.side.value}{act} {text} ({each})"
    return OrderUnfillable(FailureReason.INSUFFICIENT_LIQUIDITY, detail)


def _repeatable(request: RouteRequest, offer: Offer) -> Decimal:
    """How many tokens, or USDC, an offer trades, even a little later; tokens in whole steps."""
    most = offer.largest(request.slippage_tolerance_bps) * BPS // (BPS + REPEAT_BPS)
    if request.exact is Asset.QUOTE:
        return to_tokens(most, USDC_DECIMALS)
    tokens = to_tokens(most, request.instrument.decimals)
    return tokens - tokens % request.instrument.quantity_step
