"""The curve `x · y = constant` of the Raydium pools, before any fee."""

from orderengine.amm.errors import InsufficientLiquidity
from orderengine.amm.integers import ceil_div, shortfall_ppb


def curve_out(net_in: int, reserve_in: int, reserve_out: int) -> int:
    """The output of the curve for an input after fees, rounded down.

    Base units, none negative; the result is at most `reserve_out`.
    Raises InsufficientLiquidity when input and input reserve are both zero.
    Source: raydium-io/raydium-cp-swap `ConstantProductCurve::swap_base_input_without_fees`, and
    raydium-io/raydium-amm `Calculator::swap_token_amount_base_in`.
    """
    if reserve_in + net_in == 0:
        raise InsufficientLiquidity("nothing is offered to an empty reserve")
    return net_in * reserve_out // (reserve_in + net_in)


def curve_in(gross_out: int, reserve_in: int, reserve_out: int) -> int:
    """The input that the curve needs, before fees, for an output, rounded up.

    Base units, none negative.
    Raises InsufficientLiquidity when `gross_out` would empty the output reserve.
    Source: raydium-io/raydium-cp-swap `ConstantProductCurve::swap_base_output_without_fees`, and
    raydium-io/raydium-amm `Calculator::swap_token_amount_base_out`.
    """
    if gross_out >= reserve_out:
        raise InsufficientLiquidity(f"{gross_out} asked of a reserve of {reserve_out}")
    return ceil_div(reserve_in * gross_out, reserve_out - gross_out)


def curve_impact_ppb(net_in: int, gross_out: int, reserve_in: int, reserve_out: int) -> int:
    """How much less the curve paid than its mid price, in parts per billion, rounded down.

    `1 - gross_out / (net_in · reserve_out / reserve_in)`: against the reserves before the swap,
    without fees. The result is in 0..1e9.
    """
    return shortfall_ppb(gross_out * reserve_in, net_in * reserve_out)
