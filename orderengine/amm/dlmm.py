"""Meteora DLMM: a pool of bins, and the walk of a swap across them."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache, partial
from itertools import pairwise

from orderengine.amm.direction import Direction
from orderengine.amm.dlmm_bin import BinFill, BinTerms, fill_exact_in, fill_exact_out
from orderengine.amm.dlmm_fee import (
    CollectFeeMode,
    StaticParameters,
    VariableParameters,
    accumulator_at,
    total_fee_rate,
    with_references,
)
from orderengine.amm.dlmm_price import (
    MAX_BIN_ID,
    MAX_BIN_STEP,
    PRICE_BITS,
    bin_price,
    cost,
    max_bin_id,
)
from orderengine.amm.errors import AmountOutOfRange, InsufficientLiquidity
from orderengine.amm.integers import U64_MAX, U128_MAX, require_range, shortfall_ppb


@dataclass(frozen=True, slots=True)
class DlmmBin:
    """The liquidity of one bin, without the fees kept there for their owners.

    `id` is within 19 bits and a sign, amounts are in base units, 0 to 2^128 - 1. Limit orders that
    rest in it sell X (`orders_x`) or Y: those being filled, then the others.
    Raises AmountOutOfRange for any other value.
    """

    id: int
    amount_x: int
    amount_y: int
    orders_x: tuple[int, int] = (0, 0)
    orders_y: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        require_range("bin id", self.id, -MAX_BIN_ID, MAX_BIN_ID)
        require_range("amount_x", self.amount_x, 0, U128_MAX)
        require_range("amount_y", self.amount_y, 0, U128_MAX)
        for amount in (*self.orders_x, *self.orders_y):
            require_range("an order's amount", amount, 0, U64_MAX)

    def after(self, fill: BinFill, direction: Direction, price: int) -> "DlmmBin":
        """The bin after a fill, at its price (Q64.64): what orders are paid leaves it."""
        x_to_y = direction is Direction.X_TO_Y
        orders = self.orders_y if x_to_y else self.orders_x
        liquidity = self.amount_y if x_to_y else self.amount_x
        taken = min(fill.gross_out, liquidity)
        paid = fill.net_in if orders == (0, 0) else min(fill.net_in, cost(taken, price, direction))
        left = max(orders[0] - (fill.gross_out - taken), 0)
        rest = sum(orders) - (fill.gross_out - taken) - left
        if x_to_y:
            x, y = self.amount_x + paid, self.amount_y - taken
            return replace(self, amount_x=x, amount_y=y, orders_y=(left, rest))
        x, y = self.amount_x - taken, self.amount_y + paid
        return replace(self, amount_x=x, amount_y=y, orders_x=(left, rest))


@dataclass(frozen=True, slots=True)
class DlmmPool:
    """A pool: its bins in ascending order of id (a missing bin is empty) and its fee state.

    `bin_step` is in basis points. Raises AmountOutOfRange when ids are out of order or repeated,
    and when a bin or the active id is beyond `max_bin_id`.
    """

    bin_step: int
    active_id: int
    parameters: StaticParameters
    volatility: VariableParameters
    bins: tuple[DlmmBin, ...]

    def __post_init__(self) -> None:
        require_range("bin_step", self.bin_step, 1, MAX_BIN_STEP)
        _require_ids(tuple(bin_.id for bin_ in self.bins), self.bin_step)
        _require_ids((self.active_id,), self.bin_step)


# Cached, because each quote makes a pool of the same bins again.
@lru_cache(maxsize=1_024)
def _require_ids(ids: tuple[int, ...], bin_step: int) -> None:
    if any(left >= right for left, right in pairwise(ids)):
        raise AmountOutOfRange("bins must be in ascending order of id, each once")
    most = max_bin_id(bin_step)
    for bin_id in ids:
        require_range(f"bin id at bin step {bin_step}", bin_id, -most, most)


@dataclass(frozen=True)
class DlmmSwap:
    """A computed swap, in base units.

    The fees are in the input token when `fee_on_input`, else in the output token. `net_in`
    entered the bins and `gross_out` left them. With the fee on the input, an exact output may
    leave a surplus `gross_out - amount_out` that nobody gets. `price_impact_ppb` compares
    `gross_out` and `net_in` with the price of the active bin before the swap, without fees, in
    parts per billion.
    """

    amount_in: int
    amount_out: int
    net_in: int
    gross_out: int
    lp_fee: int
    protocol_fee: int
    fee_on_input: bool
    bins_filled: int
    price_impact_ppb: int
    _after: Callable[[], DlmmPool] = field(repr=False, compare=False)

    @cached_property
    def pool(self) -> DlmmPool:
        """The state after the swap; its active bin is the last one filled."""
        return self._after()


def exact_in(pool: DlmmPool, amount_in: int, direction: Direction, now_s: int) -> DlmmSwap:
    """Swaps the whole of an input across as many bins as it takes.

    `amount_in` is in base units of the input token, 0 to 2^64 - 1; an output of zero is valid and
    returned with its fees. `now_s` is in seconds since 1970.
    Raises AmountOutOfRange for any other amount, InsufficientLiquidity when the bins ahead cannot
    take it all: a swap is never partial. Source: MeteoraAg/dlmm-sdk `DLMM.swapQuote`.
    """
    require_range("amount_in", amount_in, 0, U64_MAX)
    return _walk(pool, amount_in, direction, now_s, _Kind(fill_exact_in, _amount_in))


def exact_out(pool: DlmmPool, amount_out: int, direction: Direction, now_s: int) -> DlmmSwap:
    """Finds the input that pays for exactly this output, across as many bins as it takes.

    `amount_out` is in base units of the output token, 0 to 2^64 - 1; `now_s` is in seconds since
    1970. The resulting `amount_in` may exceed 2^64 - 1; the program then refuses the transfer.
    Raises AmountOutOfRange for any other amount, InsufficientLiquidity when the bins ahead cannot
    pay it all. Source: MeteoraAg/dlmm-sdk `DLMM.swapQuoteExactOut`.
    """
    require_range("amount_out", amount_out, 0, U64_MAX)
    return _walk(pool, amount_out, direction, now_s, _Kind(fill_exact_out, _amount_out))


@dataclass(frozen=True, slots=True)
class _Kind:
    """The difference between the two kinds of swap: how to fill a bin, and the amount used up."""

    fill: Callable[[BinTerms, int], BinFill]
    used: Callable[[BinFill], int]


def _amount_in(fill: BinFill) -> int:
    return fill.amount_in


def _amount_out(fill: BinFill) -> int:
    return fill.amount_out


def _walk(pool: DlmmPool, amount: int, direction: Direction, now_s: int, kind: _Kind) -> DlmmSwap:
    volatility = with_references(pool.volatility, pool.parameters, pool.active_id, now_s)
    left = amount
    fills: dict[int, BinFill] = {}
    for index, terms in _terms_ahead(pool, volatility, direction):
        if left == 0:
            break
        # An exact output empties a bin even if the fee takes all of it and the trader gets nothing.
        fills[index] = fill = kind.fill(terms, left)
        left -= kind.used(fill)
    if left > 0:
        raise InsufficientLiquidity(f"{left} of {amount} left when the bins ahead were used up")
    return _settle(pool, direction, fills, volatility, now_s)


def terms_ahead(pool: DlmmPool, direction: Direction, now_s: int) -> Iterator[BinTerms]:
    """The terms of each bin with liquidity, in the order in which a swap at `now_s` meets them.

    `now_s` is in seconds since 1970. The terms form the pool's whole curve for that direction.
    """
    volatility = with_references(pool.volatility, pool.parameters, pool.active_id, now_s)
    return (terms for _, terms in _terms_ahead(pool, volatility, direction))


def _terms_ahead(
    pool: DlmmPool, volatility: VariableParameters, direction: Direction
) -> Iterator[tuple[int, BinTerms]]:
    for index in _indexes_ahead(pool, direction):
        terms = _terms(pool, volatility, direction, pool.bins[index])
        if terms.reserve_out > 0:
            yield index, terms


def _indexes_ahead(pool: DlmmPool, direction: Direction) -> range:
    """The indexes of `pool.bins` in a swap's order: falling prices for X, rising for Y."""
    if direction is Direction.X_TO_Y:
        return range(bisect_right(pool.bins, pool.active_id, key=_bin_id) - 1, -1, -1)
    return range(bisect_left(pool.bins, pool.active_id, key=_bin_id), len(pool.bins))


def _bin_id(bin_: DlmmBin) -> int:
    return bin_.id


def _terms(
    pool: DlmmPool, volatility: VariableParameters, direction: Direction, bin_: DlmmBin
) -> BinTerms:
    accumulator = accumulator_at(volatility, pool.parameters, bin_.id)
    x_to_y = direction is Direction.X_TO_Y
    orders = bin_.orders_y if x_to_y else bin_.orders_x
    return BinTerms(
        direction=direction,
        price=bin_price(bin_.id, pool.bin_step),
        reserve_out=(bin_.amount_y if x_to_y else bin_.amount_x) + sum(orders),
        fee_rate=total_fee_rate(pool.parameters, pool.bin_step, accumulator),
        protocol_share_bps=pool.parameters.protocol_share_bps,
        fee_on_input=_is_fee_on_input(pool, direction),
        orders=orders,
    )


def _is_fee_on_input(pool: DlmmPool, direction: Direction) -> bool:
    mode = pool.parameters.collect_fee_mode
    return mode is CollectFeeMode.INPUT_ONLY or direction is Direction.Y_TO_X


def _settle(
    pool: DlmmPool,
    direction: Direction,
    fills: dict[int, BinFill],
    volatility: VariableParameters,
    now_s: int,
) -> DlmmSwap:
    net_in = sum(fill.net_in for fill in fills.values())
    gross_out = sum(fill.gross_out for fill in fills.values())
    return DlmmSwap(
        amount_in=sum(fill.amount_in for fill in fills.values()),
        amount_out=sum(fill.amount_out for fill in fills.values()),
        net_in=net_in,
        gross_out=gross_out,
        lp_fee=sum(fill.lp_fee for fill in fills.values()),
        protocol_fee=sum(fill.protocol_fee for fill in fills.values()) + _unsplit_fee(fills),
        fee_on_input=_is_fee_on_input(pool, direction),
        bins_filled=len(fills),
        price_impact_ppb=_impact_ppb(pool, direction, net_in, gross_out),
        _after=partial(_after, pool, direction, fills, volatility, now_s),
    )


def _unsplit_fee(fills: dict[int, BinFill]) -> int:
    """The protocol's extra fee: the rest of an input that is so small that all of it is fee.

    The program refuses a swap with nothing but such a rest, since it pays nothing.
    """
    pays = any(fill.gross_out for fill in fills.values())
    return sum(fill.amount_in for fill in fills.values() if fill.net_in == 0) if pays else 0


def _after(
    pool: DlmmPool,
    direction: Direction,
    fills: dict[int, BinFill],
    volatility: VariableParameters,
    now_s: int,
) -> DlmmPool:
    bins = list(pool.bins)
    active_id = pool.active_id
    for index, fill in fills.items():
        before = bins[index]
        active_id = before.id
        bins[index] = before.after(fill, direction, bin_price(active_id, pool.bin_step))
    if fills:
        accumulator = accumulator_at(volatility, pool.parameters, active_id)
        volatility = replace(volatility, volatility_accumulator=accumulator)
    if active_id != pool.active_id:
        volatility = replace(volatility, last_update_timestamp=now_s)
    return replace(pool, active_id=active_id, volatility=volatility, bins=tuple(bins))


def _impact_ppb(pool: DlmmPool, direction: Direction, net_in: int, gross_out: int) -> int:
    price = bin_price(pool.active_id, pool.bin_step)
    if direction is Direction.X_TO_Y:
        return shortfall_ppb(gross_out << PRICE_BITS, net_in * price)
    return shortfall_ppb(gross_out * price, net_in << PRICE_BITS)
