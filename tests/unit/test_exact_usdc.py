"""Swaps of exactly so much USDC: quotes, splits, limits and landings, by their properties."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from orderengine.config.settings import PACKAGE_DIR
from orderengine.domain.choice import choose_route
from orderengine.domain.documents import route_document, route_from
from orderengine.domain.errors import FailureReason, OrderUnfillable
from orderengine.domain.instruments import parse_instruments
from orderengine.domain.pricing import is_beyond, worst_base_amount
from orderengine.domain.routing import Offer, Route, RouteReason, RouteRequest, better
from orderengine.domain.side import Asset, Side, side_of
from orderengine.domain.splitting import best_split
from orderengine.execution.network import Execution, Outcome, Reverted, Swap, SwapLeg
from orderengine.market.venues import VENUES
from orderengine.settlement.outcomes import Landing
from orderengine.settlement.wire import SignedSwap
from orderengine.venues.simulated import SimulatedVenue
from tests.fakes import START, FakeClock, FakeOffer
from tests.pools import a_request, meteora, raydium
from tests.simulations import a_simulation

deterministic = settings(derandomize=True, deadline=None, max_examples=80)
INSTRUMENTS = parse_instruments((PACKAGE_DIR / "instruments.csv").read_text("utf-8"))

sides = st.sampled_from(Side)
symbols = st.sampled_from([instrument.symbol for instrument in INSTRUMENTS])
moments = st.integers(0, 86_400_000).map(lambda ms: START + timedelta(milliseconds=ms))


def in_usdc(side: Side, amount: int, max_legs: int = 1) -> RouteRequest:
    return a_request(side, amount, max_legs, Asset.QUOTE)


def base_total(offers: Sequence[Offer], amounts: Sequence[int]) -> int | None:
    """What these amounts of USDC buy, or need, together; None if they can not be traded."""
    try:
        quotes = [o.in_usdc().quote(a, 100) for o, a in zip(offers, amounts, strict=True) if a]
    except OrderUnfillable:
        return None
    return sum(quote.base_amount for quote in quotes)


@deterministic
@given(
    sides,
    st.integers(10**9, 10**13),
    st.integers(200, 260),
    st.integers(10**9, 10**13),
    st.integers(1, 2),
    st.integers(1, 10**16),
)
def test_a_route_trades_the_usdc_to_the_unit_and_its_limit_is_never_better_than_its_quote(
    side: Side, x: int, price: int, depth: int, max_legs: int, amount: int
) -> None:
    offers = [raydium(x, x * price, side), meteora(230, depth, side)]
    try:
        route = choose_route(in_usdc(side, amount, max_legs), offers, {})
    except OrderUnfillable:
        return
    event(route.reason)
    assert sum(leg.quote_amount for leg in route.legs) == route.quote_amount == amount
    assert (route.exact, route.other_amount) == (Asset.QUOTE, route.base_amount)
    for tolerance in (0, 1, 100, 10_000):
        assert not is_beyond(route.exact_side, route.base_amount, route.limit_amount(tolerance))
    assert route_from(route_document(route)) == route


@deterministic
@given(
    sides,
    st.integers(10**9, 10**13),
    st.integers(200, 260),
    st.integers(10**9, 10**13),
    st.integers(1, 10**15),
)
def test_more_legs_never_make_it_worse(
    side: Side, x: int, price: int, depth: int, amount: int
) -> None:
    offers = [raydium(x, x * price, side), meteora(230, depth, side)]
    try:
        alone = choose_route(in_usdc(side, amount), offers, {})
    except OrderUnfillable:
        return
    split = choose_route(in_usdc(side, amount, 2), offers, {})
    assert not better(side_of(Asset.QUOTE, side), alone.base_amount, split.base_amount)


@settings(deterministic, max_examples=30)
@given(
    sides,
    st.integers(300, 3_000),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(20, 1_500),
    st.integers(1, 20),
    st.integers(1, 900),
)
def test_a_split_is_within_a_few_units_of_brute_force(
    side: Side, x: int, price: int, other_price: int, depth: int, bins: int, amount: int
) -> None:
    offers = [raydium(x, x * price, side), meteora(other_price, depth, side, bins)]
    totals = [base_total(offers, (first, amount - first)) for first in range(amount + 1)]
    known = [each for each in totals if each is not None]
    assume(known)
    best = (max if side is Side.BUY else min)(known)
    found = choose_route(in_usdc(side, amount, 2), offers, {})
    assert found.quote_amount == amount
    # Two units of the input for each leg and bin; a unit of USDC buys at most one of the base.
    assert abs(found.base_amount - best) <= 4 + 2 * min(bins, amount)


@deterministic
@given(
    sides,
    st.integers(10**9, 10**13),
    st.integers(200, 260),
    st.integers(10**9, 10**13),
    st.integers(1, 999),
    st.integers(-(10**8), 10**8),
)
def test_no_shift_between_the_legs_of_a_split_improves_it(
    side: Side, x: int, price: int, depth: int, permille: int, shift: int
) -> None:
    offers = [raydium(x, x * price, side), meteora(230, depth, side)]
    views = [offer.in_usdc() for offer in offers]
    amount = sum(offer.largest(100) for offer in views) * permille // 1_000
    legs = best_split(in_usdc(side, amount, 2), views)
    assume(legs)
    first, second = (leg.quote_amount for leg in legs)
    assume(0 < first + shift < amount)
    shifted = base_total(offers, (first + shift, second - shift))
    if shifted is not None:
        gain = shifted - sum(leg.base_amount for leg in legs)
        assert (gain if side is Side.BUY else -gain) <= 4 + 2 * 20


@pytest.mark.parametrize(
    ("side", "detail"),
    [
        (Side.BUY, "meteora brings 0.100000 AAPL (10.00 %) more than raydium"),
        (Side.SELL, "raydium costs 0.100000 AAPL (9.09 %) less than meteora"),
    ],
)
def test_the_reason_speaks_of_the_asset_that_decided(side: Side, detail: str) -> None:
    offers = [
        FakeOffer("raydium", side, Decimal(100)),
        FakeOffer("meteora", side, 1 / Decimal("0.011")),
    ]
    route = choose_route(in_usdc(side, 100_000_000), offers, {})
    assert (route.reason, route.detail) == (RouteReason.BEST_PRICE, detail)


@pytest.mark.parametrize(("side", "act"), [(Side.BUY, "buy"), (Side.SELL, "sell")])
def test_a_refusal_names_usdc(side: Side, act: str) -> None:
    offers = [FakeOffer(venue, side, Decimal(100), most=1_005_000) for venue in ("a", "b")]
    with pytest.raises(OrderUnfillable) as caught:
        choose_route(in_usdc(side, 10**9), offers, {})
    assert caught.value.detail == (
        f"the venues let you {act} AAPL for at most 1.000000 USDC, or 2.000000 with maxLegs 2"
        " (a 1.000000, b 1.000000)"
    )


def test_bins_that_can_not_take_all_of_an_input_refuse_it() -> None:
    offer = meteora(230, 10**9, Side.BUY).in_usdc()
    largest = offer.largest(100)
    assert offer.quote(largest, 100).quote_amount == largest
    with pytest.raises(OrderUnfillable, match=r"one swap may buy for at most [0-9.]+ USDC"):
        offer.quote(largest + 1, 100)


@pytest.mark.parametrize(
    ("side", "price", "limit"),
    [
        (Side.BUY, "230", 10_000_000),
        (Side.BUY, "229.9999999", 10_000_001),
        (Side.SELL, "230", 10_000_000),
        (Side.SELL, "230.0000001", 9_999_999),
    ],
)
def test_a_worst_price_is_rounded_in_the_clients_favor(side: Side, price: str, limit: int) -> None:
    assert worst_base_amount(side, Decimal(price), 2_300_000_000, 6) == limit


@deterministic
@given(sides, st.integers(10**9, 10**13), st.integers(200, 260), st.integers(1, 10**12))
def test_a_worst_price_of_the_quote_itself_allows_the_quote(
    side: Side, x: int, price: int, amount: int
) -> None:
    try:
        quote = raydium(x, x * price, side).in_usdc().quote(amount, 100)
    except OrderUnfillable:
        return
    worst = worst_base_amount(side, quote.price, amount, 6)
    assert not is_beyond(side_of(Asset.QUOTE, side), quote.base_amount, worst)


def landed(route: Route, symbol: str, limit: int, drift: int) -> Outcome:
    legs = tuple(
        SwapLeg(leg.venue, leg.pool, leg.quote_amount, leg.base_decimals) for leg in route.legs
    )
    swap = Swap(UUID(int=1), 1, symbol, route.side, legs, limit, Asset.QUOTE)
    simulation = a_simulation(SIM_DRIFT_BPS=f"{drift}-{drift}", SIM_SPREAD_BPS="200-500")
    landing = Landing(simulation, INSTRUMENTS)
    return landing.outcome(SignedSwap("signature", swap, 10**9), route.legs[0].quoted_at)


def routed(request: RouteRequest, at: FakeClock) -> Route:
    simulation = a_simulation(SIM_SPREAD_BPS="200-500")
    venues = [SimulatedVenue(name, simulation, at) for name in VENUES]
    offers = [venue.offer(request.instrument, request.side) for venue in venues]
    return choose_route(request, offers, {})


@deterministic
@given(symbols, sides, moments, st.integers(1, 2), st.integers(1, 600), st.integers(0, 100))
def test_a_landed_swap_trades_the_usdc_to_the_unit_whatever_the_drift(
    symbol: str, side: Side, at: datetime, max_legs: int, permille: int, drift: int
) -> None:
    instrument = INSTRUMENTS.get(symbol)
    amount = int(instrument.depth * permille) * 1_000
    request = RouteRequest(instrument, side, amount, 100, max_legs, Asset.QUOTE)
    try:
        route = routed(request, FakeClock(at))
    except OrderUnfillable as error:
        if error.reason is not FailureReason.NOT_OPEN:
            raise
        return
    outcome = landed(route, symbol, route.limit_amount(100), drift)
    assert isinstance(outcome, Execution), outcome
    assert outcome.quote_amount == amount
    assert not is_beyond(route.exact_side, outcome.base_amount, route.limit_amount(100))
    if drift == 0:
        assert outcome.base_amount == route.base_amount


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("max_legs", [1, 2])
def test_a_swap_beyond_its_limit_of_the_base_asset_reverts(side: Side, max_legs: int) -> None:
    instrument = INSTRUMENTS.get("SOL")
    amount = int(instrument.depth * 10**6) * 4 // 10
    request = RouteRequest(instrument, side, amount, 100, max_legs, Asset.QUOTE)
    route = routed(request, FakeClock(START))
    beyond = route.base_amount + (1 if side is Side.BUY else -1)
    outcome = landed(route, "SOL", beyond, 0)
    assert isinstance(outcome, Reverted)
    assert outcome.slippage_exceeded
    assert " SOL against a limit of " in outcome.detail
    assert isinstance(landed(route, "SOL", route.base_amount, 0), Execution)


@pytest.mark.parametrize(
    ("side", "limit", "error"),
    [
        (Side.BUY, 10**18, "ExceededAmountSlippageTolerance (6003)"),
        (Side.SELL, 1, "NotExactAmountOut (6057)"),
    ],
)
def test_bins_refuse_an_exact_input_and_an_exact_output_in_their_own_words(
    side: Side, limit: int, error: str
) -> None:
    instrument = INSTRUMENTS.get("SOL")
    request = RouteRequest(instrument, side, 10**12, 100, 1, Asset.QUOTE)
    (quote,) = (
        each for each in routed(request, FakeClock(START)).quotes if each.venue == "meteora"
    )
    route = Route(reason=RouteReason.ONLY_QUOTE, detail="", legs=(quote,), quotes=(), refusals={})
    outcome = landed(route, "SOL", limit, 0)
    assert isinstance(outcome, Reverted)
    assert outcome.detail.startswith(f"meteora: {error}: ")


def test_a_tolerance_of_everything_needs_no_output() -> None:
    quote = raydium(10**10, 10**12, Side.BUY).in_usdc().quote(10_000, 10_000)
    assert quote.limit_amount == 0
    with pytest.raises(OrderUnfillable, match="smallest unit of AAPL"):
        raydium(10**10, 10**13, Side.BUY).in_usdc().quote(1_100, 5_000)
