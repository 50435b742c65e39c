"""What a pool of one moment gives for one side: any size, how much at most, and at which margin.

The base asset is the pool's X and USDC its Y, both in base units.
"""

from bisect import bisect_right
from functools import cached_property
from itertools import accumulate
from typing import ClassVar, Protocol

from orderengine.amm import cpmm, dlmm
from orderengine.amm.cpmm import FEE_RATE_DENOMINATOR, CpmmPool
from orderengine.amm.direction import Direction
from orderengine.amm.dlmm import DlmmPool
from orderengine.amm.dlmm_bin import BinTerms
from orderengine.amm.dlmm_fee import FEE_PRECISION, fee_on_top
from orderengine.amm.dlmm_price import PRICE_BITS, bin_price, cost
from orderengine.amm.errors import InsufficientLiquidity
from orderengine.domain.pricing import effective_price, to_tokens
from orderengine.domain.routing import MARGINAL_BITS
from orderengine.domain.side import Side
from orderengine.market.swaps import PricedSwap, bought, sold


class Liquidity(Protocol):
    """One side of one pool."""

    kind: ClassVar[str]

    @property
    def largest(self) -> int:
        """The most of the base asset, in base units, that one swap may trade."""

    def price(self, base_amount: int) -> PricedSwap:
        """Price a swap of exactly this many base units; raises AmmError if it cannot be made."""

    def marginal_price(self, base_amount: int) -> int:
        """USDC for one more unit after these, fees included; as `Offer` has it."""


class CpmmLiquidity:
    """One side of a constant product pool."""

    kind: ClassVar[str] = "cpmm"

    def __init__(self, pool: CpmmPool, side: Side, base_decimals: int) -> None:
        self.pool = pool
        self._side = side
        self._decimals = base_decimals

    @property
    def largest(self) -> int:
        """As much as a sane price allows: a swap of that size has an impact of 50 %."""
        return self.pool.reserve_x // 3 if self._side is Side.BUY else self.pool.reserve_x

    def price(self, base_amount: int) -> PricedSwap:
        """Price a buy of exactly, or a sale of exactly, `base_amount` base units."""
        if base_amount > self.largest:
            raise InsufficientLiquidity(f"{base_amount} base units are more than {self.largest}")
        pool = self.pool
        mid_price = effective_price(pool.reserve_x, pool.reserve_y, self._decimals)
        if self._side is Side.BUY:
            swap = cpmm.exact_out(pool, base_amount, Direction.Y_TO_X)
            return bought(swap, swap.trade_fee, mid_price, self._decimals)
        swap = cpmm.exact_in(pool, base_amount, Direction.X_TO_Y)
        fee = to_tokens(swap.trade_fee, self._decimals) * mid_price
        return sold(swap, fee, mid_price, self._decimals)

    def marginal_price(self, base_amount: int) -> int:
        """The slope of the curve after `base_amount`."""
        pool, kept = self.pool, FEE_RATE_DENOMINATOR - self.pool.fees.trade
        invariant = pool.reserve_x * pool.reserve_y << MARGINAL_BITS
        if self._side is Side.BUY:
            left = pool.reserve_x - base_amount
            return invariant * FEE_RATE_DENOMINATOR // (left * left * kept)
        held = pool.reserve_x + base_amount * kept // FEE_RATE_DENOMINATOR
        return invariant * kept // (held * held * FEE_RATE_DENOMINATOR)


class DlmmLiquidity:
    """One side of a DLMM pool, for a swap at `now_s`, in seconds since 1970."""

    kind: ClassVar[str] = "dlmm"

    def __init__(self, pool: DlmmPool, side: Side, base_decimals: int, now_s: int) -> None:
        self.pool = pool
        self._side = side
        self._decimals = base_decimals
        self._now_s = now_s

    @property
    def largest(self) -> int:
        """All that the bins ahead can pay, or be paid for."""
        return self._filled[-1]

    def price(self, base_amount: int) -> PricedSwap:
        """Price a buy of exactly, or a sale of exactly, `base_amount` base units."""
        pool = self.pool
        price = bin_price(pool.active_id, pool.bin_step)
        mid_price = effective_price(2**PRICE_BITS, price, self._decimals)
        if self._side is Side.BUY:
            swap = dlmm.exact_out(pool, base_amount, Direction.Y_TO_X, self._now_s)
            return bought(swap, swap.lp_fee + swap.protocol_fee, mid_price, self._decimals)
        swap = dlmm.exact_in(pool, base_amount, Direction.X_TO_Y, self._now_s)
        fee = to_tokens(swap.lp_fee + swap.protocol_fee, self._decimals) * mid_price
        return sold(swap, fee, mid_price, self._decimals)

    def marginal_price(self, base_amount: int) -> int:
        """The price of the bin in which a swap of `base_amount` ends."""
        reached = bisect_right(self._filled, base_amount, 1) - 1
        return self._margins[min(reached, len(self._margins) - 1)]

    @cached_property
    def _terms(self) -> list[BinTerms]:
        direction = Direction.Y_TO_X if self._side is Side.BUY else Direction.X_TO_Y
        return list(dlmm.terms_ahead(self.pool, direction, self._now_s))

    @cached_property
    def _filled(self) -> list[int]:
        """How much of the base asset was traded when each bin is used up; 0 before the first."""
        return list(accumulate(map(self._takes, self._terms), initial=0))

    @cached_property
    def _margins(self) -> list[int]:
        return [self._margin(terms) for terms in self._terms] or [0]

    def _takes(self, terms: BinTerms) -> int:
        if self._side is Side.BUY:
            return terms.reserve_out
        most = cost(terms.reserve_out, terms.price, terms.direction)
        return most + fee_on_top(most, terms.fee_rate)

    def _margin(self, terms: BinTerms) -> int:
        price, kept = terms.price << (MARGINAL_BITS - PRICE_BITS), FEE_PRECISION - terms.fee_rate
        if self._side is Side.BUY:
            return price * FEE_PRECISION // kept
        return price * kept // FEE_PRECISION
