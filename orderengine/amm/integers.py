"""Integer arithmetic shared by the pool formulas: bounds, rounding, fixed point."""

from orderengine.amm.errors import AmountOutOfRange

U64_MAX = 2**64 - 1
U128_MAX = 2**128 - 1

PARTS_PER_BILLION = 10**9


def ceil_div(numerator: int, denominator: int) -> int:
    """The quotient rounded up.

    Both arguments are integers, `numerator` ≥ 0 and `denominator` ≥ 1.
    Raises ZeroDivisionError for a zero denominator.
    """
    # Floor division rounds towards minus infinity, so the negated quotient rounds up.
    return -(-numerator // denominator)


def ceil_shift(value: int, bits: int) -> int:
    """The value divided by 2^bits, rounded up.

    `value` ≥ 0, `bits` ≥ 0. Source: MeteoraAg/dlmm-sdk `mulShr` with `Rounding.Up`.
    """
    return -(-value >> bits)


def require_range(name: str, value: int, low: int, high: int) -> None:
    """Refuses a value outside `low` to `high`, both included.

    Raises AmountOutOfRange with the name and the value.
    """
    if not low <= value <= high:
        raise AmountOutOfRange(f"{name} is {value}, outside {low}..{high}")


def shortfall_ppb(paid: int, expected: int) -> int:
    """How far `paid` falls short of `expected`, in parts per billion, rounded down.

    Both in the same unit, 0 ≤ paid ≤ expected; the result is in 0..1e9, and 0 if `expected` is 0.
    1e5 parts per billion are one basis point.
    """
    if expected == 0:
        return 0
    return (expected - paid) * PARTS_PER_BILLION // expected
