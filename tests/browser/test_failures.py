"""An order that fails, as the page shows it."""

import json
import re
from collections.abc import Mapping

import pytest
from playwright.sync_api import WebSocketRoute, expect
from sqlalchemy import Engine, text

from tests.browser.conftest import OpenDesk, Shoot
from tests.browser.contrast import LEAST, contrasts
from tests.browser.desk import Desk
from tests.e2e.stack import Document, Stack

MOVED = "The price moved further than the slippage allows"
ATTEMPT = ["pending", "routing", "building", "submitted"]


@pytest.fixture(scope="module")
def stack_environ() -> Mapping[str, str]:
    return {
        "SIM_QUOTE_LATENCY_MS": "50-50",
        "SIM_SETTLEMENT_MS": "300-300",
        "SIM_DRIFT_BPS": "20-20",
    }


def test_a_failing_order_shows_its_three_attempts_and_their_reasons(
    open_desk: OpenDesk, stack: Stack, shoot: Shoot
) -> None:
    desk = open_desk(color_scheme="light", viewport={"width": 1440, "height": 1400})
    order_id = desk.submit(symbol="NVDA", side="buy", quantity="5", slippageBps="0")
    desk.wait_for("failed")
    desk.link("ended")
    assert desk.steps == list(enumerate([*ATTEMPT, *ATTEMPT, *ATTEMPT, "failed"], start=1))
    shown = stack.order(order_id)
    attempts = desk.page.locator(".attempt")
    expect(attempts).to_have_count(3)
    for attempt, failed in zip(attempts.all(), shown["failedAttempts"], strict=True):
        expect(attempt.locator("h3")).to_contain_text(f"Attempt {failed['attempt']}")
        expect(attempt.locator(".reason")).to_have_attribute("title", failed["reason"])
    told = desk.page.locator(".steps [data-seq='5'] .text")
    expect(told).to_contain_text(shown["failedAttempts"][0]["detail"], ignore_case=True)
    expect(told).to_contain_text("Attempt 2 begins after 0.")
    expect(desk.page.locator("#failure")).to_have_text(
        f"{MOVED}: {shown['detail']}", ignore_case=True
    )
    row = desk.page.locator(f'tr[data-order-id="{order_id}"]')
    expect(row.locator(".status")).to_have_text("slippage exceeded")
    expect(row.locator(".status")).to_have_attribute(
        "title", f"SLIPPAGE_EXCEEDED: {shown['detail']}"
    )
    outcome = f"Failed: {MOVED[0].lower()}{MOVED[1:]}."
    expect(desk.page.locator("#outcome")).to_have_text(outcome)
    shoot(desk, "page-failed")


def test_an_order_that_needed_more_slippage_is_sent_again_with_more(
    desk: Desk, stack: Stack
) -> None:
    first = desk.submit(symbol="NVDA", side="sell", quantity="3", slippageBps="0")
    desk.wait_for("failed")
    again = desk.page.locator("#again")
    expect(again).to_have_text("Again with more slippage: 0.50 %")
    desk.fill(quantity="4")
    expect(again).to_be_hidden()  # it would be another order
    second = desk.submit(quantity="3")
    desk.wait_for("failed")
    again.click()
    desk.wait_for("confirmed")
    expect(desk.page.locator("#outcome")).to_contain_text("Confirmed at")
    assert desk.page.locator("#slippageBps").input_value() == "50"
    third = stack.order(desk.order_id or "")
    assert {first, second, third["orderId"]} == {each["orderId"] for each in sells(stack)}
    assert (third["quantity"], third["slippageBps"]) == ("3", 50)


def sells(stack: Stack) -> list[Document]:
    """The orders that sell."""
    listed = stack.get("/api/orders?symbol=NVDA")["orders"]
    return [order for order in listed if order["side"] == "sell"]


def test_an_order_whose_steps_were_pruned_still_shows_its_result(
    open_desk: OpenDesk, stack: Stack, stack_database: Engine
) -> None:
    order_id = stack.post("NVDA", "buy", "5", slippageBps=0)
    stack.follow(order_id)
    with stack_database.begin() as connection:
        pruned = text("DELETE FROM order_events WHERE order_id = :id")
        assert connection.execute(pruned, {"id": order_id}).rowcount > 0
    desk = open_desk(f"/?order={order_id}")
    desk.expected += ["status of 410", "WebSocket connection to"]
    desk.wait_for("failed")
    desk.link("pruned")
    shown = stack.order(order_id)
    expect(desk.page.locator("#failure")).to_have_text(
        f"{MOVED}: {shown['detail']}", ignore_case=True
    )
    expect(desk.page.locator("#tx-hash")).to_have_attribute("title", shown["txHash"])
    expect(desk.page.locator(".attempt .reason")).to_have_text(["slippage exceeded"] * 3)
    assert desk.steps == []


def test_an_end_that_only_a_later_release_knows_is_an_end(
    open_desk: OpenDesk, stack: Stack
) -> None:
    order_id = stack.post("NVDA", "buy", "10", slippageBps=0)
    pending, *_ = stack.get(f"/api/orders/{order_id}/events")["events"]
    replaced = {**pending, "seq": 2, "status": "replaced", "data": {"field": ["of that release"]}}

    def serve(socket: WebSocketRoute) -> None:
        socket.send(json.dumps(pending))
        socket.send(json.dumps(replaced))
        socket.close(code=1000)

    desk = open_desk()
    desk.page.route_web_socket(re.compile("/ws/orders"), serve)
    desk.open(f"/?order={order_id}")
    desk.wait_for("replaced")
    desk.link("ended")
    assert desk.steps == [(1, "pending"), (2, "replaced")]
    expect(desk.page.locator(".steps [data-seq='2'] .text")).to_be_empty()


@pytest.mark.parametrize("color_scheme", ["dark", "light"])
def test_every_text_has_enough_contrast(open_desk: OpenDesk, color_scheme: str) -> None:
    desk = open_desk(color_scheme=color_scheme, reduced_motion="reduce")
    for wanted in (
        {"slippageBps": "0", "symbol": "NVDA", "quantity": "10"},
        {"slippageBps": "100", "symbol": "SOL", "quantity": "20000", "maxLegs": "2"},
    ):
        desk.submit(**wanted)
        desk.link("ended")
        expect(desk.page.locator("#quotes[data-stale]")).to_have_count(0)
        measured = contrasts(desk.page)
        assert len(measured) > 80
        assert [each for each in measured if each.ratio < LEAST] == []
