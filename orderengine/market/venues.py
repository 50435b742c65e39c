"""The simulated venues: one record each, and all that tells one from another."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from orderengine.amm.cpmm import CpmmFees, CpmmPool
from orderengine.amm.dlmm import DlmmPool
from orderengine.market.bins import pool_around

# 25 bps, of which 12 % go to the protocol and 4 % to the fund, as on Raydium's CPMM pools.
# Source: the lowest fee tier among the `AmmConfig` accounts of raydium-io/raydium-cp-swap.
CPMM_FEES = CpmmFees(trade=2_500, protocol=120_000, fund=40_000)


@dataclass(frozen=True, slots=True)
class SlippageErrors:
    """The errors of a venue's program for a swap beyond its limit.

    An exact output fails in the last bin that it needs, or in an earlier one that it should use up.
    Programs without bins have one error for all.
    """

    exact_input: str
    input_for_nothing: str
    output_in_last_bin: str
    output_in_earlier_bin: str


@dataclass(frozen=True, slots=True)
class VenueRecord:
    """A simulated venue; `pool_at` makes a pool from its price and its depth, in base units."""

    name: str
    pool_at: Callable[[Fraction, int], CpmmPool | DlmmPool]
    errors: SlippageErrors


def _constant_product(price: Fraction, depth: int) -> CpmmPool:
    return CpmmPool(reserve_x=int(depth / price), reserve_y=depth, fees=CPMM_FEES)


# Sources of the errors: raydium-io/raydium-cp-swap `ErrorCode`, MeteoraAg/dlmm-sdk `LBError`;
# Anchor numbers a program's errors from 6000.
_RAYDIUM_SLIPPAGE = "ExceededSlippage (6005)"

RAYDIUM = VenueRecord("raydium", _constant_product, SlippageErrors(*4 * (_RAYDIUM_SLIPPAGE,)))
METEORA = VenueRecord(
    "meteora",
    pool_around,
    SlippageErrors(
        exact_input="ExceededAmountSlippageTolerance (6003)",
        input_for_nothing="InsufficientOutAmount (6039)",
        output_in_last_bin="InsufficientInAmount (6104)",
        output_in_earlier_bin="NotExactAmountOut (6057)",
    ),
)

VENUES: Mapping[str, VenueRecord] = {each.name: each for each in (RAYDIUM, METEORA)}
"""All simulated venues by name, in the order in which they are asked; the page has its own."""
