"""The maximum value of an order: checked at intake, and again with its quotes."""

from datetime import timedelta
from decimal import Decimal

import pytest
from werkzeug.test import TestResponse

from orderengine.config.settings import Settings
from orderengine.domain.errors import FailureReason, StorageUnavailable
from orderengine.domain.instruments import Instruments
from orderengine.domain.side import Side
from orderengine.execution.chain.engine import AttemptEnded
from orderengine.venues.reference import SimulatedPrices
from tests.fakes import START, FakeClock
from tests.simulations import a_simulation
from tests.web import INSTRUMENTS, Web, rules
from tests.world import World

KEY = "8e03978e-40d5-43e8-bc93-6894a57f9324"


@pytest.fixture
def web() -> Web:
    return Web(max_notional=2294)  # 10 AAPL at their listed price, to the dollar


def ask(web: Web, quantity: str, key: str | None = None) -> TestResponse:
    order = {"symbol": "AAPL", "side": "buy", "quantity": quantity}
    headers = {"Idempotency-Key": key} if key else {}
    return web.client.post("/api/orders/execute", json=order, headers=headers)


def test_an_order_of_exactly_the_limit_is_taken(web: Web) -> None:
    assert ask(web, "10").status_code == 202


def test_an_order_beyond_the_limit_names_field_and_rule_and_changes_nothing(web: Web) -> None:
    answer = ask(web, "10.000001", KEY)
    assert answer.status_code == 422
    assert answer.get_json()["code"] == "NOTIONAL_LIMIT"
    assert rules(answer) == [("quantity", "max_notional")]
    assert answer.get_json()["detail"] == (
        "quantity must be worth at most 2294 USDC, but 10.000001 AAPL at 229.40 are worth 2294.00"
    )
    assert len(web.orders) == len(web.dispatcher.sent) == len(web.publisher.published) == 0
    assert ask(web, "10", KEY).status_code == 202  # the refusal did not use up the key


def test_the_price_of_now_decides(web: Web) -> None:
    web.prices.factor = Decimal("1.01")
    assert ask(web, "10").status_code == 422
    web.prices.factor = Decimal("0.99")
    assert ask(web, "10.1").status_code == 202


def test_asking_again_finds_the_order_however_the_price_has_moved(web: Web) -> None:
    first = ask(web, "10", KEY)
    web.prices.factor = Decimal(2)
    again = ask(web, "10", KEY)
    assert (again.status_code, again.data) == (202, first.data)
    assert ask(web, "10", "another").status_code == 422
    assert ask(web, "11", KEY).get_json()["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert len(web.orders) == 1


def test_a_price_that_can_not_be_known_is_no_reason_to_let_an_order_in(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_time(*_: object) -> None:
        raise StorageUnavailable("PostgreSQL told no time")

    monkeypatch.setattr(web.prices, "price", no_time)
    assert ask(web, "1").get_json()["code"] == "STORAGE_UNAVAILABLE"
    assert len(web.orders) == 0


def test_no_limit_asks_for_no_price(monkeypatch: pytest.MonkeyPatch) -> None:
    web = Web()
    monkeypatch.delattr(type(web.prices), "price")
    assert ask(web, "100000").status_code == 202


def test_the_reference_price_is_that_of_the_market() -> None:
    clock = FakeClock()
    prices = SimulatedPrices(a_simulation(), clock)
    instrument = INSTRUMENTS.get("AAPL")
    assert prices.price(instrument) == prices.price(instrument)
    seen = prices.price(instrument)
    clock.advance(timedelta(hours=1).total_seconds())
    assert clock.now() > START
    assert prices.price(instrument) != seen
    assert abs(prices.price(instrument) / instrument.reference_price - 1) < Decimal("0.03")


def test_the_default_is_beyond_what_the_pools_hold() -> None:
    settings = Settings.from_env({"DATABASE_URL": "postgres://h/x", "REDIS_URL": "redis://h"})
    assert settings.max_order_notional > max(each.depth for each in INSTRUMENTS)


@pytest.fixture
def world(instruments: Instruments) -> World:
    return World(instruments)


@pytest.mark.parametrize(
    ("side", "max_notional", "limit"),
    [
        (Side.BUY, 0, 2_323_000_000),
        (Side.BUY, 2324, 2_323_000_000),
        (Side.BUY, 2310, 2_310_000_000),
        (Side.BUY, 2300, 2_300_000_000),
        (Side.SELL, 2370, 2_346_300_000),
    ],
)
def test_no_buy_pays_more_than_the_limit(
    world: World, side: Side, max_notional: int, limit: int
) -> None:
    world.set_max_notional(max_notional)
    order = world.accept(side)
    world.run_to_submitted(order.order_id)
    assert world.order(order.order_id).limit_amount == limit


@pytest.mark.parametrize(("side", "max_notional"), [(Side.BUY, 2299), (Side.SELL, 2369)])
def test_a_best_quote_beyond_the_limit_fails_the_order_before_anything_is_signed(
    world: World, side: Side, max_notional: int
) -> None:
    world.set_max_notional(max_notional)
    order = world.accept(side)
    with pytest.raises(AttemptEnded):
        world.route(order.order_id)
    failure = world.order(order.order_id).failure
    assert failure is not None
    assert (failure.reason, failure.attempt) == (FailureReason.NOTIONAL_LIMIT, 1)
    assert f"beyond the limit of {max_notional}" in failure.detail
    assert world.network.sends == []
    assert world.dispatcher.sent == []


@pytest.mark.parametrize(("max_notional", "limit"), [(2320, 2_310_000_000), (2305, 2_305_000_000)])
def test_the_strictest_limit_counts(world: World, max_notional: int, limit: int) -> None:
    order = world.accept(worst_price="231")
    world.set_max_notional(max_notional)
    world.run_to_submitted(order.order_id)
    assert world.order(order.order_id).limit_amount == limit


OPENING = START + timedelta(minutes=3)


def test_an_order_before_the_opening_is_refused_and_not_stored() -> None:
    web = Web()
    web.prices.openings["AAPL"] = OPENING
    answer = ask(web, "10")
    assert (answer.status_code, answer.get_json()["code"]) == (409, "NOT_OPEN")
    assert rules(answer) == [("symbol", "not_open")]
    assert len(web.orders) == 0
    del web.prices.openings["AAPL"]
    assert ask(web, "10").status_code == 202


def test_a_repeated_request_gets_its_order_although_the_pool_has_closed() -> None:
    web = Web()
    first = ask(web, "10", KEY)
    web.prices.openings["AAPL"] = OPENING
    again = ask(web, "10", KEY)
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.get_json()["orderId"] == first.get_json()["orderId"]
