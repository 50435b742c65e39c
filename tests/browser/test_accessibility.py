"""The page without a mouse, without its colors, and read aloud."""

import re
from collections.abc import Mapping

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenDesk
from tests.browser.desk import Desk


@pytest.fixture(scope="module")
def stack_environ() -> Mapping[str, str]:
    return {"SIM_QUOTE_LATENCY_MS": "50-80", "SIM_SETTLEMENT_MS": "600-700"}


def test_an_order_is_placed_and_opened_with_the_keyboard_alone(desk: Desk) -> None:
    keyboard = desk.page.keyboard
    keyboard.press("Tab")
    keyboard.press("Enter")  # the link that skips to the ticket
    for wanted, keys in (
        ("symbol", "SOL"),
        ("buy", "ArrowRight"),
        ("market", ""),
        ("quantity", "3"),
        ("unit", ""),
        ("worstPrice", ""),
        ("slippageBps", ""),
        ("maxLegs", ""),
        ("timeInForce", ""),
        ("submit", ""),
    ):
        keyboard.press("Tab")
        assert desk.focused() == wanted
        outline = desk.page.evaluate(
            "getComputedStyle(document.activeElement.closest('.segments') ??"
            " document.activeElement).outlineStyle"
        )
        assert outline == "solid"
        if keys.startswith("Arrow"):
            keyboard.press(keys)
        elif keys:
            keyboard.press("ControlOrMeta+A")
            keyboard.type(keys)
    expect(desk.page.locator("#submit")).to_have_text("Sell SOL")
    keyboard.press("Enter")
    desk.wait_for("confirmed")
    assert desk.page.locator(".head .title").inner_text().upper() == "SELL 3 SOL"
    link = desk.page.locator("#orders-table a").last
    order_id = desk.rows()[-1]
    link.focus()
    keyboard.press("Enter")
    expect(desk.page.locator("#order-body")).to_have_attribute("data-order-id", order_id)


def test_the_focus_stays_on_a_button_while_the_order_moves_on(desk: Desk) -> None:
    desk.submit(symbol="AAPL", quantity="1")
    desk.page.get_by_label("Copy the order's id").focus()
    desk.wait_for("confirmed")
    expect(desk.page.get_by_label("Copy the order's id")).to_be_focused()
    assert desk.page.locator("#order-link[role=status]").inner_text() == "Complete"


def test_the_chosen_side_is_seen_where_the_system_chooses_the_colors(open_desk: OpenDesk) -> None:
    desk = open_desk(forced_colors="active")
    backgrounds = "both => both.map(each => getComputedStyle(each).backgroundColor)"
    sides = desk.page.locator('[data-field="side"] label')
    buy, sell = sides.evaluate_all(backgrounds)
    desk.fill(side="sell")
    assert sides.evaluate_all(backgrounds) == [sell, buy]
    assert buy != sell


def test_the_charts_tell_in_words_what_they_show(desk: Desk) -> None:
    desk.fill(symbol="SOL", side="sell", quantity="1")
    told = re.compile(r"Raydium [\d.,]+, Meteora [\d.,]+")
    for chart, begin in (
        ("#curve", "Effective price of SOL"),
        ("#prices", "Last mid prices of SOL"),
    ):
        expect(desk.page.locator(chart)).to_have_attribute("aria-label", re.compile(f"^{begin}"))
        expect(desk.page.locator(chart)).to_have_attribute("aria-label", told)
