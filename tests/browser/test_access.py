"""The page of a service that asks for a key."""

import random
import re
from collections.abc import Iterator, Mapping
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from chaos.proxy import Proxy
from harness.waiting import wait_until
from orderengine.local.ports import LOOPBACK
from tests.browser.conftest import OpenDesk
from tests.browser.contrast import LEAST, contrasts
from tests.browser.desk import PHONE, Desk
from tests.e2e.clients import enter, keys
from tests.e2e.stack import Stack

STEPS = list(enumerate(["pending", "routing", "building", "submitted", "confirmed"], start=1))
REFUSAL = "status of 401"
OUTAGE = ["Failed to load resource", "WebSocket connection to"]
STORED = "JSON.stringify({...sessionStorage, ...localStorage})"
UNKNOWN_KEY = f"oe_{'0' * 12}_{'A' * 43}"


@pytest.fixture(scope="module")
def stack_environ() -> Mapping[str, str]:
    # Slow settlement: a test needs up to a second to see that an order is submitted, then acts.
    return {
        "AUTH": "required",
        "SIM_QUOTE_LATENCY_MS": "50-80",
        "SIM_SETTLEMENT_MS": "4000-4000",
    }


@pytest.fixture
def made(stack: Stack) -> Iterator[dict[str, str]]:
    """A key of a new client; the stack's own requests also use it."""
    yield enter(stack, "alice")
    stack.headers = {}


@pytest.fixture
def proxy(stack: Stack) -> Iterator[Proxy]:
    with Proxy(lambda: stack.port, random.Random(7)) as running:  # noqa: S311
        yield running


def open_locked(open_desk: OpenDesk, path: str = "/", **options: object) -> Desk:
    """A window whose page asks for a key."""
    desk = open_desk(path, usable=False, **options)
    desk.expected += [REFUSAL, "HTTP Authentication failed"]
    expect(desk.page.locator("#access")).to_be_visible()
    return desk


def give(desk: Desk, key: str) -> None:
    desk.page.fill("#key", key)
    desk.page.keyboard.press("Enter")


def refusal_of_key(desk: Desk, text: str) -> None:
    """Wait until the page says this beside the field of the key."""
    expect(desk.page.locator("#key-rule")).to_contain_text(text)
    expect(desk.page.locator("#key")).to_have_attribute("aria-invalid", "true")
    assert desk.focused() == "key"


def test_a_key_is_entered_with_the_keyboard_and_an_order_followed_to_its_end(
    open_desk: OpenDesk, made: dict[str, str], stack: Stack
) -> None:
    desk = open_locked(open_desk)
    assert desk.focused() == "key"
    expect(desk.page.locator(".desk")).to_be_hidden()
    expect(desk.page.locator("#service")).to_have_text("ready")
    desk.page.keyboard.type(made["key"])
    desk.page.keyboard.press("Tab")
    desk.page.keyboard.press("Enter")
    expect(desk.page.locator("#access")).to_be_hidden()
    expect(desk.page.locator("#metrics-link")).to_be_hidden()
    expect(desk.page.locator("#held-id")).to_have_text(f"oe_{made['keyId']}…")
    desk.wait_until_usable()
    order_id = desk.submit(symbol="AAPL", quantity="10")
    desk.wait_for("confirmed")
    desk.link("ended")
    assert desk.steps == STEPS
    assert stack.order(order_id)["status"] == "confirmed"
    expect(desk.page.locator(f'tr[data-order-id="{order_id}"] .status')).to_have_text("confirmed")


def test_the_key_is_in_no_address_and_in_this_tab_only(
    open_desk: OpenDesk, made: dict[str, str], stack: Stack
) -> None:
    desk = open_locked(open_desk)
    before = len(desk.requests)
    give(desk, made["key"])
    desk.wait_until_usable().submit(symbol="SOL", quantity="1")
    desk.wait_for("confirmed")
    secret = made["key"].split("_", 2)[2]  # the secret may contain underscores too
    asked = desk.requests[before:]
    urls = [*(each.url for each in asked), *desk.sockets, desk.page.url]
    assert not [url for url in urls if secret in url]
    with_key = {request.headers.get("authorization") for request in asked if "/api/" in request.url}
    assert with_key == {f"Bearer {made['key']}"}
    assert not [
        each for each in asked if "/api/" not in each.url and "authorization" in each.headers
    ]
    assert desk.page.evaluate("localStorage.length") == 0
    assert desk.page.context.cookies() == []
    desk.page.reload()
    desk.wait_until_usable().wait_for("confirmed")
    other = desk.page.context.new_page()
    other.goto(stack.url)
    expect(other.locator("#access")).to_be_visible()
    other.close()


def test_a_socket_that_is_cut_resumes_with_a_ticket_of_its_own(
    open_desk: OpenDesk, made: dict[str, str], proxy: Proxy, stack: Stack
) -> None:
    desk = open_locked(open_desk, url=f"http://{LOOPBACK}:{proxy.port}")
    desk.expected += OUTAGE
    give(desk, made["key"])
    order_id = desk.wait_until_usable().submit(symbol="AAPL", quantity="10")
    desk.wait_for("submitted")
    proxy.refuse(refusing=True)
    desk.link("waiting")
    assert stack.follow(order_id).statuses[-1] == "confirmed"
    assert desk.steps == STEPS[:4]
    proxy.refuse(refusing=False)
    desk.wait_for("confirmed")
    desk.link("ended")
    assert desk.steps == STEPS
    queries = [parse_qs(urlsplit(url).query) for url in desk.sockets]
    assert [query.get("after") for query in queries] == [None, *[["4"]] * (len(queries) - 1)]
    tickets = {query["ticket"][0] for query in queries}
    assert len(tickets) == len(queries) > 1
    assert all(re.fullmatch(r"oet_[A-Za-z0-9_-]{43}", ticket) for ticket in tickets)


def test_a_wrong_key_is_explained_beside_its_field(
    open_desk: OpenDesk, made: dict[str, str]
) -> None:
    desk = open_locked(open_desk)
    before = len(desk.requests)
    for text in ("", "secret", made["key"][:-1], f"{made['key']} é"):
        give(desk, text)
        refusal_of_key(desk, "must be a key: oe_, 12 hex digits")
    assert not [each.url for each in desk.requests[before:] if "/api/" in each.url]
    give(desk, UNKNOWN_KEY)
    refusal_of_key(desk, "is not valid here")
    desk.page.locator("#key").press_sequentially("x")
    expect(desk.page.locator("#key-rule")).to_have_text("")
    assert desk.page.evaluate(STORED) == "{}"
    give(desk, f"  {made['key']} ")
    desk.wait_until_usable()


def test_a_key_that_can_not_be_tried_is_not_called_wrong(
    open_desk: OpenDesk, made: dict[str, str], proxy: Proxy
) -> None:
    desk = open_locked(open_desk, url=f"http://{LOOPBACK}:{proxy.port}")
    desk.expected += OUTAGE
    proxy.refuse(refusing=True)
    give(desk, made["key"])
    refusal_of_key(desk, "could not be tried: the server does not answer; try again")
    proxy.refuse(refusing=False)
    desk.page.keyboard.press("Enter")
    desk.wait_until_usable()


def test_a_revoked_key_stops_the_page_and_a_new_one_lets_it_go_on(
    open_desk: OpenDesk, made: dict[str, str], stack: Stack
) -> None:
    desk = open_locked(open_desk)
    desk.expected += OUTAGE
    give(desk, made["key"])
    desk.wait_until_usable()
    stack.kill("worker")  # so that the order stays open
    stack.wait("worker")
    desk.submit(symbol="SPY", side="sell", quantity="1")
    desk.link("live")
    keys(stack, "revoke", made["keyId"])
    expect(desk.page.locator("#access")).to_be_visible()
    expect(desk.page.locator("#key-rule")).to_contain_text("it was revoked")
    desk.link("locked")
    expect(desk.page.locator("#order-link")).to_have_text(
        "Stopped after step 1. A key lets it go on."
    )
    desk.page.click("#submit")
    expect(desk.page.locator("#outcome")).to_have_text("Not accepted: the service asks for a key")
    assert desk.page.evaluate(STORED) == "{}"
    stack.restart("worker")
    give(desk, enter(stack, "alice")["key"])
    desk.wait_for("confirmed")
    assert desk.steps == STEPS
    assert len(stack.get("/api/orders?symbol=SPY")["orders"]) == 1


def test_a_forgotten_key_leaves_nothing_behind(
    open_desk: OpenDesk, made: dict[str, str], stack: Stack
) -> None:
    order_id = stack.post("AAPL", "buy", "1")
    desk = open_locked(open_desk, f"/?order={order_id}")
    give(desk, made["key"])
    desk.wait_for("confirmed")
    desk.page.click("#forget")
    expect(desk.page.locator("#access")).to_be_visible()
    assert desk.page.url == f"{stack.url}/"
    assert desk.page.evaluate(STORED) == "{}"
    assert desk.rows() == []
    assert desk.order_id is None


def test_a_page_that_the_back_button_revives_does_not_revive_its_key(
    open_desk: OpenDesk, made: dict[str, str]
) -> None:
    desk = open_locked(open_desk)
    give(desk, made["key"])
    desk.wait_until_usable()
    desk.page.evaluate("sessionStorage.clear()")
    desk.page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    expect(desk.page.locator("#access")).to_be_visible()
    wait_until(lambda: desk.rows() == [])


def test_another_client_does_not_see_the_order_of_a_link(
    open_desk: OpenDesk, made: dict[str, str], stack: Stack
) -> None:
    order_id = stack.post("AAPL", "buy", "1")
    desk = open_locked(open_desk, f"/?order={order_id}")
    desk.expected += ["status of 404", OUTAGE[1]]
    give(desk, keys(stack, "create", "bob")["key"])
    expect(desk.page.locator("#unknown-order")).to_contain_text(order_id)
    desk.link("unknown")


@pytest.mark.parametrize("color_scheme", ["dark", "light"])
def test_the_form_of_the_key_can_be_read_and_fits_on_a_phone(
    open_desk: OpenDesk, color_scheme: str
) -> None:
    desk = open_locked(open_desk, viewport=PHONE, is_mobile=True, color_scheme=color_scheme)
    give(desk, "secret")
    refusal_of_key(desk, "must be a key")
    assert desk.overflow_px() == 0
    assert [each for each in contrasts(desk.page) if each.ratio < LEAST] == []
