"""Small pools to route over: AAPL in pools of any size."""

from orderengine.amm.cpmm import CpmmFees, CpmmPool
from orderengine.amm.dlmm import DlmmBin, DlmmPool
from orderengine.amm.dlmm_fee import VariableParameters
from orderengine.amm.dlmm_price import PRICE_BITS, bin_price
from orderengine.config.settings import PACKAGE_DIR
from orderengine.domain.instruments import parse_instruments
from orderengine.domain.routing import RouteRequest
from orderengine.domain.side import Asset, Side
from orderengine.market.bin_liquidity import DlmmLiquidity
from orderengine.market.bins import PARAMETERS
from orderengine.market.curve_liquidity import CpmmLiquidity
from orderengine.market.liquidity import Liquidity
from orderengine.venues.offers import PoolOffer
from orderengine.venues.simulated import WANDER_BPS
from tests.fakes import START

_SIX_DECIMALS = PACKAGE_DIR.parent / "tests" / "data" / "instruments.csv"
AAPL = parse_instruments(_SIX_DECIMALS.read_text("utf-8")).get("AAPL")
TEN = 10_000_000


def a_request(
    side: Side = Side.BUY, amount: int = TEN, max_legs: int = 1, exact: Asset = Asset.BASE
) -> RouteRequest:
    """Ten AAPL, in one leg, unless told otherwise."""
    return RouteRequest(AAPL, side, amount, 100, max_legs, exact)


def offer_of(venue: str, side: Side, liquidity: Liquidity) -> PoolOffer:
    return PoolOffer(venue, f"{venue}-pool", AAPL, side, liquidity, START, WANDER_BPS)


def raydium(x: int, y: int, side: Side) -> PoolOffer:
    pool = CpmmPool(x, y, CpmmFees(trade=2_500))
    return offer_of("raydium", side, CpmmLiquidity(pool, side, 6))


def meteora(price: int, depth: int, side: Side, bins: int = 20, bin_step: int = 25) -> PoolOffer:
    """Bins around a price; each side holds the worth of `depth` base units of X."""
    active = next(i for i in range(-9_999, 9_999) if bin_price(i, bin_step) >= price << PRICE_BITS)
    per_bin = depth // bins
    made = [
        DlmmBin(
            active + away,
            per_bin if away >= 0 else 0,
            (per_bin * bin_price(active + away, bin_step) >> PRICE_BITS) if away <= 0 else 0,
        )
        for away in range(-bins, bins + 1)
    ]
    volatility = VariableParameters(index_reference=active)
    pool = DlmmPool(bin_step, active, PARAMETERS, volatility, tuple(made))
    return offer_of("meteora", side, DlmmLiquidity(pool, side, 6, 10**9))
