"""The outcome of a landing swap: executed by its pools, or reverted with their error."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from orderengine.amm.errors import AmmError
from orderengine.domain.errors import OrderUnfillable
from orderengine.domain.fill import FillLeg
from orderengine.domain.instruments import Instruments
from orderengine.domain.pricing import USDC_DECIMALS, is_beyond, to_tokens
from orderengine.domain.side import Asset, Side
from orderengine.execution.network import Execution, Reverted, Swap, SwapLeg
from orderengine.market.bin_liquidity import DlmmLiquidity
from orderengine.market.draws import draw, happens
from orderengine.market.liquidity import Liquidity
from orderengine.market.pools import PPM_PER_BPS, market_of
from orderengine.market.simulation import Simulation
from orderengine.market.venues import VENUES
from orderengine.settlement.wire import SignedSwap

# A separate program checks the total of several swaps.
# Source: the `SlippageToleranceExceeded` error of Jupiter's aggregator program.
_ROUTER_SLIPPAGE_ERROR = "SlippageToleranceExceeded (6001)"


@dataclass(frozen=True, slots=True)
class Landing:
    """Lands transactions; its draws depend on the signature only, and so are repeatable."""

    simulation: Simulation
    instruments: Instruments

    def delay_ms(self, signature: str) -> int:
        """The time from sending to landing."""
        settlement = self.simulation.settlement_ms
        return draw(settlement.low, settlement.high, self.simulation.seed, "delay", signature)

    def outcome(self, signed: SignedSwap, landed_at: datetime) -> Execution | Reverted:
        """Trade in the pools that the swap names, in their state at the landing.

        All legs execute, or none does; the limit holds for their total. If the market has moved so
        far that a pool cannot trade its leg at all, the swap is beyond any limit.
        """
        rate, seed = self.simulation.chain_error_rate, self.simulation.seed
        if happens(rate, seed, "chain error", signed.signature):
            return Reverted(slippage_exceeded=False, detail="simulated error on chain")
        swap = signed.swap
        pools: list[Liquidity] = []
        legs: list[FillLeg] = []
        for leg in swap.legs:
            try:
                pools.append(self._pool(signed, leg, landed_at))
                legs.append(_trade(pools[-1], leg))
            except AmmError:
                return Reverted(slippage_exceeded=True, detail=_out_of_reach(swap, leg))
            except (OrderUnfillable, ValueError) as error:
                return Reverted(slippage_exceeded=False, detail=f"{leg.venue}: {error}")
        execution = Execution(tuple(legs), landed_at)
        by_base = swap.exact is Asset.BASE
        other = execution.quote_amount if by_base else execution.base_amount
        if is_beyond(swap.exact_side, other, swap.limit_amount):
            unit, decimals = ("USDC", USDC_DECIMALS) if by_base else self._base(swap)
            return Reverted(
                slippage_exceeded=True,
                detail=f"{_slippage_error(swap, pools)}: {to_tokens(other, decimals):f} {unit}"
                f" against a limit of {to_tokens(swap.limit_amount, decimals):f}",
            )
        return execution

    def _base(self, swap: Swap) -> tuple[str, int]:
        """The base asset's symbol and the decimals of its amounts."""
        return swap.symbol, self._decimals(swap, swap.legs[0])

    def _decimals(self, swap: Swap, leg: SwapLeg) -> int:
        if leg.base_decimals is None:
            return self.instruments.get(swap.symbol).unstated_decimals
        return leg.base_decimals

    def _pool(self, signed: SignedSwap, leg: SwapLeg, landed_at: datetime) -> Liquidity:
        swap = signed.swap
        traded = self.instruments.get(swap.symbol)
        instrument = replace(traded, decimals=self._decimals(swap, leg))
        against_ppm = self._against_ppm(signed)
        return market_of(self.simulation).liquidity(
            instrument,
            swap.side,
            leg.venue,
            leg.pool,
            landed_at,
            moved_ppm=against_ppm if swap.side is Side.BUY else -against_ppm,
            exact=swap.exact,
        )

    def _against_ppm(self, signed: SignedSwap) -> int:
        drift, seed = self.simulation.drift_bps, self.simulation.seed
        low, high = drift.low * PPM_PER_BPS, drift.high * PPM_PER_BPS
        return draw(low, high, seed, "drift", signed.signature)


def _trade(pool: Liquidity, leg: SwapLeg) -> FillLeg:
    priced = pool.price(leg.amount)
    return FillLeg(
        venue=leg.venue,
        pool=leg.pool,
        base_amount=priced.base_amount,
        quote_amount=priced.quote_amount,
        fee=priced.fee,
        market_impact_bps=priced.market_impact_bps,
    )


def _slippage_error(swap: Swap, pools: Sequence[Liquidity]) -> str:
    """The error of the program that checks the limit: the venue's, or the router's for a split."""
    if len(swap.legs) > 1:
        return f"router: {_ROUTER_SLIPPAGE_ERROR}"
    (leg,), (pool,) = swap.legs, pools
    errors = VENUES[leg.venue].errors
    if swap.exact_side is Side.SELL:
        return f"{leg.venue}: {errors.exact_input}"
    # Without bins the two errors are the same.
    in_earlier_bin = (
        isinstance(pool, DlmmLiquidity) and pool.used_up_cost(leg.amount) > swap.limit_amount
    )
    error = errors.output_in_earlier_bin if in_earlier_bin else errors.output_in_last_bin
    return f"{leg.venue}: {error}"


def _out_of_reach(swap: Swap, leg: SwapLeg) -> str:
    """The error of a pool that cannot trade the leg at any price known to its program."""
    errors = VENUES[leg.venue].errors
    is_output = swap.exact_side is Side.BUY
    error = errors.output_in_earlier_bin if is_output else errors.input_for_nothing
    return f"{leg.venue}: {error}: the market moved, and the pool can not trade this amount"
