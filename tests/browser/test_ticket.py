"""The ticket: what its order comes to is told before the button, in words."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import OpenDesk
from tests.browser.desk import Desk
from tests.e2e.stack import Stack

REFUSAL = "status of 4"
ESTIMATE = """async ({values, route, refusal, isHalted}) => {
  const { estimateOf } = await import('/static/js/estimate.js');
  const terms = {side: 'buy', unit: 'base', symbol: 'AAPL', quantity: '10', ...values};
  return estimateOf(terms, {route, refusal, isHalted});
}"""
REQUEST = """async values => {
  const { requestOf } = await import('/static/js/terms.js');
  return requestOf({symbol: 'AAPL', side: 'buy', unit: 'base', quantity: '1', maxLegs: '1',
    worstPrice: '', limitPrice: '', stopPrice: '', slippageBps: '100', expiresAt: '', ...values});
}"""


@pytest.fixture(scope="module")
def stack_environ() -> Mapping[str, str]:
    return {
        "SIM_QUOTE_LATENCY_MS": "50-80",
        "SIM_SETTLEMENT_MS": "300-300",
        "SIM_DRIFT_BPS": "0-0",
    }


def a_route(
    each: str = "230", impact_bps: str = "4", limit: str = "2323000000", **more: Any
) -> dict[str, Any]:
    """An answer to quotes for 10 AAPL."""
    usdc = str(int(Decimal(each) * 10 * 10**6))
    leg = {
        "baseAmount": "1000000000",
        "baseDecimals": 8,
        "quoteAmount": usdc,
        "fee": "5.75",
        "marketImpactBps": impact_bps,
    }
    route = {"quotedPrice": each, "limitAmount": limit, "legs": [leg]}
    return {**route, "quotes": [{"midPrice": "229"}, {"midPrice": "231"}], **more}


def told(
    page: Page, values: Mapping[str, str], route: Mapping[str, Any] | None, **more: Any
) -> list[str]:
    """The lines and the kinds of warnings of an estimate."""
    estimate = page.evaluate(ESTIMATE, {"values": values, "route": route, **more})
    return [*estimate["lines"], *(each["kind"] for each in estimate["warnings"])]


def test_the_quantity_belongs_to_its_symbol_and_the_prices_to_the_side_too(desk: Desk) -> None:
    page = desk.page
    desk.fill(symbol="AAPL", quantity="10", worstPrice="300")
    desk.fill(side="sell")
    expect(page.locator("#worstPrice")).to_have_value("")
    expect(page.locator("#quantity")).to_have_value("10")
    desk.fill(worstPrice="100", symbol="BTC")
    expect(page.locator("#quantity")).to_have_value("")
    expect(page.locator("#worstPrice")).to_have_value("")
    expect(page.locator("#estimate")).to_contain_text("Enter a quantity")
    expect(page.locator("#verdict")).to_contain_text(
        "No quantity is given: these are prices for 100 USDC of BTC"
    )
    desk.expected.append(REFUSAL)
    page.click("#submit")
    expect(page.locator("#outcome")).to_have_attribute("data-state", "refused")
    assert desk.focused() == "quantity"


def test_total_fee_impact_and_worst_case_stand_before_the_button(desk: Desk) -> None:
    desk.fill(symbol="AAPL", side="buy", quantity="10", slippageBps="100")
    estimate = desk.page.locator("#estimate")
    number = r"[\d,]+\.\d\d"
    expect(estimate).to_contain_text(re.compile(rf"Costs about {number} USDC for 10 AAPL, "))
    expect(estimate).to_contain_text(re.compile(rf"Worst case: {number} USDC paid; else"))
    expect(estimate).to_contain_text(re.compile(rf"Fee {number} USDC, impact 0\.\d+ %: both are"))
    about, worst = (
        Decimal(each.replace(",", ""))
        for each in re.findall(rf"({number}) USDC", estimate.inner_text())[:2]
    )
    assert about < worst <= about * Decimal("1.011")
    assert desk.page.locator("#submit").get_attribute("aria-describedby") == "estimate warnings"
    expect(desk.page.locator("#warnings li")).to_have_count(0)


def a_size_with_impact(stack: Stack) -> str:
    """A quantity of JUP that moves its price by 1 % and more, on one venue."""
    for exponent in range(3, 8):
        query = f"symbol=JUP&side=buy&quantity={10**exponent}"
        legs = stack.get(f"/api/quotes?{query}")["legs"]
        if max(Decimal(leg["marketImpactBps"]) for leg in legs) > 101:
            return str(10**exponent)
    raise AssertionError("no size has such an impact")


def test_an_impact_of_one_percent_and_more_is_warned_of(desk: Desk, stack: Stack) -> None:
    desk.fill(symbol="JUP", quantity=a_size_with_impact(stack))
    expect(desk.page.locator("#warnings li")).to_contain_text("High impact")
    expect(desk.page.locator("#warned[role=status]")).to_have_text("Warning: High impact.")
    desk.fill(quantity="1")
    expect(desk.page.locator("#warnings li")).to_have_count(0)
    page = desk.page
    assert "High impact" in told(page, {"type": "market"}, a_route(impact_bps="100"))
    assert "High impact" not in told(page, {"type": "market"}, a_route(impact_bps="99.9"))


def test_a_price_that_can_not_be_met_now_is_told_before_sending(desk: Desk) -> None:
    desk.fill(symbol="AAPL", side="buy", quantity="10", worstPrice="1")
    warning = desk.page.locator("#warnings li")
    expect(warning).to_contain_text("The worst price can not be met now")
    desk.fill(worstPrice="100000")
    expect(warning).to_have_count(0)


def test_an_order_above_the_users_size_is_asked_about_again(desk: Desk, stack: Stack) -> None:
    page = desk.page
    before = stack.get("/api/orders")["orders"]
    page.fill("#threshold", "1,000")
    assert desk.rule_of("threshold").startswith("must be a plain decimal")
    page.fill("#threshold", "1000")
    desk.fill(symbol="AAPL", quantity="10")
    expect(page.locator("#estimate")).to_contain_text("Worst case")
    page.click("#submit")
    dialog = page.locator("#confirm")
    expect(dialog).to_be_visible()
    expect(dialog).to_contain_text("Worst case")
    expect(dialog).to_contain_text("It is above 1,000.00 USDC.")
    assert desk.focused() == "confirm-no"
    page.keyboard.press("Escape")
    expect(page.locator("#outcome")).to_have_text("Not sent.")
    assert desk.focused() == "submit"
    assert stack.get("/api/orders")["orders"] == before
    page.reload()
    desk.wait_until_usable()
    assert page.locator("#threshold").input_value() == "1000"
    page.click("#submit")
    page.click("#confirm-yes")
    desk.wait_for("confirmed")
    desk.fill(quantity="1")
    expect(page.locator("#estimate")).to_contain_text("for 1 AAPL")
    desk.submit()  # below that size nothing is asked
    desk.wait_for("confirmed")


def test_nothing_of_another_symbol_or_side_stays(desk: Desk) -> None:
    desk.submit(symbol="AAPL", side="buy", quantity="1")
    desk.wait_for("confirmed")
    outcome = desk.page.locator("#outcome")
    expect(outcome).to_contain_text("Confirmed")
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    desk.page.route("**/api/quotes?*slippageBps*", hold)
    desk.fill(side="sell")
    expect(outcome).to_have_text("")
    expect(desk.page.locator("#quotes")).to_have_text("Waiting for quotes.")
    expect(desk.page.locator("#estimate")).to_have_text("Waiting for quotes.")
    desk.page.unroute_all(behavior="ignoreErrors")
    for each in held:
        each.abort()
    desk.fill(side="buy")
    expect(desk.page.locator("#estimate")).to_contain_text("Costs about")
    desk.expected.append("ERR_FAILED")


def test_an_order_of_exactly_so_much_usdc(desk: Desk, stack: Stack) -> None:
    desk.fill(symbol="AAPL", side="buy", quantity="250", unit="usdc")
    expect(desk.page.locator("#estimate")).to_contain_text("Spends exactly 250.00 USDC")
    expect(desk.page.locator("#estimate")).to_contain_text(re.compile(r"Worst case: [\d.]+ AAPL"))
    expect(desk.page.locator(".venue .facts").first).to_contain_text("AAPL")
    order = stack.order(desk.submit())
    assert order["quoteQuantity"] == "250"
    desk.wait_for("confirmed")


def test_each_type_has_its_own_fields(desk: Desk) -> None:
    page = desk.page
    shown = """() => [...document.querySelectorAll('#ticket-form [data-field]')]
      .filter(each => each.checkVisibility()).map(each => each.dataset.field)
      .filter(each => !['symbol', 'side', 'type', 'quantity', 'maxLegs', 'timeInForce',
        'threshold'].includes(each))"""
    for kind, fields in (
        ("limit", ["limitPrice"]),
        ("stop", ["stopPrice", "worstPrice", "slippageBps"]),
        ("sniper", ["trigger.on", "trigger.minLiquidity", "worstPrice", "expiresAt"]),
        ("market", ["worstPrice", "slippageBps"]),
    ):
        desk.fill(type=kind)
        assert page.evaluate(shown) == fields
        assert desk.page.locator("#type-hint").inner_text()
    desk.fill(type="limit", timeInForce="GTD")
    assert page.evaluate(shown) == ["limitPrice", "expiresAt"]
    assert page.locator("#expiresAt").input_value()  # an hour ahead


def test_a_request_has_the_fields_of_its_type_alone(desk: Desk) -> None:
    def request(**values: str) -> Any:
        return desk.page.evaluate(REQUEST, values)

    common = {"symbol": "AAPL", "side": "buy", "quantity": "1", "maxLegs": 1}
    market = {**common, "slippageBps": 100}
    assert request(type="market", timeInForce="IOC", limitPrice="5") == market
    limit = {**common, "type": "limit", "limitPrice": "5"}
    assert request(type="limit", timeInForce="GTC", limitPrice="5", worstPrice="9") == limit
    assert request(type="limit", timeInForce="IOC", limitPrice="5") == {
        **limit,
        "timeInForce": "IOC",
    }
    sniper = request(
        type="sniper",
        timeInForce="GTD",
        expiresAt="2026-12-24T18:00:00",
        worstPrice="9",
        **{"trigger.on": "liquidityAdded", "trigger.minLiquidity": "50000"},
    )
    assert re.fullmatch(r"2026-12-2\dT\d\d:00:00\.000Z", sniper.pop("expiresAt"))
    assert sniper == {
        **common,
        "type": "sniper",
        "timeInForce": "GTD",
        "worstPrice": "9",
        "trigger": {"on": "liquidityAdded", "minLiquidity": "50000"},
    }


def test_what_a_limit_and_a_stop_come_to(desk: Desk) -> None:
    page, route = desk.page, a_route()
    waits = told(page, {"type": "limit", "timeInForce": "GTC", "limitPrice": "220"}, route)
    assert waits[0] == (
        "Waits until it is possible: 10 AAPL for at most 220.0000 USDC each, fee and impact"
        " included, 2,200.00 USDC in all."
    )
    assert waits[1] == "Can not be met now: it is 230.0000 each, and has to fall by 4.35 %."
    assert waits[2] == "Now the fee would be 5.75 USDC, and the impact 0.04 %."
    assert not set(waits) & {"Price out of reach", "Far from the market"}
    once = told(page, {"type": "limit", "timeInForce": "IOC", "limitPrice": "220"}, route)
    assert "Price out of reach" in once
    beyond = told(page, {"type": "limit", "timeInForce": "GTC", "limitPrice": "260"}, route)
    assert "Far from the market" in beyond
    stop = {"type": "stop", "timeInForce": "GTC"}
    there = told(page, {**stop, "stopPrice": "230"}, route)
    assert (
        there[0] == "Starts once the market's price is 230.0000 USDC or more; it is about 230.0000."
    )
    assert "Price is there already" in there
    later = told(page, {**stop, "stopPrice": "231", "worstPrice": "240"}, route)
    assert "Price is there already" not in later
    assert "Worst case: 2,400.00 USDC paid; else the order fails." in later
    assert "Price out of reach" not in later
    never = told(page, {**stop, "stopPrice": "231", "worstPrice": "230"}, route)
    assert "Price out of reach" in never
    assert "Trading is halted" in told(page, {"type": "market"}, route, isHalted=True)


def test_what_keeps_an_order_from_starting_is_told_by_its_type(desk: Desk) -> None:
    small, closed = {"code": "INSUFFICIENT_LIQUIDITY"}, {"code": "NOT_OPEN"}
    for kind in ("market", "limit", "stop", "sniper"):
        values = {"type": kind, "timeInForce": "GTC", "limitPrice": "220"}
        assert "Too large for the pools" in told(desk.page, values, None, refusal=small)
        warned = "Not open yet" in told(desk.page, values, None, refusal=closed)
        assert warned == (kind != "sniper")


@pytest.mark.parametrize("width", [1366, 1024, 768, 390, 320])
def test_the_ticket_of_each_type_fits(open_desk: OpenDesk, width: int) -> None:
    desk = open_desk(viewport={"width": width, "height": 768}, reduced_motion="reduce")
    for kind in ("limit", "stop", "sniper"):
        desk.fill(type=kind, quantity="1234.5678", unit="base")
        assert desk.overflow_px() == 0
        cut = """() => [...document.querySelectorAll('#ticket *')].filter(each =>
          each.checkVisibility() && !each.matches('select, .unseen') &&
          each.getBoundingClientRect().right >
            document.querySelector('#ticket').getBoundingClientRect().right)
          .map(each => each.outerHTML.slice(0, 80))"""
        assert desk.page.evaluate(cut) == []
