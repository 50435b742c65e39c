"""One side of a DLMM pool: its bins, in the order in which a swap meets them."""

from bisect import bisect_left, bisect_right
from decimal import Decimal
from functools import cached_property, lru_cache, partial
from itertools import accumulate
from typing import ClassVar

from orderengine.amm import dlmm
from orderengine.amm.direction import Direction
from orderengine.amm.dlmm import DlmmPool, DlmmSwap
from orderengine.amm.dlmm_bin import BinTerms, whole_cost
from orderengine.amm.dlmm_fee import FEE_PRECISION, fee_on_top, fee_within
from orderengine.amm.dlmm_price import (
    BASIS_POINTS,
    ONE,
    PRICE_BITS,
    bin_price,
    cost,
    max_bin_id,
)
from orderengine.amm.integers import U64_MAX
from orderengine.domain.pricing import effective_price
from orderengine.domain.routing import MARGINAL_BITS
from orderengine.domain.side import Asset, Side, side_of
from orderengine.market.swaps import PoolFees, PricedSwap, priced


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


class DlmmLiquidity:
    """One side of a DLMM pool, for a swap at `now_s`, in seconds since 1970.

    The base asset is the pool's X, or its Y if `is_base_x` is false.
    """

    kind: ClassVar[str] = "dlmm"

    def __init__(
        self,
        pool: DlmmPool,
        side: Side,
        base_decimals: int,
        now_s: int,
        exact: Asset = Asset.BASE,
        *,
        is_base_x: bool = True,
    ) -> None:
        self.pool = pool
        self.exact = exact
        self._side = side
        self._exact_side = side_of(exact, side)
        self._decimals = base_decimals
        self._now_s = now_s
        self._is_base_x = is_base_x
        pays_x = (side is Side.SELL) is is_base_x
        self._direction = Direction.X_TO_Y if pays_x else Direction.Y_TO_X
        self._largest: dict[int, int] = {}

    @property
    def usdc(self) -> int:
        """The USDC in all bins."""
        return sum(
            each.amount_y + sum(each.orders_y)
            if self._is_base_x
            else each.amount_x + sum(each.orders_x)
            for each in self.pool.bins
        )

    def in_usdc(self) -> "DlmmLiquidity":
        """The same side of the same pool, with USDC as the exact asset."""
        return DlmmLiquidity(
            self.pool,
            self._side,
            self._decimals,
            self._now_s,
            Asset.QUOTE,
            is_base_x=self._is_base_x,
        )

    def largest(self, price_rise_bps: int = 0) -> int:
        """The most that the bins ahead can trade; after a rise without the maybe empty active bin.

        A pool around a higher price holds the same USDC in its bins, and so fewer base units.
        """
        if price_rise_bps not in self._largest:
            scale = _price_after(price_rise_bps, self.pool.bin_step)
            sure = [
                terms
                for terms in self._terms
                if not price_rise_bps or terms.price != self._active_price
            ]
            most = sum(self._capacity(terms, scale) for terms in sure)
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
            net = whole_cost(terms)
            total += net + fee_on_top(net, terms.fee_rate)
        return total

    def price(self, amount: int) -> PricedSwap:
        """Price a buy or a sale of which exactly `amount` units of the exact asset are a part.

        The bins must take the whole of an exact input.
        """
        swap = self.swap(amount)
        fee = swap.lp_fee + swap.protocol_fee
        fees = PoolFees(fee) if swap.fee_on_input else PoolFees(0, fee)
        return priced(swap, self._side, fees, self.mid_price, self._decimals)

    def swap(self, amount: int) -> DlmmSwap:
        """The swap of exactly `amount` units of the exact asset; raises AmmError."""
        swap_exactly = dlmm.exact_out if self._exact_side is Side.BUY else dlmm.exact_in
        return swap_exactly(self.pool, amount, self._direction, self._now_s)

    def marginal_price(self, amount: int) -> int:
        """The price of the bin in which a swap of `amount` ends."""
        if amount == 0:
            return self._first_margin
        reached = bisect_right(self._filled, amount, 1) - 1
        return self._margins[min(reached, len(self._margins) - 1)]

    @cached_property
    def mid_price(self) -> Decimal:
        """The price of the active bin."""
        x, y = 1 << PRICE_BITS, self._active_price
        base, usdc = (x, y) if self._is_base_x else (y, x)
        return effective_price(base, usdc, self._decimals)

    @cached_property
    def _certainly_tradable(self) -> int:
        """A third of the last bin: the bin trades this much at up to three times its price."""
        bins, pays_x = self.pool.bins, self._direction is Direction.X_TO_Y
        if not bins:
            return 0
        last = bins[0] if pays_x else bins[-1]
        if not (last.id < self.pool.active_id if pays_x else last.id > self.pool.active_id):
            return 0
        price = bin_price(last.id, self.pool.bin_step)
        most = last.amount_y if pays_x else last.amount_x
        if self._exact_side is Side.SELL:
            most = (most << PRICE_BITS) // price if pays_x else most * price >> PRICE_BITS
        return min(most, U64_MAX) // 3

    @cached_property
    def _active_price(self) -> int:
        return bin_price(self.pool.active_id, self.pool.bin_step)

    @cached_property
    def _terms(self) -> list[BinTerms]:
        return list(dlmm.terms_ahead(self.pool, self._direction, self._now_s))

    @cached_property
    def _filled(self) -> list[int]:
        """The exact asset traded by the time each bin is used up; 0 before the first."""
        return list(accumulate(map(self._capacity, self._terms), initial=0))

    @cached_property
    def _margins(self) -> list[int]:
        return [self._margin(terms) for terms in self._terms] or [0]

    @cached_property
    def _first_margin(self) -> int:
        """That of the first bin that trades anything: no other one is needed for it."""
        ahead = dlmm.terms_ahead(self.pool, self._direction, self._now_s)
        trading = (terms for terms in ahead if self._capacity(terms))
        first = next(trading, None)
        return self._margins[-1] if first is None else self._margin(first)

    def _capacity(self, terms: BinTerms, scale: int = ONE) -> int:
        """How much of the exact asset a bin trades at `scale` (Q64.64) times the base's price."""
        reserve_out = terms.reserve_out
        if self._side is Side.BUY:
            reserve_out = (reserve_out << PRICE_BITS) // scale
        if self._exact_side is Side.BUY:
            return self._taken(terms, reserve_out)
        if scale == ONE:
            most = whole_cost(terms)
        else:
            x_in_y = (
                terms.price * scale >> PRICE_BITS
                if self._is_base_x
                else (terms.price << PRICE_BITS) // scale
            )
            most = cost(reserve_out, x_in_y, terms.direction)
        return most + fee_on_top(most, terms.fee_rate) if terms.fee_on_input else most

    def _taken(self, terms: BinTerms, reserve_out: int) -> int:
        """What a trader gets of a bin that is used up."""
        if terms.fee_on_input:
            return reserve_out
        return reserve_out - fee_within(reserve_out, terms.fee_rate)

    def _margin(self, terms: BinTerms) -> int:
        kept = FEE_PRECISION - terms.fee_rate
        price = (
            terms.price << (MARGINAL_BITS - PRICE_BITS)
            if (self.exact is Asset.BASE) is self._is_base_x
            else (1 << (MARGINAL_BITS + PRICE_BITS)) // terms.price
        )
        if self._exact_side is Side.BUY:
            return price * FEE_PRECISION // kept
        return price * kept // FEE_PRECISION
