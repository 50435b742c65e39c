"""What a swap does when it lands: executed by the pool it names, or reverted with its error."""

from dataclasses import dataclass
from datetime import datetime

from orderengine.config import Simulation
from orderengine.domain.errors import OrderUnfillable
from orderengine.domain.instruments import Instruments
from orderengine.domain.side import Side
from orderengine.execution.ports import Execution, Reverted, Swap
from orderengine.market.draws import draw, happens
from orderengine.market.pools import PPM_PER_BPS, SimulatedMarket
from orderengine.market.swaps import PricedSwap, price_swap
from orderengine.settlement.wire import SignedSwap

# Sources: raydium-io/raydium-cp-swap `ErrorCode`, MeteoraAg/dlmm-sdk `LBError`; Anchor numbers a
# program's errors from 6000.
_SLIPPAGE_ERRORS = {
    "raydium": "ExceededSlippage (6005)",
    "meteora": "ExceededAmountSlippageTolerance (6003)",
}


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
        """Trade in the pool that the swap names, as it is at the time of landing."""
        rate, seed = self.simulation.chain_error_rate, self.simulation.seed
        if happens(rate, seed, "chain error", signed.signature):
            return Reverted(slippage_exceeded=False, detail="simulated error on chain")
        swap = signed.swap
        try:
            priced = self._price(signed, landed_at)
        except (OrderUnfillable, ValueError) as error:
            return Reverted(slippage_exceeded=False, detail=f"{swap.venue}: {error}")
        if _is_beyond_limit(swap, priced.quote_amount):
            error_name = _SLIPPAGE_ERRORS.get(swap.venue, "slippage exceeded")
            return Reverted(
                slippage_exceeded=True,
                detail=f"{swap.venue}: {error_name}: {priced.quote_amount} base units of USDC"
                f" against a limit of {swap.limit_amount}",
            )
        return Execution(
            base_amount=priced.base_amount,
            quote_amount=priced.quote_amount,
            fee=priced.fee,
            market_impact_bps=priced.market_impact_bps,
            landed_at=landed_at,
        )

    def _price(self, signed: SignedSwap, landed_at: datetime) -> PricedSwap:
        simulation, swap = self.simulation, signed.swap
        spread, drift = simulation.spread_bps, simulation.drift_bps
        against_ppm = draw(
            drift.low * PPM_PER_BPS,
            drift.high * PPM_PER_BPS,
            simulation.seed,
            "drift",
            signed.signature,
        )
        instrument = self.instruments.get(swap.symbol)
        pool = SimulatedMarket(simulation.seed, spread.low, spread.high).pool_state(
            instrument,
            swap.venue,
            swap.pool,
            landed_at,
            moved_ppm=against_ppm if swap.side is Side.BUY else -against_ppm,
        )
        return price_swap(pool, swap.side, swap.base_amount, instrument.decimals)


def _is_beyond_limit(swap: Swap, quote_amount: int) -> bool:
    if swap.side is Side.BUY:
        return quote_amount > swap.limit_amount
    return quote_amount < swap.limit_amount
