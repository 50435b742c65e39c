"""A pool's computed swap, as prices and amounts of the base asset and USDC."""

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Protocol

from orderengine.amm.errors import InsufficientLiquidity
from orderengine.domain.pricing import (
    USDC_DECIMALS,
    USDC_PLACES,
    effective_price,
    market_impact_bps,
    to_tokens,
)
from orderengine.domain.side import Side


class ComputedSwap(Protocol):
    """The result of a swap in any pool program, in base units."""

    @property
    def amount_in(self) -> int:
        """The amount that the trader gave."""

    @property
    def amount_out(self) -> int:
        """The amount that the trader got."""

    @property
    def net_in(self) -> int:
        """The amount that entered the pool after fees."""

    @property
    def gross_out(self) -> int:
        """The amount that left the pool before fees."""


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


def bought(swap: ComputedSwap, fee: int, mid_price: Decimal, base_decimals: int) -> PricedSwap:
    """Price a buy of the base asset; `fee` is in base units of USDC.

    Raises InsufficientLiquidity if it gets nothing.
    """
    if swap.amount_out == 0:
        raise InsufficientLiquidity("it buys less than the smallest unit of the base asset")
    before_fees = effective_price(swap.gross_out, swap.net_in, base_decimals)
    return PricedSwap(
        base_amount=swap.amount_out,
        quote_amount=swap.amount_in,
        mid_price=mid_price,
        fee=to_tokens(fee, USDC_DECIMALS).quantize(USDC_PLACES, ROUND_HALF_EVEN),
        market_impact_bps=market_impact_bps(Side.BUY, mid_price, before_fees),
    )


def sold(swap: ComputedSwap, fee: Decimal, mid_price: Decimal, base_decimals: int) -> PricedSwap:
    """Price a sale of the base asset; raises InsufficientLiquidity if it brings nothing."""
    if swap.amount_out == 0:
        raise InsufficientLiquidity("worth less than the smallest unit of USDC")
    before_fees = effective_price(swap.net_in, swap.gross_out, base_decimals)
    return PricedSwap(
        base_amount=swap.amount_in,
        quote_amount=swap.amount_out,
        mid_price=mid_price,
        fee=fee.quantize(USDC_PLACES, ROUND_HALF_EVEN),
        market_impact_bps=market_impact_bps(Side.SELL, mid_price, before_fees),
    )
