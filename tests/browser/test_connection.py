"""The page while the network or the web process is down."""

import random
from collections.abc import Iterator, Mapping

import pytest
from playwright.sync_api import Route, expect

from chaos.proxy import Proxy
from orderengine.local.ports import LOOPBACK
from tests.browser.conftest import OpenDesk
from tests.browser.desk import Desk
from tests.e2e.stack import Stack

STEPS = list(enumerate(["pending", "routing", "building", "submitted", "confirmed"], start=1))
HIDE = """hidden => {
  Object.defineProperty(document, 'hidden', {get: () => hidden, configurable: true});
  document.dispatchEvent(new Event('visibilitychange'));
}"""
OUTAGE = ["Failed to load resource", "WebSocket connection to"]


@pytest.fixture(scope="module")
def stack_environ() -> Mapping[str, str]:
    # Slow settlement: a test needs up to a second to see that an order is submitted, then acts.
    return {"SIM_QUOTE_LATENCY_MS": "50-80", "SIM_SETTLEMENT_MS": "4000-4000"}


@pytest.fixture
def proxy(stack: Stack) -> Iterator[Proxy]:
    with Proxy(lambda: stack.port, random.Random(7)) as running:  # noqa: S311
        yield running


@pytest.fixture
def desk(open_desk: OpenDesk, proxy: Proxy) -> Desk:
    """A window behind the proxy."""
    opened = open_desk(url=f"http://{LOOPBACK}:{proxy.port}")
    opened.expected += OUTAGE
    return opened


def test_a_socket_that_is_cut_in_mid_order_resumes_after_the_last_step(
    desk: Desk, proxy: Proxy, stack: Stack
) -> None:
    order_id = desk.submit(symbol="AAPL", quantity="10")
    desk.wait_for("submitted")
    proxy.refuse(refusing=True)
    desk.link("waiting")
    expect(desk.page.locator("#order-link")).to_contain_text("Connection lost after step 4")
    assert stack.follow(order_id).statuses[-1] == "confirmed"
    assert desk.steps == STEPS[:4]
    proxy.refuse(refusing=False)
    desk.wait_for("confirmed")
    desk.link("ended")
    assert desk.steps == STEPS
    own = [url for url in desk.sockets if order_id in url]
    assert "after" not in own[0]
    assert len(own) > 1
    assert all(url.endswith("after=4") for url in own[1:])


def test_the_page_survives_a_restart_of_the_web_process_in_mid_order(
    open_desk: OpenDesk, stack: Stack
) -> None:
    desk = open_desk()
    desk.expected += OUTAGE
    desk.submit(symbol="ETH", side="sell", quantity="2")
    desk.wait_for("submitted")
    stack.restart("web")
    desk.wait_for("confirmed")
    assert desk.steps == STEPS
    expect(desk.page.locator("#service")).to_have_attribute("data-state", "ok")
    expect(desk.page.locator("#freshness")).to_have_text("live")
    desk.submit(symbol="AAPL", quantity="1")
    desk.wait_for("confirmed")


def test_an_order_sent_while_the_server_is_away_is_placed_once_when_it_is_back(
    desk: Desk, proxy: Proxy, stack: Stack
) -> None:
    desk.fill(symbol="BONK", quantity="54321")
    proxy.refuse(refusing=True)
    desk.page.click("#submit")
    outcome = desk.page.locator("#outcome")
    expect(outcome).to_have_attribute("data-state", "asking")
    expect(outcome).to_contain_text("never orders twice")
    expect(desk.page.locator("#banner")).to_contain_text("Trying again")
    proxy.refuse(refusing=False)
    desk.wait_for("confirmed")
    expect(desk.page.locator("#banner")).to_be_hidden()
    listed = stack.get("/api/orders?symbol=BONK&limit=100")["orders"]
    assert [order["quantity"] for order in listed] == ["54321"]


def test_an_answer_that_is_lost_is_asked_for_again_and_not_ordered_again(
    desk: Desk, stack: Stack
) -> None:
    keys: list[str] = []

    def lose_the_first_answer(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) > 1:
            route.continue_()
            return
        assert route.fetch().status == 202
        route.abort("connectionreset")

    desk.page.route("**/api/orders/execute", lose_the_first_answer)
    desk.submit(symbol="SPY", quantity="0.777")
    desk.wait_for("confirmed")
    assert len(keys) == 2
    assert len(set(keys)) == 1
    desk.submit()
    desk.wait_for("confirmed")
    assert len(set(keys)) == 2
    listed = stack.get("/api/orders?symbol=SPY&limit=100")["orders"]
    assert [order["quantity"] for order in listed] == ["0.777", "0.777"]


@pytest.mark.parametrize(
    ("refusal", "told"),
    [
        ("RATE_LIMITED", "Nothing was ordered."),
        ("ORDERS_DISABLED", "Nothing was ordered."),
        ("QUEUE_FULL", "Nothing was ordered."),
        ("STORAGE_UNAVAILABLE", "may have been stored"),
    ],
)
def test_an_order_is_said_to_be_stored_only_where_it_may_be(
    desk: Desk, refusal: str, told: str
) -> None:
    status = 429 if refusal == "RATE_LIMITED" else 503
    problem = {"status": status, "code": refusal, "detail": "not now"}
    # The page waits for longer than the test lasts: no repetition is under way at the click.
    headers = {"Retry-After": "120"}
    desk.page.route(
        "**/api/orders/execute",
        lambda route: route.fulfill(status=status, json=problem, headers=headers),
    )
    desk.fill(symbol="RAY", quantity="3")
    desk.page.click("#submit")
    outcome = desk.page.locator("#outcome")
    expect(outcome).to_contain_text("Not accepted yet: not now")
    desk.page.click("#submit")
    expect(outcome).to_contain_text("Stopped.")
    expect(outcome).to_contain_text(told)


def test_a_first_connection_that_fails_is_not_called_lost(
    open_desk: OpenDesk, stack: Stack
) -> None:
    order_id = stack.post("RAY", "buy", "1")
    desk = open_desk(usable=False)
    desk.expected += OUTAGE
    desk.page.route(f"**/api/orders/{order_id}/events*", lambda route: route.abort())
    desk.page.route_web_socket("**/ws/orders?*", lambda socket: socket.close(code=1011))
    desk.page.goto(f"/?order={order_id}")
    desk.link("waiting")
    expect(desk.page.locator("#order-link")).to_contain_text("No connection. Trying again in")


def test_a_connection_that_has_gone_silent_is_noticed(open_desk: OpenDesk) -> None:
    desk = open_desk()
    desk.page.route_web_socket("**/ws/orders?*", lambda socket: None)
    desk.submit(symbol="AAPL", quantity="2")
    desk.link("live")
    desk.wait_for("confirmed")
    desk.link("ended")
    assert desk.steps == STEPS


def test_a_page_that_nobody_looks_at_asks_for_nothing(desk: Desk) -> None:
    desk.page.clock.install()
    desk.open()
    with desk.page.expect_response("**/api/quotes?*"):
        desk.page.clock.run_for(5_000)
    asked: list[str] = []
    desk.page.evaluate(HIDE, True)
    desk.page.wait_for_load_state("networkidle")
    desk.page.on("request", lambda request: asked.append(request.url))
    desk.page.clock.run_for(60_000)
    assert asked == []
    with desk.page.expect_response("**/api/quotes?*"):
        desk.page.evaluate(HIDE, False)
        desk.page.clock.run_for(5_000)
