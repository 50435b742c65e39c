"""The landing of a routed swap, however far the market has drifted meanwhile."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import assume, event, example, given, settings
from hypothesis import strategies as st

from orderengine.amm import dlmm
from orderengine.amm.direction import Direction
from orderengine.config.settings import PACKAGE_DIR
from orderengine.domain.choice import choose_route
from orderengine.domain.errors import OrderUnfillable
from orderengine.domain.instruments import parse_instruments
from orderengine.domain.routing import Offer, Route, RouteRequest
from orderengine.domain.side import Side
from orderengine.execution.network import Execution, Outcome, Reverted, Swap, SwapLeg
from orderengine.market.pools import SimulatedMarket
from orderengine.market.venues import VENUES
from orderengine.settlement import wire
from orderengine.settlement.outcomes import Landing
from orderengine.settlement.wire import SignedSwap
from orderengine.venues.simulated import SimulatedVenue
from tests.fakes import START, FakeClock
from tests.simulations import a_simulation

deterministic = settings(derandomize=True, deadline=None, max_examples=150)

INSTRUMENTS = parse_instruments((PACKAGE_DIR / "instruments.csv").read_text("utf-8"))
MARKET = SimulatedMarket(1, 200, 500)
OUT_OF_REACH = "the market moved, and the pool"

symbols = st.sampled_from([each.symbol for each in INSTRUMENTS if not each.launched])
moments = st.integers(0, 86_400_000).map(lambda ms: START + timedelta(milliseconds=ms))


def offers_at(at: datetime, symbol: str, side: Side) -> Sequence[Offer]:
    instrument, clock = INSTRUMENTS.get(symbol), FakeClock(at)
    simulation = a_simulation(SIM_SPREAD_BPS="200-500")
    return [SimulatedVenue(name, simulation, clock).offer(instrument, side) for name in VENUES]


def route_at(at: datetime, request: RouteRequest) -> Route:
    return choose_route(request, offers_at(at, request.instrument.symbol, request.side), {})


def landed(route: Route, symbol: str, tolerance: int, drift: int, at: datetime) -> Outcome:
    legs = tuple(
        SwapLeg(leg.venue, leg.pool, leg.base_amount, leg.base_decimals) for leg in route.legs
    )
    limit = route.limit_amount(tolerance)
    swap = Swap(UUID(int=1), 1, symbol, route.side, legs, limit)
    simulation = a_simulation(SIM_DRIFT_BPS=f"{drift}-{drift}", SIM_SPREAD_BPS="200-500")
    return Landing(simulation, INSTRUMENTS).outcome(SignedSwap("signature", swap, 10**9), at)


def capacity(offers: Sequence[Offer], max_legs: int) -> int:
    return sum(sorted((offer.largest(0) for offer in offers), reverse=True)[:max_legs])


@deterministic
@given(
    symbols,
    st.sampled_from(Side),
    moments,
    st.integers(1, 2),
    st.integers(1, 1_050),
    st.integers(0, 5_000),
    st.integers(0, 100),
    st.integers(0, 10_000),
)
@example("BONK", Side.BUY, START, 2, 780, 100, 0, 2_000)
@example("BONK", Side.BUY, START, 2, 995, 10, 100, 10_000)
def test_a_route_stays_executable_for_every_drift_within_its_tolerance(
    symbol: str,
    side: Side,
    at: datetime,
    max_legs: int,
    permille: int,
    tolerance: int,
    share: int,
    later_ms: int,
) -> None:
    amount = capacity(offers_at(at, symbol, side), max_legs) * permille // 1_000
    request = RouteRequest(INSTRUMENTS.get(symbol), side, amount, tolerance, max_legs)
    try:
        route = route_at(at, request)
    except OrderUnfillable:
        return
    later = at + timedelta(milliseconds=later_ms)
    outcome = landed(route, symbol, tolerance, tolerance * share // 100, later)
    if isinstance(outcome, Reverted):
        assert outcome.slippage_exceeded
        assert OUT_OF_REACH not in outcome.detail


@deterministic
@given(
    symbols, st.sampled_from(Side), moments, st.integers(1, 2), st.sampled_from([0, 50, 100, 5_000])
)
def test_a_refused_amount_names_one_that_can_be_executed_even_a_moment_later(
    symbol: str, side: Side, at: datetime, max_legs: int, tolerance: int
) -> None:
    instrument = INSTRUMENTS.get(symbol)
    amount = 2 * capacity(offers_at(at, symbol, side), 2)
    request = RouteRequest(instrument, side, amount, tolerance, max_legs)
    with pytest.raises(OrderUnfillable) as caught:
        route_at(at, request)
    named = re.search(r"at most ([0-9.]+) (\w+)", caught.value.detail)
    assert named
    assert named[2] == symbol
    possible = replace(request, amount=instrument.base_units(Decimal(named[1])))
    first = route_at(at, possible)
    assert isinstance(landed(first, symbol, tolerance, 0, at), Execution)
    # Only for the same pools: the venues' best pools change every 20 s.
    later = at + timedelta(seconds=8)
    pools = {MARKET.pool_id(instrument, moment) for moment in (at, later)}
    if len(pools) == 1:
        outcome = landed(route_at(later, possible), symbol, tolerance, 0, later)
        assert isinstance(outcome, Execution)


def test_whatever_the_drift_no_swap_ends_in_an_error_on_chain() -> None:
    for symbol in ("AAPL", "BONK"):
        for side in Side:
            both = capacity(offers_at(START, symbol, side), 2)
            request = RouteRequest(INSTRUMENTS.get(symbol), side, both * 97 // 100, 10, 2)
            route = route_at(START, request)
            for drift in (0, 50, 500, 5_000):
                outcome = landed(route, symbol, 10, drift, START)
                assert isinstance(outcome, Execution | Reverted)
                assert isinstance(outcome, Execution) or outcome.slippage_exceeded


def test_seventy_billion_bonk_are_bought_over_both_venues() -> None:
    amount = INSTRUMENTS.get("BONK").base_units(Decimal(70_000_000_000))
    request = RouteRequest(INSTRUMENTS.get("BONK"), Side.BUY, amount, 100, 2)
    for second in range(0, 60, 5):
        at = START + timedelta(seconds=second)
        outcome = landed(route_at(at, request), "BONK", 100, 30, at + timedelta(seconds=2))
        assert isinstance(outcome, Execution), outcome


def test_a_refusal_speaks_of_tokens() -> None:
    for offer in offers_at(START, "AAPL", Side.BUY):
        with pytest.raises(OrderUnfillable, match=r"may buy at most [0-9]+\.[0-9]+ AAPL"):
            offer.quote(offer.largest(100) + 1, 100)


def test_a_sale_that_may_bring_nothing_within_its_tolerance_is_not_quoted() -> None:
    # One unit of USDC is worth some 2,050 units of BONK.
    for offer in offers_at(START, "BONK", Side.SELL):
        assert offer.quote(3_000, 0).quote_amount == 1
        with pytest.raises(OrderUnfillable, match="at its tolerance"):
            offer.quote(3_000, 1)
        assert offer.quote(5_000, 100).limit_amount == 1


@deterministic
@given(moments, st.integers(1, 950), st.integers(1, 300))
def test_a_buy_at_meteora_is_refused_in_the_words_of_the_bin_where_the_money_ends(
    at: datetime, permille: int, drift: int
) -> None:
    (meteora,) = (each for each in offers_at(at, "SOL", Side.BUY) if each.venue == "meteora")
    quote = meteora.quote(meteora.largest(0) * permille // 1_000, 0)
    leg = SwapLeg(quote.venue, quote.pool, quote.base_amount)
    swap = Swap(UUID(int=1), 1, "SOL", Side.BUY, (leg,), quote.limit_amount)
    simulation = a_simulation(SIM_DRIFT_BPS=f"{drift}-{drift}", SIM_SPREAD_BPS="200-500")
    landing = Landing(simulation, INSTRUMENTS)
    outcome = landing.outcome(SignedSwap("signature", swap, 10**9), at)
    assume(isinstance(outcome, Reverted))
    assert isinstance(outcome, Reverted)
    moved = MARKET.pool_state(
        INSTRUMENTS.get("SOL"), "meteora", quote.pool, at, moved_ppm=drift * 100
    )
    assert isinstance(moved, dlmm.DlmmPool)
    now_s = int(at.timestamp())
    wants = dlmm.exact_out(moved, quote.base_amount, Direction.Y_TO_X, now_s).pool.active_id
    reaches = dlmm.exact_in(moved, quote.limit_amount, Direction.Y_TO_X, now_s).pool.active_id
    last = "InsufficientInAmount (6104)" if reaches == wants else "NotExactAmountOut (6057)"
    assert outcome.detail.startswith(f"meteora: {last}: ")
    event(last)


def test_a_swap_signed_before_the_decimals_changed_settles_as_it_was_meant() -> None:
    """The previous release counted AAPL with six decimals, and its bytes do not name them."""
    signed = wire.read(
        wire.sign(
            Swap(
                UUID(int=1),
                1,
                "AAPL",
                Side.SELL,
                (SwapLeg("raydium", MARKET.pool_id(INSTRUMENTS.get("AAPL"), START), 10_000_000),),
                limit_amount=2_000_000_000,
            ),
            10**9,
            "nonce",
        )
    )
    outcome = Landing(a_simulation(), INSTRUMENTS).outcome(signed, START)
    assert isinstance(outcome, Execution)
    assert 2_200_000_000 < outcome.quote_amount < 2_400_000_000


def test_a_swap_of_today_names_its_decimals_where_the_release_before_had_others() -> None:
    for symbol, decimals in (("AAPL", 8), ("SOL", None)):
        leg = SwapLeg("raydium", f"{symbol}-USDC-1", 10**9, decimals)
        (document,) = wire.legs_document([leg])
        assert wire.legs_from([document]) == (leg,)
        # The previous release reads this field, and must not find an amount that it misunderstands.
        assert ("baseAmount" in document) == (decimals is None)
