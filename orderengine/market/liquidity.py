"""One side of a pool at one moment: prices for any size, the largest size, marginal prices.

The base asset is the pool's X and USDC its Y, both in base units. Either may be the exact asset:
the one whose amount a swap names.
"""

from bisect import bisect_left, bisect_right
from functools import cached_property, lru_cache, partial
from itertools import accumulate
from typing import ClassVar, Protocol

from orderengine.amm import cpmm, dlmm
from orderengine.amm.cpmm import FEE_RATE_DENOMINATOR, CpmmPool
from orderengine.amm.direction import Direction
from orderengine.amm.dlmm import DlmmPool
from orderengine.amm.dlmm_bin import BinTerms
from orderengine.amm.dlmm_fee import FEE_PRECISION, fee_on_top
from orderengine.amm.dlmm_price import (
    BASIS_POINTS,
    ONE,
    PRICE_BITS,
    bin_price,
    cost,
    max_bin_id,
)
from orderengine.amm.integers import U64_MAX
from orderengine.domain.pricing import effective_price, to_tokens
from orderengine.domain.routing import MARGINAL_BITS
from orderengine.domain.side import Asset, Side, side_of
from orderengine.market.swaps import PricedSwap, bought, sold


class Liquidity(Protocol):
    """One side of one pool; amounts are base units of the `exact` asset."""

    kind: ClassVar[str]

    @property
    def usdc(self) -> int:
        """The USDC in the pool, in base units."""

    @property
    def exact(self) -> Asset:
        """The asset whose amount is exact."""

    def in_usdc(self) -> "Liquidity":
        """The same side of the same pool, with USDC as the exact asset."""

    def largest(self, price_rise_bps: int = 0) -> int:
        """The most of the exact asset that one swap may trade.

        With `price_rise_bps`, which is at most a doubling, the most that it may still trade after
        the price fell, or rose by up to that much.
        """

    def suffices(self, amount: int, price_rise_bps: int) -> bool:
        """Whether `amount` is at most `largest(price_rise_bps)`; fast for small amounts."""

    def price(self, amount: int) -> PricedSwap:
        """Price a swap of exactly this many units; raises AmmError if it cannot be made."""

    def marginal_price(self, amount: int) -> int:
        """The other asset for one more unit after this amount, fees included; see `Offer`."""


@lru_cache(maxsize=1_024)
def _price_after(price_rise_bps: int, bin_step: int) -> int:
    """The price (Q64.64) of the highest bin that may be active after a rise from the price 1.

    A price lies anywhere in its bin, which adds one bin; rounding of prices adds another one.
    """
    risen = ONE * (BASIS_POINTS + price_rise_bps) // BASIS_POINTS
    most = bisect_left(
        range(max_bin_id(bin_step)), risen, key=partial(bin_price, bin_step=bin_step)
    )
    return bin_price(most + 2, bin_step) if price_rise_bps else ONE


class CpmmLiquidity:
    """One side of a constant product pool."""

    kind: ClassVar[str] = "cpmm"

    def __init__(
        self, pool: CpmmPool, side: Side, base_decimals: int, exact: Asset = Asset.BASE
    ) -> None:
        self.pool = pool
        self.exact = exact
        self._side = side
        self._exact_side = side_of(exact, side)
        self._reserve = pool.reserve_x if exact is Asset.BASE else pool.reserve_y
        self._decimals = base_decimals

    @property
    def usdc(self) -> int:
        """The reserve of USDC."""
        return self.pool.reserve_y

    def in_usdc(self) -> "CpmmLiquidity":
        """The same side of the same pool, with USDC as the exact asset."""
        return CpmmLiquidity(self.pool, self._side, self._decimals, Asset.QUOTE)

    def largest(self, price_rise_bps: int = 0) -> int:  # noqa: ARG002 - half or more then stays
        """The largest sane swap: one of this size has an impact of 50 %."""
        if self.exact is Asset.QUOTE:
            return min(self._reserve // 2, U64_MAX)
        most = self._reserve // 3 if self._side is Side.BUY else self._reserve
        return min(most, U64_MAX)

    def suffices(self, amount: int, price_rise_bps: int) -> bool:
        """Whether a swap is small enough."""
        return amount <= self.largest(price_rise_bps)

    def price(self, amount: int) -> PricedSwap:
        """Price a buy or a sale of which exactly `amount` units of the exact asset are a part."""
        pool = self.pool
        mid_price = effective_price(pool.reserve_x, pool.reserve_y, self._decimals)
        swap_exactly = cpmm.exact_out if self._exact_side is Side.BUY else cpmm.exact_in
        if self._side is Side.BUY:
            swap = swap_exactly(pool, amount, Direction.Y_TO_X)
            return bought(swap, swap.trade_fee, mid_price, self._decimals)
        swap = swap_exactly(pool, amount, Direction.X_TO_Y)
        fee = to_tokens(swap.trade_fee, self._decimals) * mid_price
        return sold(swap, fee, mid_price, self._decimals)

    def marginal_price(self, amount: int) -> int:
        """The slope of the curve after `amount`."""
        pool, kept = self.pool, FEE_RATE_DENOMINATOR - self.pool.fees.trade
        invariant = pool.reserve_x * pool.reserve_y << MARGINAL_BITS
        if self._exact_side is Side.BUY:
            left = self._reserve - amount
            return invariant * FEE_RATE_DENOMINATOR // (left * left * kept)
        reserve = self._reserve + amount * kept // FEE_RATE_DENOMINATOR
        return invariant * kept // (reserve * reserve * FEE_RATE_DENOMINATOR)


class DlmmLiquidity:
    """One side of a DLMM pool, for a swap at `now_s`, in seconds since 1970."""

    kind: ClassVar[str] = "dlmm"

    def __init__(
        self,
        pool: DlmmPool,
        side: Side,
        base_decimals: int,
        now_s: int,
        exact: Asset = Asset.BASE,
    ) -> None:
        self.pool = pool
        self.exact = exact
        self._side = side
        self._exact_side = side_of(exact, side)
        self._decimals = base_decimals
        self._now_s = now_s
        self._largest: dict[int, int] = {}

    @property
    def usdc(self) -> int:
        """The USDC in all bins."""
        return sum(each.amount_y for each in self.pool.bins)

    def in_usdc(self) -> "DlmmLiquidity":
        """The same side of the same pool, with USDC as the exact asset."""
        return DlmmLiquidity(self.pool, self._side, self._decimals, self._now_s, Asset.QUOTE)

    def largest(self, price_rise_bps: int = 0) -> int:
        """The most that the bins ahead can trade, without the maybe empty active bin.

        A pool around a higher price holds the same USDC in its bins, and so fewer base units.
        """
        if price_rise_bps not in self._largest:
            scale = _price_after(price_rise_bps, self.pool.bin_step)
            beside = [terms for terms in self._terms if terms.price != self._active_price]
            most = sum(self._capacity(terms, scale) for terms in beside)
            self._largest[price_rise_bps] = min(most, U64_MAX)
        return self._largest[price_rise_bps]

    def suffices(self, amount: int, price_rise_bps: int) -> bool:
        """Whether the last bin alone, or all bins together, are large enough."""
        if amount <= self._certainly_tradable:
            return True
        return amount <= self.largest(price_rise_bps)

    def used_up_cost(self, amount: int) -> int:
        """The cost of the bins that an exact output uses up completely, with fees."""
        total, left = 0, amount
        for terms in self._terms:
            if terms.reserve_out > left:
                break
            left -= terms.reserve_out
            net = cost(terms.reserve_out, terms.price, terms.direction)
            total += net + fee_on_top(net, terms.fee_rate)
        return total

    def price(self, amount: int) -> PricedSwap:
        """Price a buy or a sale of which exactly `amount` units of the exact asset are a part.

        The bins must take the whole of an exact input.
        """
        pool = self.pool
        mid_price = effective_price(2**PRICE_BITS, self._active_price, self._decimals)
        swap_exactly = dlmm.exact_out if self._exact_side is Side.BUY else dlmm.exact_in
        if self._side is Side.BUY:
            swap = swap_exactly(pool, amount, Direction.Y_TO_X, self._now_s)
            return bought(swap, swap.lp_fee + swap.protocol_fee, mid_price, self._decimals)
        swap = swap_exactly(pool, amount, Direction.X_TO_Y, self._now_s)
        fee = to_tokens(swap.lp_fee + swap.protocol_fee, self._decimals) * mid_price
        return sold(swap, fee, mid_price, self._decimals)

    def marginal_price(self, amount: int) -> int:
        """The price of the bin in which a swap of `amount` ends."""
        reached = bisect_right(self._filled, amount, 1) - 1
        return self._margins[min(reached, len(self._margins) - 1)]

    @cached_property
    def _certainly_tradable(self) -> int:
        """A third of the last bin: the bin trades this much at up to three times its price."""
        bins, buys = self.pool.bins, self._side is Side.BUY
        if not bins:
            return 0
        last = bins[-1] if buys else bins[0]
        if not (last.id > self.pool.active_id if buys else last.id < self.pool.active_id):
            return 0
        price = bin_price(last.id, self.pool.bin_step)
        if self.exact is Asset.QUOTE:
            most = last.amount_x * price >> PRICE_BITS if buys else last.amount_y
        else:
            most = last.amount_x if buys else (last.amount_y << PRICE_BITS) // price
        return min(most, U64_MAX) // 3

    @cached_property
    def _active_price(self) -> int:
        return bin_price(self.pool.active_id, self.pool.bin_step)

    @cached_property
    def _terms(self) -> list[BinTerms]:
        direction = Direction.Y_TO_X if self._side is Side.BUY else Direction.X_TO_Y
        return list(dlmm.terms_ahead(self.pool, direction, self._now_s))

    @cached_property
    def _filled(self) -> list[int]:
        """The exact asset traded by the time each bin is used up; 0 before the first."""
        return list(accumulate(map(self._capacity, self._terms), initial=0))

    @cached_property
    def _margins(self) -> list[int]:
        return [self._margin(terms) for terms in self._terms] or [0]

    def _capacity(self, terms: BinTerms, scale: int = ONE) -> int:
        """How much of the exact asset a bin trades at `scale` (Q64.64) times its price."""
        reserve_out = terms.reserve_out
        if self._side is Side.BUY:
            reserve_out = (reserve_out << PRICE_BITS) // scale
        if self._exact_side is Side.BUY:
            return reserve_out
        most = cost(reserve_out, terms.price * scale >> PRICE_BITS, terms.direction)
        return most + fee_on_top(most, terms.fee_rate)

    def _margin(self, terms: BinTerms) -> int:
        kept = FEE_PRECISION - terms.fee_rate
        price = (
            terms.price << (MARGINAL_BITS - PRICE_BITS)
            if self.exact is Asset.BASE
            else (1 << (MARGINAL_BITS + PRICE_BITS)) // terms.price
        )
        if self._exact_side is Side.BUY:
            return price * FEE_PRECISION // kept
        return price * kept // FEE_PRECISION
