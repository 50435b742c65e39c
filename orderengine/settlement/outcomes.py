"""What a swap does when it lands: executed by the pools it names, or reverted with its error."""

from dataclasses import dataclass
from datetime import datetime

from orderengine.config import Simulation
from orderengine.domain.errors import OrderUnfillable
from orderengine.domain.instruments import Instruments
from orderengine.domain.order import FillLeg
from orderengine.domain.pricing import USDC_DECIMALS, is_beyond, to_tokens
from orderengine.domain.side import Side
from orderengine.execution.ports import Execution, Reverted, Swap, SwapLeg
from orderengine.market.draws import draw, happens
from orderengine.market.pools import PPM_PER_BPS, SimulatedMarket
from orderengine.settlement.wire import SignedSwap

# Sources: raydium-io/raydium-cp-swap `ErrorCode`, MeteoraAg/dlmm-sdk `LBError`; Anchor numbers a
# program's errors from 6000.
_SLIPPAGE_ERRORS = {
    "raydium": "ExceededSlippage (6005)",
    "meteora": "ExceededAmountSlippageTolerance (6003)",
}
# What checks the total of several swaps is a program of its own.
# Source: the `SlippageToleranceExceeded` error of Jupiter's aggregator program.
_ROUTER_SLIPPAGE_ERROR = "SlippageToleranceExceeded (6001)"


@dataclass(frozen=True, slots=True)
class Landing:
    """How transactions land; what is drawn is drawn by signature, and so the same each time."""

    simulation: Simulation
    instruments: Instruments

    def delay_ms(self, signature: str) -> int:
        """How long after it was sent a transaction lands."""
        settlement = self.simulation.settlement_ms
        return draw(settlement.low, settlement.high, self.simulation.seed, "delay", signature)

    def outcome(self, signed: SignedSwap, landed_at: datetime) -> Execution | Reverted:
        """Trade in the pools that the swap names, as they are at the time of landing.

        All legs execute, or none does; the limit holds for their total.
        """
        rate, seed = self.simulation.chain_error_rate, self.simulation.seed
        if happens(rate, seed, "chain error", signed.signature):
            return Reverted(slippage_exceeded=False, detail="simulated error on chain")
        swap = signed.swap
        legs: list[FillLeg] = []
        for leg in swap.legs:
            try:
                legs.append(self._trade(signed, leg, landed_at))
            except (OrderUnfillable, ValueError) as error:
                return Reverted(slippage_exceeded=False, detail=f"{leg.venue}: {error}")
        execution = Execution(tuple(legs), landed_at)
        if is_beyond(swap.side, execution.quote_amount, swap.limit_amount):
            return Reverted(
                slippage_exceeded=True,
                detail=f"{_slippage_error(swap)}: {_usdc(execution.quote_amount)} USDC"
                f" against a limit of {_usdc(swap.limit_amount)}",
            )
        return execution

    def _trade(self, signed: SignedSwap, leg: SwapLeg, landed_at: datetime) -> FillLeg:
        swap = signed.swap
        instrument = self.instruments.get(swap.symbol)
        against_ppm = self._against_ppm(signed)
        spread = self.simulation.spread_bps
        liquidity = SimulatedMarket(self.simulation.seed, spread.low, spread.high).liquidity(
            instrument,
            swap.side,
            leg.venue,
            leg.pool,
            landed_at,
            moved_ppm=against_ppm if swap.side is Side.BUY else -against_ppm,
        )
        priced = liquidity.price(leg.base_amount)
        return FillLeg(
            venue=leg.venue,
            pool=leg.pool,
            base_amount=priced.base_amount,
            quote_amount=priced.quote_amount,
            fee=priced.fee,
            market_impact_bps=priced.market_impact_bps,
        )

    def _against_ppm(self, signed: SignedSwap) -> int:
        drift, seed = self.simulation.drift_bps, self.simulation.seed
        low, high = drift.low * PPM_PER_BPS, drift.high * PPM_PER_BPS
        return draw(low, high, seed, "drift", signed.signature)


def _slippage_error(swap: Swap) -> str:
    """The error of the program that checks the limit: the venue's, or for a split the router's."""
    if len(swap.legs) > 1:
        return f"router: {_ROUTER_SLIPPAGE_ERROR}"
    venue = swap.legs[0].venue
    return f"{venue}: {_SLIPPAGE_ERRORS.get(venue, 'slippage exceeded')}"


def _usdc(base_units: int) -> str:
    return f"{to_tokens(base_units, USDC_DECIMALS):f}"
