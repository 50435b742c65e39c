"""One side of a constant product pool: Raydium's CPMM or AMM v4."""

from abc import ABC, abstractmethod
from decimal import Decimal
from typing import ClassVar

from orderengine.amm import amm_v4, cpmm
from orderengine.amm.amm_v4 import AmmV4Pool
from orderengine.amm.cpmm import FEE_RATE_DENOMINATOR, CpmmPool
from orderengine.amm.direction import Direction
from orderengine.amm.errors import InsufficientLiquidity
from orderengine.amm.integers import U64_MAX
from orderengine.domain.pricing import effective_price
from orderengine.domain.routing import MARGINAL_BITS
from orderengine.domain.side import Asset, Side, side_of
from orderengine.market.swaps import ComputedSwap, PoolFees, PricedSwap, priced


class CurveLiquidity(ABC):
    """One side of a pool on the curve `x * y`; the base asset is its X, and USDC its Y.

    `kept_in` and `kept_out` are what the fees leave of the paid token and of the curve's output, of
    `denominator` parts each.
    """

    def __init__(
        self, reserves: tuple[int, int], side: Side, base_decimals: int, exact: Asset
    ) -> None:
        self.exact = exact
        self._reserve_x, self._reserve_y = reserves
        self._reserve = reserves[0] if exact is Asset.BASE else reserves[1]
        self._side = side
        self._exact_side = side_of(exact, side)
        self._decimals = base_decimals
        self._direction = Direction.Y_TO_X if side is Side.BUY else Direction.X_TO_Y
        self._denominator, self._kept_in, self._kept_out = self._kept()

    is_careful = False
    """Whether to refuse amounts that releases of the program round in two ways."""

    @abstractmethod
    def in_usdc(self) -> "CurveLiquidity":
        """The same side of the same pool, with USDC as the exact asset."""

    @abstractmethod
    def _kept(self) -> tuple[int, int, int]:
        """The denominator, and what is kept of it of the input and of the output."""

    @abstractmethod
    def _swap(self, amount: int) -> tuple[ComputedSwap, PoolFees]:
        """The swap of so much of the exact asset, and its fees."""

    @property
    def usdc(self) -> int:
        """The reserve of USDC."""
        return self._reserve_y

    @property
    def mid_price(self) -> Decimal:
        """The ratio of the reserves."""
        return effective_price(self._reserve_x, self._reserve_y, self._decimals)

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
        swap, fees = self._swap(amount)
        told = priced(swap, self._side, fees, self.mid_price, self._decimals)
        if self.is_careful and self._is_rounded_down(swap):
            raise InsufficientLiquidity("releases of its program round so small an amount apart")
        return told

    def marginal_price(self, amount: int) -> int:
        """The slope of the curve after `amount`."""
        whole = self._denominator
        kept = self._kept_in * self._kept_out
        invariant = self._reserve_x * self._reserve_y << MARGINAL_BITS
        if self._exact_side is Side.BUY:
            left = self._reserve - amount * whole // self._kept_out
            return invariant * whole * whole // (left * left * kept)
        reserve = self._reserve + amount * self._kept_in // whole
        return invariant * kept // (reserve * reserve * whole * whole)

    def _is_rounded_down(self, swap: ComputedSwap) -> bool:
        """Whether an earlier release rounds the curve's input down to 0, where later ones take 1.

        Source: `checked_ceil_div` of raydium-io/raydium-cp-swap before b0b2a08 (2025-08-18), and of
        raydium-io/raydium-amm before 78c6a81 (2025-08-26): a quotient below a half is 0.
        """
        if self._exact_side is Side.SELL:
            return False
        reserves = self._reserve_x, self._reserve_y
        into, out = reserves if self._direction is Direction.X_TO_Y else reserves[::-1]
        return 2 * into * swap.gross_out < out - swap.gross_out


class CpmmLiquidity(CurveLiquidity):
    """One side of a pool of Raydium's CPMM."""

    kind: ClassVar[str] = "cpmm"

    def __init__(
        self,
        pool: CpmmPool,
        side: Side,
        base_decimals: int,
        exact: Asset = Asset.BASE,
        *,
        is_careful: bool = False,
    ) -> None:
        self.pool = pool
        self.is_careful = is_careful
        super().__init__((pool.reserve_x, pool.reserve_y), side, base_decimals, exact)

    def in_usdc(self) -> "CpmmLiquidity":
        """The same side of the same pool, with USDC as the exact asset."""
        careful = self.is_careful
        return CpmmLiquidity(self.pool, self._side, self._decimals, Asset.QUOTE, is_careful=careful)

    def _kept(self) -> tuple[int, int, int]:
        fees, whole = self.pool.fees, FEE_RATE_DENOMINATOR
        if fees.creator_is_paid_from_input(self._direction):
            return whole, whole - fees.trade - fees.creator, whole
        return whole, whole - fees.trade, whole - fees.creator

    def _swap(self, amount: int) -> tuple[ComputedSwap, PoolFees]:
        swap_exactly = cpmm.exact_out if self._exact_side is Side.BUY else cpmm.exact_in
        swap = swap_exactly(self.pool, amount, self._direction)
        if swap.creator_paid_from_input:
            return swap, PoolFees(swap.trade_fee + swap.creator_fee)
        return swap, PoolFees(swap.trade_fee, swap.creator_fee)


class AmmV4Liquidity(CurveLiquidity):
    """One side of a pool of Raydium's AMM v4."""

    kind: ClassVar[str] = "amm_v4"
    is_careful = True

    def __init__(
        self, pool: AmmV4Pool, side: Side, base_decimals: int, exact: Asset = Asset.BASE
    ) -> None:
        self.pool = pool
        super().__init__((pool.reserve_x, pool.reserve_y), side, base_decimals, exact)

    def in_usdc(self) -> "AmmV4Liquidity":
        """The same side of the same pool, with USDC as the exact asset."""
        return AmmV4Liquidity(self.pool, self._side, self._decimals, Asset.QUOTE)

    def _kept(self) -> tuple[int, int, int]:
        whole = self.pool.fee_denominator
        return whole, whole - self.pool.fee_numerator, whole

    def _swap(self, amount: int) -> tuple[ComputedSwap, PoolFees]:
        swap_exactly = amm_v4.exact_out if self._exact_side is Side.BUY else amm_v4.exact_in
        swap = swap_exactly(self.pool, amount, self._direction)
        return swap, PoolFees(swap.swap_fee)

    def _is_rounded_down(self, swap: ComputedSwap) -> bool:
        """An earlier release also takes no fee where it would be below half a unit."""
        doubled = 2 * swap.amount_in * self.pool.fee_numerator
        is_free = self._exact_side is Side.SELL and 0 < doubled < self.pool.fee_denominator
        return is_free or super()._is_rounded_down(swap)
