"""Orders of exactly so much USDC, through the stages on ports in memory and over HTTP."""

from dataclasses import replace
from decimal import Decimal

import pytest
from werkzeug.test import TestResponse

from orderengine.domain.errors import FailureReason, OrderEngineError
from orderengine.domain.idempotency import fingerprint
from orderengine.domain.instruments import Instruments
from orderengine.domain.moves import Build
from orderengine.domain.order import FailedAttempt, Order
from orderengine.domain.side import Asset, Side
from orderengine.execution.chain.confirm import PollResult
from orderengine.execution.chain.engine import AttemptEnded
from orderengine.execution.chain.handover import Built, Routed
from tests.conftest import a_new_order
from tests.singles import build_order, confirm_order, submit_order
from tests.web import Web, rules
from tests.world import World

KEY = "8e03978e-40d5-43e8-bc93-6894a57f9324"


@pytest.fixture
def world(instruments: Instruments) -> World:
    return World(instruments)


@pytest.fixture
def web() -> Web:
    return Web()


def failure(world: World, order: Order) -> FailedAttempt:
    failed = world.order(order.order_id).failure
    assert failed is not None
    return failed


@pytest.mark.parametrize(
    ("side", "base", "worst_price", "limit"),
    [
        (Side.BUY, 10_000_000, None, 9_900_000),
        (Side.BUY, 10_000_000, "231", 9_956_710),
        (Side.BUY, 10_000_000, "240", 9_900_000),
        (Side.BUY, 10_000_000, "230", 10_000_000),
        (Side.SELL, 9_704_641, None, 9_801_687),
        (Side.SELL, 9_704_641, "236", 9_745_762),
        (Side.SELL, 9_704_641, "200", 9_801_687),
    ],
)
def test_an_order_of_usdc_is_signed_with_the_stricter_limit_of_tokens(
    world: World, side: Side, base: int, worst_price: str | None, limit: int
) -> None:
    order = world.accept(side, usdc="2300", worst_price=worst_price)
    handed = world.run_to_submitted(order.order_id)
    submitted = world.order(order.order_id)
    assert submitted.route is not None
    assert (submitted.route.quote_amount, submitted.route.base_amount) == (2_300_000_000, base)
    assert submitted.limit_amount == limit
    swap = world.network.swap(handed.signature)
    assert (swap.exact, swap.amount, swap.limit_amount) == (Asset.QUOTE, 2_300_000_000, limit)
    world.network.land(handed.signature)
    assert confirm_order(world.engine, handed) is PollResult.CONFIRMED
    fill = world.order(order.order_id).fill
    assert fill is not None
    assert (fill.quote_amount, fill.base_amount) == (2_300_000_000, limit)
    assert (fill.slippage_bps > 0) == (limit != base)


@pytest.mark.parametrize(("side", "worst_price"), [(Side.BUY, "229.99"), (Side.SELL, "237.01")])
def test_a_best_quote_beyond_the_worst_price_fails_the_order_at_once(
    world: World, side: Side, worst_price: str
) -> None:
    order = world.accept(side, usdc="2300", worst_price=worst_price)
    with pytest.raises(AttemptEnded):
        world.route(order.order_id)
    assert failure(world, order).reason is FailureReason.PRICE_LIMIT


def test_a_revert_at_the_worst_price_fails_the_order_at_once(world: World) -> None:
    order = world.accept(usdc="2300", worst_price="231")
    handed = world.run_to_submitted(order.order_id)
    world.network.revert(handed.signature, detail="beyond the limit")
    with pytest.raises(AttemptEnded):
        confirm_order(world.engine, handed)
    assert failure(world, order).reason is FailureReason.PRICE_LIMIT


def test_a_split_shares_the_usdc_to_the_unit(world: World) -> None:
    world.board.largest = {"raydium": 1_400_000_000, "meteora": 1_400_000_000}
    order = world.accept(usdc="2300.000001", max_legs=2)
    handed = world.run_to_submitted(order.order_id)
    legs = world.network.swap(handed.signature).legs
    assert [leg.amount for leg in legs] == [1_400_000_000, 900_000_001]


def test_the_notional_limit_counts_the_usdc_and_leaves_the_limit_of_tokens(world: World) -> None:
    world.set_max_notional(2300)
    within = world.accept(usdc="2300")
    assert world.route(within.order_id).limit_amount == 9_900_000
    beyond = world.accept(usdc="2300.000001")
    with pytest.raises(AttemptEnded):
        world.route(beyond.order_id)
    assert failure(world, beyond).reason is FailureReason.NOTIONAL_LIMIT


@pytest.mark.parametrize("copied", [True, False])
def test_what_was_built_is_signed_from_the_copy_and_from_the_row(
    world: World, *, copied: bool
) -> None:
    routed = world.route(world.accept(usdc="2300").order_id)
    assert Routed.from_document(routed.document()) == routed
    built = Built.from_document(build_order(world.engine, routed).document())
    assert built.swap is not None
    handed = submit_order(world.engine, built if copied else replace(built, swap=None))
    assert world.network.swap(handed.signature) == built.swap


@pytest.mark.parametrize("asked_in_usdc", [True, False])
def test_a_route_whose_other_asset_is_exact_is_never_signed(
    world: World, *, asked_in_usdc: bool
) -> None:
    orders = [world.accept(usdc="2300"), world.accept()]
    routes = [world.route(order.order_id).route for order in orders]
    order, other = orders[not asked_in_usdc], routes[asked_in_usdc]
    version = world.order(order.order_id).version
    built = world.engine.advance(order.order_id, version, Build(route=other, limit_amount=1))
    with pytest.raises(OrderEngineError, match="another amount"):
        submit_order(world.engine, Built(built.order_id, built.version))
    assert world.network.sends == []


def test_a_key_covers_the_usdc_and_stays_the_same_for_tokens() -> None:
    tokens = a_new_order()
    usdc = replace(tokens, quantity=None, quote_quantity=Decimal(10))
    more = replace(usdc, quote_quantity=Decimal(11))
    assert len({fingerprint(each) for each in (tokens, usdc, more)}) == 3
    same = replace(tokens, order_id=usdc.order_id)
    assert fingerprint(same) == fingerprint(tokens)


def ask(web: Web, usdc: str, key: str | None = None, **more: object) -> TestResponse:
    order = {"symbol": "AAPL", "side": "buy", "quoteQuantity": usdc, **more}
    headers = {"Idempotency-Key": key} if key else {}
    return web.client.post("/api/orders/execute", json=order, headers=headers)


def test_an_order_of_usdc_is_accepted_shown_and_listed(web: Web) -> None:
    accepted = ask(web, "100.25")
    assert accepted.status_code == 202
    document = accepted.get_json()
    assert document["quoteQuantity"] == "100.25"
    assert "quantity" not in document
    (listed,) = web.client.get("/api/orders").get_json()["orders"]
    assert listed["quoteQuantity"] == "100.25"
    (event,) = web.client.get(f"/api/orders/{document['orderId']}/events").get_json()["events"]
    assert event["data"]["quoteQuantity"] == "100.25"


def test_an_order_with_two_amounts_or_none_names_field_and_rule(web: Web) -> None:
    both = ask(web, "100", quantity="1")
    assert (both.status_code, rules(both)) == (400, [("quoteQuantity", "exclusive")])
    neither = web.client.post("/api/orders/execute", json={"symbol": "AAPL", "side": "buy"})
    assert (neither.status_code, rules(neither)) == (400, [("quantity", "required")])
    assert "quantity or quoteQuantity must be given" in neither.get_json()["detail"]
    assert len(web.orders) == 0


def test_usdc_are_within_the_worth_of_the_quantities_at_the_price_of_now(web: Web) -> None:
    price = web.prices.factor * Decimal("229.40")
    most = price * 100_000
    least = price * Decimal("0.000001")
    for usdc, rule in ((least - Decimal("0.000001"), "min"), (most + Decimal("0.000001"), "max")):
        answer = ask(web, f"{usdc.quantize(Decimal('1e-6')):f}")
        assert (answer.status_code, rules(answer)) == (400, [("quoteQuantity", rule)])
    assert ask(web, f"{most:f}").status_code == 202


def test_a_limit_on_the_value_needs_no_price() -> None:
    web = Web(max_notional=2294)
    assert ask(web, "2294", KEY).status_code == 202
    beyond = ask(web, "2294.000001")
    assert (beyond.status_code, rules(beyond)) == (422, [("quoteQuantity", "max_notional")])


def test_asking_again_finds_the_order_however_the_price_has_moved(web: Web) -> None:
    first = ask(web, "10", KEY)
    web.prices.factor = Decimal(10**9)
    again = ask(web, "10", KEY)
    assert again.get_json()["orderId"] == first.get_json()["orderId"]
    assert ask(web, "10").status_code == 400


def test_a_batch_takes_both_kinds_of_amounts(web: Web) -> None:
    orders = [
        {"symbol": "AAPL", "side": "buy", "quantity": "1"},
        {"symbol": "AAPL", "side": "sell", "quoteQuantity": "100"},
        {"symbol": "AAPL", "side": "sell", "quoteQuantity": "0.0000001"},
    ]
    results = web.client.post("/api/orders/batch", json={"orders": orders}).get_json()["results"]
    assert [each["status"] for each in results] == [202, 202, 400]
    assert results[1]["order"]["quoteQuantity"] == "100"
    assert results[2]["problem"]["errors"][0]["rule"] == "places"


@pytest.mark.parametrize(
    ("side", "base", "bound", "limit"),
    [("buy", "10000000", "minOut", "9900000"), ("sell", "9704641", "maxIn", "9801687")],
)
def test_quotes_are_given_for_usdc(web: Web, side: str, base: str, bound: str, limit: str) -> None:
    query = {"symbol": "AAPL", "side": side, "quoteQuantity": "2300"}
    answer = web.client.get("/api/quotes", query_string=query)
    document = answer.get_json()
    assert (document["quoteQuantity"], "quantity" in document) == ("2300", False)
    (leg,) = document["legs"]
    assert (leg["quoteAmount"], leg["baseAmount"], leg[bound]) == ("2300000000", base, limit)
    assert document["limitAmount"] == limit
    refused = web.client.get("/api/quotes", query_string={**query, "quoteQuantity": "1e9"})
    assert refused.status_code == 400
    vast = web.client.get("/api/quotes", query_string={**query, "quoteQuantity": "1" + "0" * 12})
    assert (vast.status_code, rules(vast)) == (400, [("quoteQuantity", "max")])
