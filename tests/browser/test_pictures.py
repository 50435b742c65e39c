"""The documentation's pictures of `make run`, with the simulated market at its defaults."""

from collections.abc import Mapping
from contextlib import closing

import pytest
from playwright.sync_api import Browser, Error, ViewportSize, expect

from harness.waiting import wait_until
from orderengine.local.ports import LOOPBACK, free_port
from tests.browser.conftest import IMAGES, OpenDesk, Shoot
from tests.browser.desk import PHONE_OPTIONS
from tests.e2e.stack import Stack

MIXED = [("BTC", "buy", "0.05"), ("ETH", "sell", "1.25"), ("RAY", "sell", "100")]
FLOWER_WINDOW = ViewportSize(width=1700, height=1000)


@pytest.fixture(scope="module")
def flower_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def stack_environ(flower_port: int) -> Mapping[str, str]:
    return {"FLOWER_PORT": str(flower_port), "FLOWER_UNAUTHENTICATED_API": "true"}


def test_the_page_in_the_dark_and_on_a_phone(
    open_desk: OpenDesk, stack: Stack, shoot: Shoot
) -> None:
    stack.follow_many([stack.post(*order) for order in MIXED])
    dark = open_desk(color_scheme="dark")
    phone = open_desk(color_scheme="dark", device_scale_factor=1.5, **PHONE_OPTIONS)
    for desk, name in ((dark, "page-dark"), (phone, "page-phone")):
        desk.submit(symbol="AAPL", quantity="10")
        desk.wait_for("confirmed")
        shoot(desk, name)


def test_flower_shows_the_tasks_of_orders_one_of_which_failed(
    browser: Browser, stack: Stack, flower_port: int, request: pytest.FixtureRequest
) -> None:
    stack.start_line("flower")
    url = f"http://{LOOPBACK}:{flower_port}"
    with closing(browser.new_page(viewport=FLOWER_WINDOW)) as page:

        def sees_an_order() -> bool:
            order_id = stack.post("SOL", "buy", "1")
            stack.follow(order_id)
            try:
                seen = page.request.get(f"{url}/api/tasks?search={order_id}").json()
            except Error:
                return False  # it does not listen yet
            return "confirm_order" in {task["name"] for task in seen.values()}

        wait_until(sees_an_order, 40.0)
        placed = [stack.post(*order) for order in MIXED]
        placed.append(stack.post("AAPL", "buy", "10", worstPrice="1"))
        ends = [following.statuses[-1] for following in stack.follow_many(placed)]
        assert ends == ["confirmed", "confirmed", "confirmed", "failed"]
        page.goto(f"{url}/tasks")
        for order_id in placed:
            expect(page.locator("#tasks-table")).to_contain_text(order_id)
        if request.config.getoption("--screenshots"):
            page.screenshot(path=IMAGES / "flower.png")
