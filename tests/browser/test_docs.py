"""The documentation as a newcomer uses it: a key into Authorize, and an order by "Try it out"."""

import json
import re
from collections.abc import Iterator, Mapping

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect

from tests.browser.desk import TIMEOUT_MS
from tests.e2e.clients import keys
from tests.e2e.stack import Stack

CLEAR = "rgba(0, 0, 0, 0)"


@pytest.fixture(scope="module")
def stack_environ() -> Mapping[str, str]:
    return {"AUTH": "required", "SIM_SETTLEMENT_MS": "600-700"}


@pytest.fixture
def docs(browser: Browser, stack: Stack) -> Iterator[Page]:
    """The page at /docs; its console must show no error but the 401 that a test provokes."""
    context = browser.new_context(viewport={"width": 1200, "height": 1000})
    context.set_default_timeout(TIMEOUT_MS)
    page = context.new_page()
    problems: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and "401" not in message.text:
            problems.append(message.text)

    page.on("console", heard)
    page.on("pageerror", lambda error: problems.append(f"uncaught: {error}"))
    page.goto(f"{stack.url}/docs")
    yield page
    context.close()
    assert problems == []


def authorize(page: Page, key: str) -> None:
    page.get_by_role("button", name="Authorize").first.click()
    dialog = page.locator(".modal-ux")
    dialog.locator("input").fill(key)
    dialog.get_by_role("button", name="Apply credentials").click()
    dialog.get_by_role("button", name="Close").last.click()


def operation(page: Page, method: str, path: str) -> Locator:
    """The block of an operation, opened."""
    found = page.locator(f".opblock-{method}").filter(
        has=page.locator(f'.opblock-summary-path[data-path="{path}"]')
    )
    found.locator(".opblock-summary-control").click()
    return found


def execute(block: Locator) -> tuple[int, str]:
    """Press the button; returns status and text of the answer."""
    block.get_by_role("button", name="Execute", exact=True).click()
    live = block.locator(".live-responses-table .response").first
    expect(live.locator(".response-col_status")).to_have_text(re.compile(r"^\d{3}"))
    status = live.locator(".response-col_status").inner_text()[:3]
    return int(status), live.locator(".response-col_description code").first.inner_text()


def test_an_order_is_confirmed_from_the_page_alone(docs: Page, stack: Stack) -> None:
    expect(docs.locator(".info")).to_contain_text("From a key to a confirmed order")
    authorize(docs, keys(stack, "create", "newcomer")["key"])
    block = operation(docs, "post", "/api/orders/execute")
    block.locator('tr[data-param-name="Prefer"] input').fill("wait=10")
    status, text = execute(block)
    assert (status, json.loads(text)["status"]) == (200, "confirmed")
    listing = operation(docs, "get", "/api/orders")
    status, text = execute(listing)
    assert status == 200
    assert [order["status"] for order in json.loads(text)["orders"]] == ["confirmed"]


def test_without_a_key_the_page_shows_what_is_missing(docs: Page) -> None:
    status, text = execute(operation(docs, "get", "/api/instruments"))
    assert status == 401
    assert json.loads(text)["code"] == "UNAUTHORIZED"


def test_the_page_follows_the_colors_of_the_system(docs: Page) -> None:
    colors = {
        "dark": ("rgb(28, 32, 34)", "rgb(210, 214, 215)"),
        "light": (CLEAR, "rgb(59, 65, 81)"),
    }
    for scheme in ("dark", "light", "dark"):
        docs.emulate_media(color_scheme=scheme)
        background, text = colors[scheme]
        expect(docs.locator("html")).to_have_css("background-color", background)
        expect(docs.locator(".info .title")).to_have_css("color", text)
