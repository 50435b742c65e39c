"""Orders that wait, on the page: seen, changed, canceled, and canceled too late."""

import json
import re
import urllib.request
from collections.abc import Mapping
from typing import Any

import pytest
from playwright.sync_api import Locator, Route, expect

from harness.waiting import wait_until
from tests.browser.conftest import OpenDesk, Shoot
from tests.browser.contrast import LEAST, contrasts
from tests.browser.desk import Desk
from tests.browser.test_layout import CUT
from tests.e2e.stack import TIMEOUT_S, Stack

REFUSAL = "status of 4"
FAR = {"type": "limit", "limitPrice": "1"}
"""The terms of an order to buy whose price does not come."""
NEAR = {"type": "limit", "limitPrice": "215"}
"""The same, but near enough for the chart."""
IS_DRAWN = """color => {
  const probe = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  probe.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(color);
  probe.fillRect(0, 0, 1, 1);
  const [red, green, blue] = probe.getImageData(0, 0, 1, 1).data;
  const canvas = document.querySelector('#prices canvas');
  const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  for (let at = 0; at < data.length; at += 4) {
    if (data[at] === red && data[at + 1] === green && data[at + 2] === blue) return true;
  }
  return false;
}"""


@pytest.fixture(scope="module")
def stack_environ() -> Mapping[str, str]:
    # Slow enough to cancel what is submitted.
    return {
        "SIM_QUOTE_LATENCY_MS": "50-80",
        "SIM_SETTLEMENT_MS": "3000-3000",
        "SIM_SPREAD_BPS": "0-0",
        "SIM_DRIFT_BPS": "0-0",
    }


@pytest.fixture(autouse=True)
def nothing_is_open(stack: Stack) -> None:
    send(stack, "DELETE", "/api/orders?all=true")
    wait_until(lambda: stack.get("/api/orders?status=open")["orders"] == [])


def send(stack: Stack, method: str, path: str, body: object = None, **headers: str) -> Any:
    request = urllib.request.Request(  # noqa: S310
        stack.url + path,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json", **headers},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
        return json.load(answer)


def row(desk: Desk, order_id: str) -> Locator:
    return desk.page.locator(f'#open-table tr[data-order-id="{order_id}"]')


def test_a_limit_order_waits_beside_the_market_is_changed_and_canceled(
    desk: Desk, stack: Stack, shoot: Shoot
) -> None:
    page = desk.page
    desk.expected.append("willReadFrequently")
    stack.follow(stack.post("AAPL", "buy", "1"))
    desk.fill(symbol="AAPL", side="buy", type="limit", quantity="10", limitPrice="215")
    expect(page.locator("#estimate")).to_contain_text("Can not be met now")
    expect(page.locator("#submit")).to_have_text("Buy AAPL, limit")
    assert not page.evaluate(IS_DRAWN, "--warn")
    order_id = desk.submit()
    desk.wait_for("waiting")
    expect(page.locator("#outcome")).to_contain_text("Accepted: it waits")
    expect(page.locator(".head .title")).to_contain_text("limit 215.0000, until canceled")
    expect(row(desk, order_id)).to_contain_text("limit 215.0000")
    described = re.compile("waiting: buy limit 215.0000")
    expect(page.locator("#prices")).to_have_attribute("aria-label", described)
    page.wait_for_function(IS_DRAWN, arg="--warn")
    shoot(desk, "page-waiting")
    shoot(desk, "ticket-limit", "#ticket")
    row(desk, order_id).get_by_role("button", name="Change buy 10 AAPL, limit 215.0000").click()
    page.fill("#amend-limitPrice", "0.5")
    page.fill("#amend-quantity", "4")
    page.click("#amend-save")
    expect(page.locator("#amend")).to_be_hidden()
    expect(page.locator("#open-note")).to_have_text(
        "Changed: buy 4 AAPL, limit 0.50000, until canceled."
    )
    amended = stack.order(order_id)
    assert (amended["limitPrice"], amended["quantity"], amended["version"]) == ("0.5", "4", 2)
    expect(row(desk, order_id)).to_contain_text("0.50000")
    expect(page.locator(".steps [data-seq='2'] .text")).to_contain_text("Changed.")
    row(desk, order_id).get_by_role("button", name="Cancel buy 4 AAPL").click()
    expect(page.locator("#open-note")).to_contain_text("Canceled: buy 4 AAPL")
    desk.wait_for("canceled")
    expect(row(desk, order_id)).to_have_count(0)
    expect(page.locator("#outcome")).to_have_text("")  # the open orders have told it
    expect(page.locator("#announcer")).to_have_text("")


def test_a_change_of_an_order_that_has_moved_tells_its_new_state(desk: Desk, stack: Stack) -> None:
    desk.expected.append(REFUSAL)
    order_id = stack.post("AAPL", "buy", "10", **FAR)
    change = row(desk, order_id).get_by_role("button", name="Change")
    change.focus()
    desk.page.keyboard.press("Enter")
    desk.page.fill("#amend-limitPrice", "3")
    send(stack, "PATCH", f"/api/orders/{order_id}", {"quantity": "7"}, **{"If-Match": '"1"'})
    desk.page.click("#amend-save")
    told = desk.page.locator("#amend-told[role=status]")
    expect(told).to_contain_text("It has changed meanwhile. It is now: buy 7 AAPL, limit 1.0000")
    expect(desk.page.locator("#amend-quantity")).to_have_value("7")
    expect(desk.page.locator("#amend-limitPrice")).to_have_value("3")
    desk.page.click("#amend-save")
    expect(desk.page.locator("#open-note")).to_contain_text("Changed: buy 7 AAPL, limit 3.0000")
    expect(row(desk, order_id).get_by_role("button", name="Change")).to_be_focused()
    assert stack.order(order_id)["limitPrice"] == "3"
    send(stack, "DELETE", f"/api/orders/{order_id}")
    expect(desk.page.locator("#open-note")).to_have_text("")  # it is not open any more


def test_a_change_that_breaks_a_rule_or_comes_too_late_says_so(desk: Desk, stack: Stack) -> None:
    desk.expected.append(REFUSAL)
    order_id = stack.post("AAPL", "buy", "10", **FAR)
    row(desk, order_id).get_by_role("button", name="Change").click()
    told = desk.page.locator("#amend-told")
    desk.page.click("#amend-save")
    expect(told).to_have_text("Nothing is changed yet.")
    desk.page.fill("#amend-limitPrice", "1,5")
    desk.page.click("#amend-save")
    expect(told).to_have_text("Not changed: see the marked fields.")
    rule = desk.page.locator('#amend-form [data-field="limitPrice"] .rule')
    expect(rule).to_contain_text("must be a plain decimal")
    assert desk.focused() == "amend-limitPrice"
    send(stack, "DELETE", f"/api/orders/{order_id}")
    desk.page.fill("#amend-limitPrice", "2")
    desk.page.click("#amend-save")
    expect(told).to_contain_text("Too late: it does not wait any more. It is now canceled.")
    assert desk.focused() == "amend-close"
    desk.page.keyboard.press("Escape")
    expect(desk.page.locator("#amend")).to_be_hidden()


def test_a_change_may_add_a_time_and_a_worst_price(desk: Desk, stack: Stack) -> None:
    order_id = stack.post("AAPL", "sell", "5", type="stop", stopPrice="1.25")
    row(desk, order_id).get_by_role("button", name="Change").click()
    worst = desk.page.locator("#amend-worstPrice")
    expect(worst).to_have_value("")
    worst.fill("1")
    desk.page.fill("#amend-expiresAt", "2027-01-31T12:00:00")
    desk.page.click("#amend-save")
    expect(row(desk, order_id)).to_contain_text("stop 1.2500, at worst 1.0000")
    amended = stack.order(order_id)
    assert (amended["worstPrice"], amended["timeInForce"]) == ("1", "GTD")


def test_a_change_above_the_users_size_is_asked_about_again(desk: Desk, stack: Stack) -> None:
    page = desk.page
    order_id = stack.post("AAPL", "buy", "10", **NEAR)
    page.fill("#threshold", "3000")
    row(desk, order_id).get_by_role("button", name="Change").click()
    page.fill("#amend-quantity", "1000")
    page.click("#amend-save")
    expect(page.locator("#confirm-title")).to_have_text("Change to buy 1,000 AAPL?")
    expect(page.locator("#confirm")).to_contain_text("It is above 3,000.00 USDC.")
    page.keyboard.press("Escape")
    expect(page.locator("#amend-told")).to_have_text("Not changed.")
    assert stack.order(order_id)["version"] == 1
    page.fill("#amend-quantity", "11")  # 2,365 USDC at the limit
    page.click("#amend-save")
    expect(page.locator("#open-note")).to_contain_text("Changed: buy 11 AAPL")
    assert stack.order(order_id)["quantity"] == "11"


def test_a_cancel_of_an_order_that_is_sent_says_that_it_came_too_late(
    open_desk: OpenDesk, stack: Stack, shoot: Shoot
) -> None:
    stack.post("AAPL", "buy", "10", **NEAR)
    stack.post("AAPL", "sell", "5", type="stop", stopPrice="200")
    desk = open_desk(color_scheme="light")
    expect(desk.page.locator("#open-table tr[data-order-id]")).to_have_count(2)
    shoot(desk, "open-orders", "#open")
    order_id = desk.submit(symbol="AAPL", side="buy", type="market", quantity="1")
    desk.wait_for("submitted")
    row(desk, order_id).get_by_role("button", name="Cancel").click()
    note = desk.page.locator("#open-note[role=status]")
    expect(note).to_contain_text("Buy 1 AAPL is sent already: the network decides")
    expect(row(desk, order_id)).to_contain_text("cancel requested")
    desk.wait_for("confirmed")
    expect(note).to_contain_text("The cancel came too late: buy 1 AAPL was executed at ")
    expect(desk.page.locator("#cancel")).to_have_text(
        "Came too late: the order had been sent, and was executed"
    )
    expect(desk.page.locator("#outcome")).to_have_text("")  # told once
    expect(desk.page.locator("#announcer")).to_have_text("")
    shoot(desk, "page-too-late")
    shoot(desk, "cancel-too-late", "#open")


def test_a_cancel_after_the_end_says_how_the_order_ended(desk: Desk, stack: Stack) -> None:
    desk.expected.append(REFUSAL)
    order_id = stack.post("AAPL", "buy", "2")
    seen = stack.get("/api/orders?status=open")
    assert [each["orderId"] for each in seen["orders"]] == [order_id]

    def old(route: Route) -> None:
        route.fulfill(json=seen)

    desk.page.route("**/api/orders?status=open*", old)
    stack.follow(order_id)
    row(desk, order_id).get_by_role("button", name="Cancel").click()
    note = desk.page.locator("#open-note")
    expect(note).to_contain_text("The cancel came too late: buy 2 AAPL was executed at ")
    desk.page.unroute_all(behavior="wait")


def test_all_open_orders_are_canceled_after_a_question(desk: Desk, stack: Stack) -> None:
    placed = [stack.post(symbol, "buy", "1", **FAR) for symbol in ("AAPL", "ETH", "SOL")]
    for order_id in placed:
        expect(row(desk, order_id)).to_be_visible()
    desk.page.click("#cancel-all")
    expect(desk.page.locator("#confirm-title")).to_have_text("Cancel 3 open orders?")
    desk.page.keyboard.press("Escape")
    desk.page.click("#cancel-all")
    desk.page.click("#confirm-yes")
    expect(desk.page.locator("#open-note")).to_have_text("3 canceled.")
    expect(desk.page.locator("#open-table .empty")).to_have_text("No open orders.")
    assert {stack.order(each)["status"] for each in placed} == {"canceled"}


def test_an_order_expires_at_its_time(desk: Desk, stack: Stack) -> None:
    desk.fill(symbol="AAPL", type="limit", quantity="1", limitPrice="1", timeInForce="GTD")
    soon = desk.page.evaluate(
        """async () => {
            const { localOf } = await import('/static/js/terms.js');
            return localOf(Date.now() + 4000);
        }"""
    )
    order_id = desk.submit(expiresAt=soon)
    expect(row(desk, order_id)).to_contain_text("until ")
    desk.wait_for("expired")
    expect(desk.page.locator("#outcome")).to_have_text("Its time has passed without a fill.")
    assert stack.order(order_id)["timeInForce"] == "GTD"


@pytest.mark.parametrize("width", [1366, 1024, 768, 390, 320])
def test_open_orders_fit(open_desk: OpenDesk, stack: Stack, width: int) -> None:
    placed = stack.post("BONK", "buy", "123456789.5", type="limit", limitPrice="0.0000123456")
    stack.post("AAPL", "sell", "10", type="stop", stopPrice="1.25", worstPrice="1")
    desk = open_desk(viewport={"width": width, "height": 768}, reduced_motion="reduce")
    expect(row(desk, placed)).to_be_visible()
    assert desk.overflow_px() == 0
    assert desk.page.evaluate(CUT) == []
    row(desk, placed).get_by_role("button", name="Change").click()
    assert desk.page.evaluate(CUT) == []


@pytest.mark.parametrize("color_scheme", ["dark", "light"])
def test_texts_of_open_orders_have_enough_contrast(
    open_desk: OpenDesk, stack: Stack, color_scheme: str
) -> None:
    desk = open_desk(color_scheme=color_scheme, reduced_motion="reduce")
    desk.expected.append(REFUSAL)  # the last quantity is beyond the pools
    desk.fill(symbol="AAPL", type="limit", quantity="10", timeInForce="IOC", limitPrice="215")
    expect(desk.page.locator("#warnings li")).to_contain_text("one try")
    placed = desk.submit(timeInForce="GTC")
    desk.wait_for("waiting")
    row(desk, placed).get_by_role("button", name="Cancel").click()
    expect(desk.page.locator("#open-note")).to_contain_text("Canceled")
    desk.fill(type="market", quantity="100000")
    expect(desk.page.locator("#quotes[data-stale]")).to_have_count(0)
    measured = contrasts(desk.page)
    assert [each for each in measured if each.ratio < LEAST] == []
