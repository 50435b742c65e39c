"""Orders placed, watched and looked up on the page."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from playwright.sync_api import Route, expect

from harness.waiting import wait_until
from tests.browser.conftest import OpenDesk, Shoot
from tests.browser.desk import PHONE_OPTIONS, Desk
from tests.e2e.stack import Stack

STEPS = list(enumerate(["pending", "routing", "building", "submitted", "confirmed"], start=1))
REFUSAL = "status of 4"
LARGE = {"symbol": "SOL", "quantity": "20000", "maxLegs": "2"}
SHOWN_QUOTES = """() => [
  [...document.querySelectorAll('.venue')].map(card => [card.dataset.dex, card.dataset.winner,
    card.querySelector('.price').title.split(' ')[0]]),
  document.querySelector('#verdict .why').textContent,
]"""


@pytest.fixture(scope="module")
def stack_environ() -> Mapping[str, str]:
    # Venues with close prices, so that a split always suits a large order.
    return {
        "SIM_QUOTE_LATENCY_MS": "50-80",
        "SIM_SETTLEMENT_MS": "600-700",
        "SIM_SPREAD_BPS": "20-40",
    }


def test_an_order_is_placed_and_watched_until_it_is_confirmed(desk: Desk, stack: Stack) -> None:
    order_id = desk.submit(symbol="AAPL", side="buy", quantity="10")
    desk.wait_for("confirmed")
    desk.link("ended")
    assert desk.steps == STEPS
    shown = stack.order(order_id)
    page = desk.page
    assert page.url == f"{stack.url}/?order={order_id}"
    assert page.locator("#tx-hash").get_attribute("title") == shown["txHash"]
    executed = page.locator('[data-fact="executed"] dd')
    assert executed.get_attribute("title") == shown["executedPrice"]
    slippage = page.locator('[data-fact="slippage"] dd').inner_text()
    told = Decimal(slippage.removesuffix(" %").replace(chr(0x2212), "-"))
    assert abs(told - Decimal(shown["slippagePct"])) <= Decimal("0.005")
    expect(page.locator("#outcome")).to_contain_text(f"Confirmed at {executed.inner_text()} USDC")
    row = page.locator(f'tr[data-order-id="{order_id}"]')
    expect(row.locator(".status")).to_have_text("confirmed")
    expect(row).to_have_attribute("aria-current", "true")


def test_both_venues_are_quoted_and_the_better_one_is_marked_with_the_reason(desk: Desk) -> None:
    for side, best in (("buy", min), ("sell", max)):
        desk.fill(symbol="TSLA", side=side, quantity="25")
        bound = "At most" if side == "buy" else "At least"
        expect(desk.page.locator(".venue .facts").first).to_contain_text(bound)
        expect(desk.page.locator("#quotes[data-stale]")).to_have_count(0)
        venues, why = desk.page.evaluate(SHOWN_QUOTES)
        prices = {dex: Decimal(price) for dex, _, price in venues}
        assert prices.keys() == {"raydium", "meteora"}
        winner = best(prices, key=prices.__getitem__)
        assert [dex for dex, wins, _ in venues if wins == "true"] == [winner]
        assert why.startswith(f"{winner.title()} {'costs' if side == 'buy' else 'brings'} ")


def test_the_quotes_follow_the_market(desk: Desk) -> None:
    with (
        desk.page.expect_response(re.compile("/api/quotes.*slippageBps")),
        desk.page.expect_response(re.compile("/api/quotes.*slippageBps")),
    ):
        expect(desk.page.locator("#freshness")).to_have_text("live")


def test_an_order_beyond_the_pools_is_told_how_much_they_hold(desk: Desk) -> None:
    desk.expected.append(REFUSAL)
    desk.fill(symbol="BTC", quantity="900")
    refusal = desk.page.locator("#quotes .verdict[data-refused]")
    expect(refusal).to_contain_text("Too large for the pools")
    expect(refusal).to_contain_text("over up to 2 venues")
    desk.fill(quantity="1")
    expect(desk.page.locator(".venue")).to_have_count(2)


def test_an_order_that_is_better_in_parts_shows_its_legs(desk: Desk) -> None:
    desk.fill(**LARGE)
    expect(desk.page.locator("#verdict .split .part")).to_have_count(2)
    desk.submit()
    desk.wait_for("confirmed")
    expect(desk.page.locator(".legs thead")).to_contain_text("Executed at")
    expect(desk.page.locator(".legs tbody tr")).to_have_count(2)


def test_two_pages_on_one_order_show_the_same(desk: Desk, open_desk: OpenDesk) -> None:
    order_id = desk.submit(symbol="SOL", side="sell", quantity="2.5")
    other = open_desk(f"/?order={order_id}")
    for each in (desk, other):
        each.wait_for("confirmed")
        assert each.steps == STEPS
    hashes = [each.page.locator("#tx-hash").get_attribute("title") for each in (desk, other)]
    assert hashes[0] == hashes[1]


def test_a_recent_order_is_opened_by_its_row_and_the_back_button_returns(
    open_desk: OpenDesk, stack: Stack
) -> None:
    first, second = (stack.follow(stack.post("RAY", "buy", "5")).events[0]["orderId"] for _ in "ab")
    desk = open_desk(f"/?order={first}")
    desk.wait_for("confirmed")
    desk.page.locator(f'tr[data-order-id="{second}"] a').click()
    expect(desk.page.locator("#order-body")).to_have_attribute("data-order-id", second)
    desk.wait_for("confirmed")
    desk.page.go_back()
    expect(desk.page.locator("#order-body")).to_have_attribute("data-order-id", first)
    desk.wait_for("confirmed")
    assert desk.steps == STEPS


@pytest.mark.parametrize("width", [1440, 1000])
def test_an_order_that_is_opened_far_below_comes_into_view(
    open_desk: OpenDesk, stack: Stack, width: int
) -> None:
    stack.follow_many(stack.post_many(4, symbol="ETH"))
    desk = open_desk(viewport={"width": width, "height": 500})
    rows = desk.page.locator("#orders-table a")
    expect(rows.nth(3)).to_be_visible()
    desk.page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    rows.nth(3).click()
    expect(desk.page.locator("#order-status")).to_be_in_viewport()


@pytest.mark.parametrize("order_id", ["00000000-0000-4000-8000-000000000000", "nonsense"])
def test_a_link_to_an_unknown_order_says_so(open_desk: OpenDesk, order_id: str) -> None:
    desk = open_desk(f"/?order={order_id}")
    desk.expected += [REFUSAL, "WebSocket connection to"]
    expect(desk.page.locator("#unknown-order")).to_contain_text(order_id)
    desk.link("unknown")
    desk.submit(symbol="AAPL", quantity="1")
    desk.wait_for("confirmed")


def test_recent_orders_are_filtered_and_paged(desk: Desk, stack: Stack) -> None:
    placed = set(stack.post_many(14, symbol="JUP"))
    stack.follow_many(list(placed))
    filters = desk.page.locator("#filters")
    filters.locator("[name=symbol]").select_option("JUP")
    filters.locator("[name=status]").select_option("confirmed")
    wait_until(lambda: len(desk.rows()) == 12 and set(desk.rows()) <= placed)
    newest = list(desk.rows())
    desk.page.click("#older")
    wait_until(lambda: len(desk.rows()) == 2)
    assert {*newest, *desk.rows()} == placed
    desk.page.click("#newer")
    wait_until(lambda: list(desk.rows()) == newest)
    filters.locator("[name=status]").select_option("failed")
    expect(desk.page.locator("#orders-table .empty")).to_have_text("No order fits the filter.")


def test_the_figures_of_a_busy_service_name_the_time_that_they_cover(desk: Desk) -> None:
    ended = datetime.now(UTC)
    times = {"createdAt": ended - timedelta(seconds=30), "updatedAt": ended}
    order = {"status": "confirmed", **{name: at.isoformat() for name, at in times.items()}}
    page = {"orders": [order] * 100, "nextCursor": "more"}
    desk.page.route("**/api/orders?limit=100*", lambda route: route.fulfill(json=page))
    figures = desk.page.locator("#activity div")
    expect(figures.nth(0)).to_have_text(re.compile(r"^Ended, [345]\d s500$"))
    expect(figures.nth(1)).to_have_text("Last minuteover 500")


def test_a_broken_rule_stands_beside_its_field(desk: Desk, stack: Stack) -> None:
    desk.expected.append(REFUSAL)
    listed = stack.get("/api/orders")["orders"]
    desk.fill(symbol="AAPL", quantity="0.00001", slippageBps="20000", worstPrice="12,5")
    desk.page.click("#submit")
    expect(desk.page.locator("#outcome")).to_have_attribute("data-state", "refused")
    assert desk.rule_of("slippageBps") == "must be from 0 to 10000"
    assert desk.rule_of("worstPrice") == "must be a plain decimal such as 10 or 0.5"
    assert desk.rule_of("quantity")
    assert desk.rule_of("symbol") == ""
    assert desk.focused() == "quantity"
    invalid = desk.page.locator('[aria-invalid="true"]')
    assert invalid.evaluate_all("all => all.map(each => each.id)") == [
        "quantity",
        "worstPrice",
        "slippageBps",
    ]
    assert stack.get("/api/orders")["orders"] == listed
    desk.submit(quantity="1", slippageBps="100", worstPrice="")
    desk.wait_for("confirmed")


def test_a_phone_needs_no_scrolling_to_the_side(open_desk: OpenDesk) -> None:
    desk = open_desk(device_scale_factor=2, **PHONE_OPTIONS)
    assert desk.overflow_px() == 0
    desk.submit(**LARGE)
    desk.wait_for("confirmed")
    expect(desk.page.locator(".legs tbody tr")).to_have_count(2)
    expect(desk.page.locator("#order")).to_be_in_viewport()
    assert desk.overflow_px() == 0
    desk.fill(symbol="BONK", quantity="123456789012345678901234567")
    desk.expected.append(REFUSAL)
    desk.page.click("#submit")
    expect(desk.page.locator("#outcome")).to_have_attribute("data-state", "refused")
    assert desk.overflow_px() == 0


def test_the_page_follows_the_colors_of_the_system(open_desk: OpenDesk, shoot: Shoot) -> None:
    dark, light = (open_desk(color_scheme=scheme) for scheme in ("dark", "light"))
    light.submit(**LARGE)
    light.wait_for("confirmed")
    shoot(light, "page-light")
    backgrounds = [
        desk.page.evaluate("getComputedStyle(document.querySelector('.panel')).backgroundColor")
        for desk in (dark, light)
    ]
    assert backgrounds == ["rgb(16, 22, 30)", "rgb(255, 255, 255)"]


def test_the_charts_draw_both_venues(desk: Desk) -> None:
    drawn = """([chart, name]) => {
      const probe = document.createElement('canvas').getContext('2d');
      probe.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(`--${name}`);
      probe.fillRect(0, 0, 1, 1);
      const [red, green, blue] = probe.getImageData(0, 0, 1, 1).data;
      const canvas = document.querySelector(`${chart} canvas`);
      if (!canvas) return false;
      const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      for (let at = 0; at < data.length; at += 4) {
        if (data[at] === red && data[at + 1] === green && data[at + 2] === blue) return true;
      }
      return false;
    }"""
    desk.expected.append("willReadFrequently")
    for chart in ("#curve", "#prices"):
        for venue in ("raydium", "meteora"):
            desk.page.wait_for_function(drawn, arg=[chart, venue])


def test_a_third_venue_needs_no_change_of_the_page(desk: Desk) -> None:
    def add_a_venue(route: Route) -> None:
        answer = route.fetch()
        document = answer.json()
        document["quotes"].append({**document["quotes"][0], "dex": "nowhere"})
        document["refusals"]["lifinity"] = "gave no quote in time"
        route.fulfill(response=answer, json=document)

    desk.page.route("**/api/quotes?*", add_a_venue)
    cards = desk.page.locator(".venue h3")
    expect(cards).to_have_text(["Raydium", "Meteora", "Lifinity", "Nowhere"])
    expect(desk.page.locator('.venue[data-dex="lifinity"]')).to_contain_text("in time")
    for chart in ("#curve", "#prices"):
        expect(desk.page.locator(f"{chart} .u-legend")).to_contain_text("Nowhere")
    expect(desk.page.locator("#maxLegs option")).to_have_text(
        ["one venue", "up to 2", "up to 3", "up to 4"]
    )
    desk.page.unroute_all(behavior="wait")  # a quote may be under way


def test_the_policy_stops_inline_code_and_the_console_tells(desk: Desk) -> None:
    desk.page.evaluate(
        "document.body.append(Object.assign(document.createElement('script'),"
        " {textContent: 'window.injected = true'}))"
    )
    assert desk.page.evaluate("window.injected") is None
    wait_until(lambda: any("Content Security Policy" in text for text in desk.problems))
    desk.expected.append("Content Security Policy")
