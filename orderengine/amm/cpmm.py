"""Raydium CPMM: a constant product pool with trade, protocol, fund and creator fees."""

import enum
from dataclasses import dataclass

from orderengine.amm.constant_product import curve_impact_ppb, curve_in, curve_out
from orderengine.amm.direction import Direction
from orderengine.amm.errors import AmountOutOfRange
from orderengine.amm.integers import U64_MAX, U128_MAX, ceil_div, require_range

FEE_RATE_DENOMINATOR = 1_000_000


class CreatorFeeOn(enum.Enum):
    """The token in which a pool's creator is paid.

    Source: raydium-io/raydium-cp-swap `CreatorFeeOn`.
    """

    INPUT = "input"  # the program's BothToken: whichever token is paid in
    X = "x"
    Y = "y"


@dataclass(frozen=True, slots=True)
class CpmmFees:
    """The fee rates of a pool, all per 1e6.

    `trade` and `creator` are taken from the swap and stay below 1e6 together; `protocol` and
    `fund` are shares of the trade fee, at most 1e6 together; the liquidity providers keep the rest.
    Raises AmountOutOfRange for any other rate.
    """

    trade: int
    protocol: int = 0
    fund: int = 0
    creator: int = 0
    creator_fee_on: CreatorFeeOn = CreatorFeeOn.INPUT

    def __post_init__(self) -> None:
        if min(self.trade, self.protocol, self.fund, self.creator) < 0:
            raise AmountOutOfRange("a fee rate is negative")
        require_range("trade + creator rate", self.trade + self.creator, 0, 999_999)
        require_range("protocol + fund rate", self.protocol + self.fund, 0, FEE_RATE_DENOMINATOR)

    def creator_is_paid_from_input(self, direction: Direction) -> bool:
        """Whether a swap in this direction pays the creator in the input token.

        Source: raydium-io/raydium-cp-swap `PoolState::is_creator_fee_on_input`.
        """
        input_token = CreatorFeeOn.X if direction is Direction.X_TO_Y else CreatorFeeOn.Y
        return self.creator_fee_on in (CreatorFeeOn.INPUT, input_token)


@dataclass(frozen=True, slots=True)
class CpmmPool:
    """The reserves and fees of a pool: its vaults without the fees kept there for their owners.

    Reserves are in base units, 0 to 2^128 - 1, as wide as the program's calculator.
    Raises AmountOutOfRange for any other reserve.
    """

    reserve_x: int
    reserve_y: int
    fees: CpmmFees

    def __post_init__(self) -> None:
        require_range("reserve_x", self.reserve_x, 0, U128_MAX)
        require_range("reserve_y", self.reserve_y, 0, U128_MAX)


@dataclass(frozen=True, slots=True)
class CpmmSwap:
    """A computed swap, in base units.

    `trade_fee` is in the input token and includes `protocol_fee` and `fund_fee`; `creator_fee` is
    in the input token when `creator_paid_from_input`, else in the output token. The curve trades
    `net_in`, the input after its fees, for `gross_out`, the output before a creator fee.
    `price_impact_ppb` is the curve's output against its mid price before the swap, without fees, in
    parts per billion. `pool` is the state after the swap.
    """

    amount_in: int
    amount_out: int
    net_in: int
    gross_out: int
    trade_fee: int
    protocol_fee: int
    fund_fee: int
    creator_fee: int
    creator_paid_from_input: bool
    price_impact_ppb: int
    pool: CpmmPool

    @property
    def lp_fee(self) -> int:
        """The part of the trade fee that the liquidity providers keep, in the input token."""
        return self.trade_fee - self.protocol_fee - self.fund_fee


def exact_in(pool: CpmmPool, amount_in: int, direction: Direction) -> CpmmSwap:
    """Swaps the whole of an input.

    `amount_in` is in base units of the input token, 0 to 2^64 - 1; an output of zero is valid and
    returned with its fees. Raises AmountOutOfRange for any other amount.
    Source: raydium-io/raydium-cp-swap `CurveCalculator::swap_base_input`.
    """
    require_range("amount_in", amount_in, 0, U64_MAX)
    fees = pool.fees
    reserve_in, reserve_out = _reserves(pool, direction)
    if fees.creator_is_paid_from_input(direction):
        fee_in = _fee(amount_in, fees.trade + fees.creator)
        gross_out = curve_out(amount_in - fee_in, reserve_in, reserve_out)
        creator_fee = _creator_part(fee_in, fees)
        return _settle(pool, direction, amount_in, fee_in, gross_out, creator_fee)
    fee_in = _fee(amount_in, fees.trade)
    gross_out = curve_out(amount_in - fee_in, reserve_in, reserve_out)
    creator_fee = _fee(gross_out, fees.creator)
    return _settle(pool, direction, amount_in, fee_in, gross_out, creator_fee)


def exact_out(pool: CpmmPool, amount_out: int, direction: Direction) -> CpmmSwap:
    """Finds the input that pays for exactly this output.

    `amount_out` is in base units of the output token, 0 to 2^64 - 1. The resulting `amount_in`
    may exceed 2^64 - 1 near the end of the reserve: the program's calculator returns it too, and
    only the transfer fails. Raises AmountOutOfRange for any other amount and for an input that
    128 bits cannot hold, InsufficientLiquidity when the output and its creator fee are not less
    than the reserve.
    Source: raydium-io/raydium-cp-swap `CurveCalculator::swap_base_output`.
    """
    require_range("amount_out", amount_out, 0, U64_MAX)
    fees = pool.fees
    reserve_in, reserve_out = _reserves(pool, direction)
    if fees.creator_is_paid_from_input(direction):
        net_in = curve_in(amount_out, reserve_in, reserve_out)
        amount_in = _before_fee(net_in, fees.trade + fees.creator)
        creator_fee = _creator_part(amount_in - net_in, fees)
        return _settle(pool, direction, amount_in, amount_in - net_in, amount_out, creator_fee)
    gross_out = _before_fee(amount_out, fees.creator)
    net_in = curve_in(gross_out, reserve_in, reserve_out)
    amount_in = _before_fee(net_in, fees.trade)
    creator_fee = gross_out - amount_out
    return _settle(pool, direction, amount_in, amount_in - net_in, gross_out, creator_fee)


def _settle(
    pool: CpmmPool,
    direction: Direction,
    amount_in: int,
    fee_in: int,
    gross_out: int,
    creator_fee: int,
) -> CpmmSwap:
    """Splits the fees and computes the pool's state after the swap, for both kinds of swap."""
    from_input = pool.fees.creator_is_paid_from_input(direction)
    trade_fee = fee_in - creator_fee if from_input else fee_in
    protocol_fee = trade_fee * pool.fees.protocol // FEE_RATE_DENOMINATOR
    fund_fee = trade_fee * pool.fees.fund // FEE_RATE_DENOMINATOR
    leaves_in = protocol_fee + fund_fee + (creator_fee if from_input else 0)
    reserve_in, reserve_out = _reserves(pool, direction)
    net_in = amount_in - fee_in
    return CpmmSwap(
        amount_in=amount_in,
        amount_out=gross_out if from_input else gross_out - creator_fee,
        net_in=net_in,
        gross_out=gross_out,
        trade_fee=trade_fee,
        protocol_fee=protocol_fee,
        fund_fee=fund_fee,
        creator_fee=creator_fee,
        creator_paid_from_input=from_input,
        price_impact_ppb=curve_impact_ppb(net_in, gross_out, reserve_in, reserve_out),
        pool=_after(pool, direction, amount_in - leaves_in, gross_out),
    )


def _after(pool: CpmmPool, direction: Direction, added: int, removed: int) -> CpmmPool:
    if direction is Direction.X_TO_Y:
        return CpmmPool(pool.reserve_x + added, pool.reserve_y - removed, pool.fees)
    return CpmmPool(pool.reserve_x - removed, pool.reserve_y + added, pool.fees)


def _reserves(pool: CpmmPool, direction: Direction) -> tuple[int, int]:
    if direction is Direction.X_TO_Y:
        return pool.reserve_x, pool.reserve_y
    return pool.reserve_y, pool.reserve_x


def _fee(amount: int, rate: int) -> int:
    return ceil_div(amount * rate, FEE_RATE_DENOMINATOR)


def _before_fee(net: int, rate: int) -> int:
    return ceil_div(net * FEE_RATE_DENOMINATOR, FEE_RATE_DENOMINATOR - rate)


def _creator_part(fee_in: int, fees: CpmmFees) -> int:
    total_rate = fees.trade + fees.creator
    # Rounded down, against the creator; with both rates zero there is nothing to split.
    return fee_in * fees.creator // total_rate if total_rate else 0
