"""What a pool gives for one swap, and how large a swap may be."""

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from orderengine.amm.cpmm import CpmmPool, exact_in, exact_out
from orderengine.amm.direction import Direction
from orderengine.amm.errors import InsufficientLiquidity
from orderengine.domain.pricing import (
    PRICE_PLACES,
    USDC_DECIMALS,
    effective_price,
    market_impact_bps,
    to_tokens,
)
from orderengine.domain.side import Side


@dataclass(frozen=True, slots=True)
class PricedSwap:
    """A swap against a pool: amounts in base units, `mid_price` and `fee` in USDC.

    A sell's fee, taken in the base asset, is valued at the mid price.
    """

    base_amount: int
    quote_amount: int
    mid_price: Decimal
    fee: Decimal
    market_impact_bps: Decimal


def price_swap(pool: CpmmPool, side: Side, base_amount: int, base_decimals: int) -> PricedSwap:
    """Price a buy of exactly, or a sale of exactly, `base_amount` base units.

    The pool's X is the base asset, its Y is USDC. Raises InsufficientLiquidity when the pool
    cannot pay that much, or when the sale would bring nothing.
    """
    mid_price = effective_price(pool.reserve_x, pool.reserve_y, base_decimals)
    if side is Side.BUY:
        swap = exact_out(pool, base_amount, Direction.Y_TO_X)
        quote_amount = swap.amount_in
        before_fees = effective_price(base_amount, swap.net_in, base_decimals)
        fee = to_tokens(swap.trade_fee, USDC_DECIMALS)
    else:
        swap = exact_in(pool, base_amount, Direction.X_TO_Y)
        if swap.amount_out == 0:
            raise InsufficientLiquidity("worth less than the smallest unit of USDC")
        quote_amount = swap.amount_out
        before_fees = effective_price(swap.net_in, swap.gross_out, base_decimals)
        fee = to_tokens(swap.trade_fee, base_decimals) * mid_price
    return PricedSwap(
        base_amount=base_amount,
        quote_amount=quote_amount,
        mid_price=mid_price,
        fee=fee.quantize(PRICE_PLACES, ROUND_HALF_EVEN),
        market_impact_bps=market_impact_bps(side, mid_price, before_fees),
    )


def largest_swap(pool: CpmmPool, side: Side) -> int:
    """The most of the base asset, in base units, that a pool trades at a sane price.

    A swap of that size has a market impact of 50 %.
    """
    return pool.reserve_x // 3 if side is Side.BUY else pool.reserve_x
