"""Raydium AMM v4: a constant product pool with one swap fee on the input."""

from dataclasses import dataclass

from orderengine.amm.constant_product import curve_impact_ppb, curve_in, curve_out
from orderengine.amm.direction import Direction
from orderengine.amm.integers import U64_MAX, U128_MAX, ceil_div, require_range

SWAP_FEE_NUMERATOR = 25
SWAP_FEE_DENOMINATOR = 10_000


@dataclass(frozen=True, slots=True)
class AmmV4Pool:
    """The reserves and the fee of a pool; the program's `total_coin` and `total_pc`.

    `reserve_x` (coin) and `reserve_y` (pc) are in base units, 0 to 2^128 - 1, as wide as the
    program's calculator; the fee is `fee_numerator / fee_denominator`, at least 0 and below 1.
    Raises AmountOutOfRange for any other value.
    """

    reserve_x: int
    reserve_y: int
    fee_numerator: int = SWAP_FEE_NUMERATOR
    fee_denominator: int = SWAP_FEE_DENOMINATOR

    def __post_init__(self) -> None:
        require_range("reserve_x", self.reserve_x, 0, U128_MAX)
        require_range("reserve_y", self.reserve_y, 0, U128_MAX)
        require_range("fee_denominator", self.fee_denominator, 1, U64_MAX)
        require_range("fee_numerator", self.fee_numerator, 0, self.fee_denominator - 1)


@dataclass(frozen=True, slots=True)
class AmmV4Swap:
    """A computed swap, in base units.

    `swap_fee` is in the input token and stays in the pool whole: the program sets its own share
    aside only when liquidity is added or removed. `net_in` is the input after the fee.
    `price_impact_ppb` is the curve's output against its mid price before the swap, without fees,
    in parts per billion. `pool` is the state after the swap.
    """

    amount_in: int
    amount_out: int
    net_in: int
    swap_fee: int
    price_impact_ppb: int
    pool: AmmV4Pool

    @property
    def gross_out(self) -> int:
        """The curve's output: the same as `amount_out`, since no fee is taken from it."""
        return self.amount_out


def exact_in(pool: AmmV4Pool, amount_in: int, direction: Direction) -> AmmV4Swap:
    """Swaps the whole of an input.

    `amount_in` is in base units of the input token, 0 to 2^64 - 1; an output of zero is valid and
    returned with its fee. Raises AmountOutOfRange for any other amount.
    Source: raydium-io/raydium-amm `Processor::process_swap_base_in`.
    """
    require_range("amount_in", amount_in, 0, U64_MAX)
    reserve_in, reserve_out = _reserves(pool, direction)
    net_in = amount_in - ceil_div(amount_in * pool.fee_numerator, pool.fee_denominator)
    amount_out = curve_out(net_in, reserve_in, reserve_out)
    return _settle(pool, direction, amount_in, net_in, amount_out)


def exact_out(pool: AmmV4Pool, amount_out: int, direction: Direction) -> AmmV4Swap:
    """Finds the input that pays for exactly this output.

    `amount_out` is in base units of the output token, 0 to 2^64 - 1. The resulting `amount_in`
    may exceed 2^64 - 1 near the end of the reserve; the program then refuses the transfer.
    Raises AmountOutOfRange for any other amount and for an input that 128 bits cannot hold,
    InsufficientLiquidity when the output is not less than the reserve.
    Source: raydium-io/raydium-amm `Processor::process_swap_base_out`.
    """
    require_range("amount_out", amount_out, 0, U64_MAX)
    reserve_in, reserve_out = _reserves(pool, direction)
    net_in = curve_in(amount_out, reserve_in, reserve_out)
    kept = pool.fee_denominator - pool.fee_numerator
    amount_in = ceil_div(net_in * pool.fee_denominator, kept)
    return _settle(pool, direction, amount_in, net_in, amount_out)


def _settle(
    pool: AmmV4Pool, direction: Direction, amount_in: int, net_in: int, amount_out: int
) -> AmmV4Swap:
    reserve_in, reserve_out = _reserves(pool, direction)
    return AmmV4Swap(
        amount_in=amount_in,
        amount_out=amount_out,
        net_in=net_in,
        swap_fee=amount_in - net_in,
        price_impact_ppb=curve_impact_ppb(net_in, amount_out, reserve_in, reserve_out),
        pool=_after(pool, direction, amount_in, amount_out),
    )


def _after(pool: AmmV4Pool, direction: Direction, added: int, removed: int) -> AmmV4Pool:
    rate = (pool.fee_numerator, pool.fee_denominator)
    if direction is Direction.X_TO_Y:
        return AmmV4Pool(pool.reserve_x + added, pool.reserve_y - removed, *rate)
    return AmmV4Pool(pool.reserve_x - removed, pool.reserve_y + added, *rate)


def _reserves(pool: AmmV4Pool, direction: Direction) -> tuple[int, int]:
    if direction is Direction.X_TO_Y:
        return pool.reserve_x, pool.reserve_y
    return pool.reserve_y, pool.reserve_x
