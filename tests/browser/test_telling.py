"""What the page tells of an order: once, in one format, not for longer than it is true."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Route, expect

from tests.browser.conftest import OpenDesk
from tests.browser.desk import PHONE, Desk
from tests.browser.test_open_orders import send
from tests.e2e.stack import Stack

REFUSAL = "status of 4"
NONE = "\N{EN DASH}"
FAR = {"type": "limit", "limitPrice": "1"}
QUOTES = re.compile("/api/quotes.*slippageBps")
WATCH_SHIFTS = """() => {
  window.shifts = [];
  new PerformanceObserver(list => list.getEntries().forEach(({value, sources}) =>
    window.shifts.push([value, sources.map(({node}) => node?.id || node?.className)]),
  )).observe({type: 'layout-shift'});
}"""


@pytest.fixture(scope="module")
def stack_environ() -> Mapping[str, str]:
    return {
        "SIM_QUOTE_LATENCY_MS": "50-80",
        "SIM_SETTLEMENT_MS": "600-700",
        "SIM_SPREAD_BPS": "0-0",
        "SIM_DRIFT_BPS": "20-20",
    }


def test_shares_are_told_in_percent_everywhere(desk: Desk) -> None:
    page = desk.page
    desk.submit(symbol="AAPL", side="buy", quantity="10", slippageBps="150")
    expect(page.locator("#slippage-percent")).to_have_text("1.50 %")
    expect(page.locator("#verdict")).to_contain_text("with 1.50 % of slippage: at most")
    expect(page.locator("#warnings li")).to_have_count(0)
    desk.wait_for("confirmed")
    impact = page.locator(".summary div", has_text="Impact").locator("dd")
    expect(impact).to_have_text(re.compile(r"^(< )?\d\.\d\d %$"))
    expect(page.locator("#estimate")).to_contain_text(re.compile(r"impact (< )?\d\.\d\d %"))
    for name in ("Impact", "Worse by"):
        facts = page.locator(".venue .facts").first
        expect(facts).to_contain_text(re.compile(rf"{name}((< )?\d\.\d\d %|{NONE})"))
    texts = page.locator("#quotes, #order, .orders").all_inner_texts()
    assert not [text for text in texts if "bps" in text]


def test_the_venues_tell_what_is_signed(desk: Desk) -> None:
    hint = desk.page.locator("#verdict .hint")
    desk.fill(symbol="AAPL", side="buy", type="limit", quantity="10")
    expect(hint).to_contain_text("For 10 AAPL. The limit alone is signed, and no slippage.")
    expect(desk.page.locator(".venue .facts").first).not_to_contain_text("At most")
    desk.fill(type="stop")
    expect(hint).to_contain_text("with 1.00 % of slippage if it started now: at most")
    desk.fill(type="market")
    expect(hint).to_contain_text("For 10 AAPL, with 1.00 % of slippage: at most")


def test_the_marks_of_a_refused_order_stay_until_a_field_is_edited(desk: Desk) -> None:
    desk.expected.append(REFUSAL)
    problem = {"status": 409, "code": "NOT_OPEN", "detail": "NOVA does not trade", "errors": []}
    broken = {"field": "symbol", "rule": "not_open", "message": "does not trade yet"}
    page = desk.page
    page.route("**/api/quotes?*", lambda route: route.fulfill(status=409, json=problem))
    page.route(
        "**/api/orders/execute",
        lambda route: route.fulfill(status=409, json={**problem, "errors": [broken]}),
    )
    desk.fill(symbol="NOVA", quantity="10")
    expect(page.locator("#warnings li")).to_contain_text("Not open yet")
    expect(page.locator("#estimate")).to_have_text("There is no price for it now.")
    page.click("#submit")
    expect(page.locator("#outcome")).to_have_text("Not accepted: see the marked fields.")
    for _ in range(3):
        with page.expect_response(QUOTES):
            pass
    assert desk.rule_of("symbol") == "does not trade yet"
    desk.fill(quantity="11")
    assert desk.rule_of("symbol") == ""
    expect(page.locator("#outcome")).to_have_text("")


def test_other_fields_are_not_sent_again_with_more_slippage(desk: Desk) -> None:
    desk.submit(symbol="NVDA", side="buy", quantity="3", slippageBps="0")
    desk.fill(quantity="4")  # while it is on its way
    desk.wait_for("failed")
    expect(desk.page.locator("#outcome")).to_contain_text("Failed")
    expect(desk.page.locator("#again")).to_be_hidden()


def test_the_outcome_of_an_order_that_is_not_followed_any_more_is_gone(
    desk: Desk, stack: Stack
) -> None:
    other = stack.post("AAPL", "buy", "1")
    stack.follow(other)
    waiting = desk.submit(symbol="AAPL", side="buy", type="limit", quantity="1", limitPrice="1")
    outcome = desk.page.locator("#outcome")
    expect(outcome).to_contain_text("Accepted: it waits")
    desk.page.locator(f'#orders-table tr[data-order-id="{other}"] a').click()
    desk.wait_for("confirmed")
    expect(outcome).to_have_text("")
    send(stack, "DELETE", f"/api/orders/{waiting}")


def test_an_end_is_read_aloud_once(desk: Desk) -> None:
    desk.submit(symbol="AAPL", side="buy", quantity="1")
    desk.wait_for("confirmed")
    expect(desk.page.locator("#outcome[role=status]")).to_contain_text("Confirmed at")
    expect(desk.page.locator("#announcer")).to_have_text("")


def test_waiting_for_a_price_is_not_counted_as_the_services_time(desk: Desk) -> None:
    now = datetime.now(UTC)
    listed = [
        {
            "status": "confirmed",
            "createdAt": (now - timedelta(seconds=age)).isoformat(),
            "updatedAt": now.isoformat(),
            **more,
        }
        for age, more in (
            (2, {}),
            (200, {"type": "limit", "timeInForce": "GTC"}),
            (2, {"type": "limit", "timeInForce": "IOC"}),
        )
    ]

    def old(route: Route) -> None:
        route.fulfill(json={"orders": listed, "nextCursor": None})

    desk.page.route("**/api/orders?limit=100*", old)
    figures = desk.page.locator("#activity div")
    expect(figures.filter(has_text="p95")).to_have_text("p952.000 s")


def test_a_halt_is_told_before_an_order_is_sent(desk: Desk) -> None:
    ready = {"status": "degraded", "degraded": ["trading"]}
    desk.fill(symbol="AAPL", quantity="1")
    warnings = desk.page.locator("#warnings li")
    expect(warnings).to_have_count(0)
    desk.page.route("**/readyz", lambda route: route.fulfill(json=ready))
    expect(warnings).to_contain_text("Trading is halted")
    desk.page.unroute_all(behavior="wait")
    expect(warnings).to_have_count(0)


def test_the_page_tells_whether_orders_trade_anything_real(desk: Desk) -> None:
    network = desk.page.locator("#network")
    expect(network).to_contain_text("no order here trades anything real")
    ready = {"status": "ok", "degraded": [], "network": "solana"}
    desk.page.route("**/readyz", lambda route: route.fulfill(json=ready))
    expect(network).to_contain_text("trade on a Solana cluster")
    desk.page.unroute_all(behavior="wait")


@pytest.mark.parametrize("width", [1440, PHONE["width"]])
def test_nothing_jumps_when_the_status_of_an_order_changes(
    open_desk: OpenDesk, stack: Stack, width: int
) -> None:
    send(stack, "DELETE", "/api/orders?all=true")
    stack.post("ETH", "buy", "1", **FAR)
    first = stack.post("AAPL", "buy", "1")
    stack.follow(first)
    # So high that all of the page is in view: what is out of it does not count.
    desk = open_desk(f"/?order={first}", viewport={"width": width, "height": 3600})
    desk.wait_for("confirmed")
    expect(desk.page.locator("#open-table tr[data-order-id]")).to_have_count(1)
    desk.fill(symbol="AAPL", side="buy", quantity="2")
    expect(desk.page.locator("#estimate")).to_contain_text("for 2 AAPL")
    with desk.page.expect_response(QUOTES):
        pass
    desk.page.evaluate(WATCH_SHIFTS)
    desk.submit()
    desk.wait_for("confirmed")
    expect(desk.page.locator("#open-table tr[data-order-id]")).to_have_count(1)
    shifts = desk.page.evaluate("window.shifts")
    moved = {name for value, names in shifts if value >= 0.001 for name in names}
    assert moved <= {"panel charts", "pager", "foot"}  # below the recent orders, one more now
