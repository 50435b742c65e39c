"""The API for pages of other sites, in a real browser with its CORS rules."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from orderengine.local.ports import LOOPBACK, free_port
from tests.browser.desk import TIMEOUT_MS
from tests.e2e.clients import enter
from tests.e2e.stack import Stack

# Sends a request from a page; fetch throws if the browser blocks the answer.
ASK = """async ([url, options]) => {
  let answer;
  try {
    answer = await fetch(url, options);
  } catch (error) {
    return {thrown: String(error)};
  }
  const headers = Object.fromEntries(answer.headers);
  const text = await answer.text();
  const body = text.startsWith('{') ? JSON.parse(text) : null;
  return {status: answer.status, headers, text, body};
}"""
SOCKET = """async url => {
  const socket = new WebSocket(url);
  const statuses = [];
  socket.addEventListener('message', ({data}) => statuses.push(JSON.parse(data).status));
  return new Promise(resolve =>
    socket.addEventListener('close', ({code}) => resolve([code, statuses])));
}"""
ORDER = '{"symbol": "AAPL", "side": "buy", "quantity": 1}'


class _Site(BaseHTTPRequestHandler):
    """A site with one empty page."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><link rel=icon href='data:,'><title>a site</title>")

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(port: int) -> Iterator[str]:
    server = ThreadingHTTPServer((LOOPBACK, port), _Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://{LOOPBACK}:{port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with serving(free_port()) as origin:
        yield origin


@pytest.fixture(scope="module")
def foreign_site() -> Iterator[str]:
    with serving(free_port()) as origin:
        yield origin


@pytest.fixture(scope="module")
def stack_environ(site: str) -> Mapping[str, str]:
    return {
        "AUTH": "required",
        "ALLOWED_ORIGINS": f"https://app.example,{site}",
        "RATE_PER_KEY": "20",
        "SIM_QUOTE_LATENCY_MS": "50-80",
        "SIM_SETTLEMENT_MS": "300-300",
    }


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    context.set_default_timeout(TIMEOUT_MS)
    yield context.new_page()
    context.close()


@pytest.fixture
def key(stack: Stack) -> dict[str, str]:
    """The header of a new key, so that no other test has used up its rate limit."""
    enter(stack, "alice")
    headers, stack.headers = stack.headers, {}
    return headers


def ask(page: Page, url: str, **options: Any) -> dict[str, Any]:
    found: dict[str, Any] = page.evaluate(ASK, [url, options])
    return found


def test_a_listed_site_orders_reads_and_follows(
    page: Page, stack: Stack, site: str, key: dict[str, str]
) -> None:
    page.goto(site)
    headers = {
        **key,
        "Content-Type": "application/json",
        "Idempotency-Key": "from-a-browser",
        "Prefer": "wait=10",
    }
    url = f"{stack.url}/api/orders/execute"
    first, again = (ask(page, url, method="POST", headers=headers, body=ORDER) for _ in "ab")
    assert first["status"] == 200, first
    assert first["body"]["status"] == "confirmed"
    path = first["headers"]["location"]
    assert again["headers"]["location"] == path
    assert again["headers"]["idempotency-replayed"] == "true"
    for name in ("x-request-id", "ratelimit-remaining", "ratelimit-limit", "preference-applied"):
        assert name in first["headers"], name
    order = ask(page, stack.url + path, headers={**key, "If-Match": '"1"'})
    assert order["body"]["orderId"] == first["body"]["orderId"]
    resume = {**key, "Last-Event-ID": "3"}
    stream = ask(page, f"{stack.url}{path}/stream", headers=resume)
    assert stream["headers"]["content-type"].startswith("text/event-stream")
    assert [line for line in stream["text"].splitlines() if line.startswith("id:")] == [
        "id: 4",
        "id: 5",
    ]
    ticket = ask(page, f"{stack.url}/api/tickets", method="POST", headers=key)["body"]["ticket"]
    query = f"orderId={order['body']['orderId']}&ticket={ticket}"
    code, statuses = page.evaluate(SOCKET, f"ws://{LOOPBACK}:{stack.port}/ws/orders?{query}")
    assert (code, statuses[-1]) == (1000, "confirmed")


def test_a_listed_site_reads_why_it_is_refused(
    page: Page, stack: Stack, site: str, key: dict[str, str]
) -> None:
    page.goto(site)
    url = f"{stack.url}/api/orders/execute"
    json = {"Content-Type": "application/json"}
    stranger = ask(page, url, method="POST", headers=json, body=ORDER)
    assert (stranger["status"], stranger["body"]["code"]) == (401, "UNAUTHORIZED")
    broken = ask(page, url, method="POST", headers={**key, **json}, body="{}")
    assert (broken["status"], broken["body"]["code"]) == (400, "VALIDATION_FAILED")
    limited: dict[str, Any] = {"status": 200}
    while limited["status"] == 200:
        limited = ask(page, f"{stack.url}/api/instruments", headers=key)
    assert (limited["status"], limited["headers"].get("retry-after")) == (429, "1")


def test_another_site_reads_nothing_and_orders_nothing(
    page: Page, stack: Stack, foreign_site: str, key: dict[str, str]
) -> None:
    page.goto(foreign_site)
    stack.headers = key
    listed = stack.get("/api/orders")["orders"]
    headers = {**key, "Content-Type": "application/json"}
    refused = ask(
        page, f"{stack.url}/api/orders/execute", method="POST", headers=headers, body=ORDER
    )
    assert "thrown" in refused
    assert "thrown" in ask(page, f"{stack.url}/api/orders", headers=key)
    assert "thrown" in ask(page, f"{stack.url}/livez")
    assert stack.get("/api/orders")["orders"] == listed
    stack.headers = {}
