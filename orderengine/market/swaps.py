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

    A fee that is taken in the base asset is valued at the mid price.
    """

    base_amount: int
    quote_amount: int
    mid_price: Decimal
    fee: Decimal
    market_impact_bps: Decimal


@dataclass(frozen=True, slots=True)
class PoolFees:
    """The fees of a swap in base units, of the token that is paid and of the one that is got."""

    paid: int
    got: int = 0


def priced(
    swap: ComputedSwap, side: Side, fees: PoolFees, mid_price: Decimal, base_decimals: int
) -> PricedSwap:
    """Price a buy or a sale of the base asset.

    Raises InsufficientLiquidity if it gets nothing.
    """
    if swap.amount_out == 0:
        unit = "the base asset" if side is Side.BUY else "USDC"
        raise InsufficientLiquidity(f"worth less than the smallest unit of {unit}")
    if side is Side.BUY:
        base, usdc = (swap.amount_out, swap.gross_out), (swap.amount_in, swap.net_in)
        base_fee, usdc_fee = fees.got, fees.paid
    else:
        base, usdc = (swap.amount_in, swap.net_in), (swap.amount_out, swap.gross_out)
        base_fee, usdc_fee = fees.paid, fees.got
    fee = to_tokens(usdc_fee, USDC_DECIMALS) + to_tokens(base_fee, base_decimals) * mid_price
    before_fees = effective_price(base[1], usdc[1], base_decimals)
    return PricedSwap(
        base_amount=base[0],
        quote_amount=usdc[0],
        mid_price=mid_price,
        fee=fee.quantize(USDC_PLACES, ROUND_HALF_EVEN),
        market_impact_bps=market_impact_bps(side, mid_price, before_fees),
    )
