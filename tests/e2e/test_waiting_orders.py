"""Orders that wait, are amended, are canceled and expire, on a running service."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from email.message import Message
from typing import Any, NamedTuple

import pytest
import websocket

from orderengine.domain.texts import time_text
from tests.e2e.stack import TIMEOUT_S, Document, Stack, next_event, rest
from tests.e2e.timing import placed_with_an_end

FAR = {"type": "limit", "limitPrice": "0.01"}
"""The terms of an order to buy whose price does not come."""


class Answer(NamedTuple):
    status: int
    headers: Message
    document: Document


@pytest.fixture(scope="module")
def stack_environ() -> Mapping[str, str]:
    # Slow enough to cancel what is submitted; an order without tolerance reverts.
    return {
        "SIM_QUOTE_LATENCY_MS": "20-30",
        "SIM_SETTLEMENT_MS": "2500-2500",
        "SIM_DRIFT_BPS": "20-20",
        "SIM_SPREAD_BPS": "0-0",
        "RATE_PER_ADDRESS": "0",
        "RECOVERY_INTERVAL_MS": "200",
    }


def send(stack: Stack, method: str, path: str, body: object = None, **headers: str) -> Answer:
    sent = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(  # noqa: S310
        stack.url + path,
        data=sent,
        headers={"Content-Type": "application/json", **headers},
        method=method,
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
            return Answer(answer.status, answer.headers, json.load(answer))
    except urllib.error.HTTPError as refused:
        with refused:
            return Answer(refused.code, refused.headers, json.load(refused))


def steps(events: list[Document]) -> list[tuple[int, str]]:
    return [(event["seq"], event["status"]) for event in events]


def until(stack: Stack, order_id: str, status: str) -> None:
    """Wait for an event with this status on the order's socket."""
    with stack.socket(order_id) as client:
        while next_event(client)["status"] != status:
            pass


def test_an_order_waits_is_amended_and_is_canceled_while_its_streams_stay_open(
    stack: Stack,
) -> None:
    order_id = stack.post("AAPL", "buy", "10", **FAR)
    path = f"/api/orders/{order_id}"

    def server_sent() -> list[str]:
        return stack.text(f"{path}/stream").splitlines()

    with ThreadPoolExecutor(1) as threads, stack.socket(order_id) as client:
        stream = threads.submit(server_sent)
        assert next_event(client)["status"] == "waiting"
        read = send(stack, "GET", path)
        assert (read.document["status"], read.headers["ETag"]) == ("waiting", '"1"')
        amended = send(stack, "PATCH", path, {"limitPrice": "0.02"}, **{"If-Match": '"1"'})
        assert (amended.status, amended.headers["ETag"]) == (200, '"2"')
        late = send(stack, "PATCH", path, {"limitPrice": "0.03"}, **{"If-Match": '"1"'})
        assert (late.status, late.document["code"]) == (412, "PRECONDITION_FAILED")
        assert late.document["order"] == amended.document
        assert next_event(client)["data"]["limitPrice"] == "0.02"
        canceled = send(stack, "DELETE", path)
        assert (canceled.status, canceled.document["status"]) == (200, "canceled")
        following = rest(client)
        assert (following.statuses, following.code) == (["canceled"], 1000)
        told = [json.loads(line[6:]) for line in stream.result() if line.startswith("data: ")]
    assert steps(told) == [(1, "waiting"), (2, "waiting"), (3, "canceled")]
    again = send(stack, "DELETE", path)
    assert (again.status, again.document) == (200, canceled.document)
    ended = send(stack, "PATCH", path, {"limitPrice": "1"}, **{"If-Match": '"3"'})
    assert (ended.status, ended.document["code"]) == (409, "NOT_WAITING")


@pytest.mark.parametrize(
    ("slippage_bps", "end", "told"),
    [(1000, "confirmed", {"cancelTooLate": True}), (0, "canceled", {})],
)
def test_the_network_decides_about_a_cancel_of_a_submitted_order(
    stack: Stack, slippage_bps: int, end: str, told: dict[str, Any]
) -> None:
    order_id = stack.post("AAPL", "buy", "1", slippageBps=slippage_bps)
    until(stack, order_id, "submitted")
    path = f"/api/orders/{order_id}"
    first, again = send(stack, "DELETE", path), send(stack, "DELETE", path)
    assert (first.status, again.status) == (202, 202)
    assert first.document["status"] == "submitted"
    assert first.document["cancelRequestedAt"] == again.document["cancelRequestedAt"]
    events = stack.follow(order_id).events
    assert [event["status"] for event in events[-3:]] == ["submitted", "submitted", end]
    assert events[-2]["data"] == {"cancelRequested": True}
    assert {name: events[-1]["data"].get(name) for name in told} == told
    last = send(stack, "DELETE", path)
    if end == "canceled":
        assert (last.status, last.document["status"]) == (200, "canceled")
    else:
        assert (last.status, last.document["code"]) == (409, "TOO_LATE")
        assert last.document["order"]["status"] == "confirmed"


def test_an_order_expires_when_its_time_has_passed(stack: Stack) -> None:
    order_id, ends_at = placed_with_an_end(
        lambda at: stack.post("AAPL", "buy", "1", **FAR, expiresAt=time_text(at))
    )
    following = stack.follow(order_id)
    assert steps(following.events) == [(1, "waiting"), (2, "expired")]
    assert following.events[-1]["at"] >= time_text(ends_at)
    late = send(stack, "DELETE", f"/api/orders/{order_id}")
    assert (late.status, late.document["code"]) == (409, "TOO_LATE")


def test_all_orders_of_a_symbol_are_canceled(stack: Stack) -> None:
    kept = stack.post("SOL", "buy", "1", **FAR, clientOrderId="kept")
    for _ in range(3):
        stack.post("AAPL", "buy", "1", **FAR)
    open_orders = stack.get("/api/orders?status=open&symbol=AAPL")["orders"]
    assert [order["status"] for order in open_orders] == ["waiting"] * 3
    answer = send(stack, "DELETE", "/api/orders?symbol=AAPL")
    counts = {"canceled": 3, "requested": 0, "tooLate": 0, "refused": 0}
    assert (answer.status, answer.document) == (200, counts)
    assert stack.get("/api/orders?status=open&symbol=AAPL")["orders"] == []
    assert stack.order(kept)["status"] == "waiting"
    by_name = send(stack, "DELETE", "/api/orders/by-client-id/kept")
    assert (by_name.status, by_name.document["orderId"]) == (200, kept)
    assert send(stack, "DELETE", "/api/orders").status == 400


def test_a_repeated_order_is_answered_with_its_status_of_now(stack: Stack) -> None:
    order = {"symbol": "AAPL", "side": "buy", "quantity": 1, **FAR}
    headers = {"Idempotency-Key": "waits", "Prefer": "wait=10"}
    first = send(stack, "POST", "/api/orders/execute", order, **headers)
    assert (first.status, first.document["status"]) == (202, "waiting")
    send(stack, "DELETE", first.document["links"]["order"])
    again = send(stack, "POST", "/api/orders/execute", order, **headers)
    assert (again.status, again.document["status"]) == (200, "canceled")
    assert again.headers["Idempotency-Replayed"] == "true"


def test_the_socket_of_all_orders_sends_waiting_amended_and_canceled(stack: Stack) -> None:
    client = websocket.create_connection(
        stack.url.replace("http", "ws", 1) + "/ws/orders", timeout=TIMEOUT_S
    )
    try:
        order_id = stack.post("AAPL", "buy", "1", **FAR)
        path = f"/api/orders/{order_id}"
        send(stack, "PATCH", path, {"quantity": 2}, **{"If-Match": '"1"'})
        send(stack, "DELETE", path)
        told: list[Document] = []
        while not told or told[-1]["status"] != "canceled":
            message = next_event(client)
            if message.get("orderId") == order_id:
                told.append(message)
    finally:
        client.shutdown()  # type: ignore[no-untyped-call]
    assert steps(told) == [(1, "waiting"), (2, "waiting"), (3, "canceled")]
