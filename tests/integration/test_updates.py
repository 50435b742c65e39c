"""Order updates over real sockets: gunicorn as the Procfile starts it, and a real client."""

import contextlib
import json
import urllib.error
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from harness.waiting import wait_until
from tests.integration.web_process import (
    KEY,
    ODD_HEADERS,
    TIMEOUT_S,
    Web,
    next_event,
    raw_handshake,
    refusal,
    rest,
    seqs,
    web,
)

__all__ = ["web"]


def test_a_client_sees_every_status_as_it_happens_then_a_clean_close(web: Web) -> None:
    order_id = web.order()
    with web.follow(order_id) as client:
        first = next_event(client)
        web.post(f"/orders/{order_id}/confirm")
        texts, code = rest(client)
    assert (first["orderId"], first["seq"], first["status"]) == (order_id, 1, "pending")
    assert first.keys() == {"orderId", "seq", "status", "attempt", "at", "data"}
    statuses = [json.loads(text)["status"] for text in texts]
    assert statuses == ["routing", "building", "submitted", "confirmed"]
    assert code == 1000


def test_a_late_client_gets_every_status_once(web: Web) -> None:
    order_id = web.order()
    web.post(f"/orders/{order_id}/confirm")
    with web.follow(order_id) as client:
        texts, code = rest(client)
    assert (seqs(texts), code) == ([1, 2, 3, 4, 5], 1000)


def test_live_and_replayed_messages_are_the_same_text(web: Web) -> None:
    order_id = web.order()
    with web.follow(order_id) as early:
        web.post(f"/orders/{order_id}/confirm")
        live, _ = rest(early)
    with web.follow(order_id) as late:
        replayed, _ = rest(late)
    assert live == replayed


def test_a_client_resumes_after_what_it_has(web: Web) -> None:
    order_id = web.order()
    web.post(f"/orders/{order_id}/start")
    with web.follow(order_id, after=0) as client:
        assert [next_event(client)["seq"] for _ in range(2)] == [1, 2]
    with web.follow(order_id, after=2) as client:
        web.post(f"/orders/{order_id}/finish")
        assert seqs(rest(client)[0]) == [3, 4, 5]


@pytest.mark.parametrize("after", [2, 3, 2**31 - 1])
def test_a_client_that_has_the_terminal_event_is_closed_at_once(web: Web, after: int) -> None:
    order_id = web.order()
    web.post(f"/orders/{order_id}/fail")
    with web.follow(order_id, after=after) as client:
        assert rest(client) == ([], 1000)


def test_fifty_clients_of_one_order_all_get_everything(web: Web) -> None:
    order_id = web.order()
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(50) as threads:
        clients = [stack.enter_context(web.follow(order_id)) for _ in range(50)]
        results = [threads.submit(rest, client) for client in clients]
        web.post(f"/orders/{order_id}/confirm")
        for result in results:
            texts, code = result.result(TIMEOUT_S)
            assert (seqs(texts), code) == ([1, 2, 3, 4, 5], 1000)
    wait_until(web.is_idle)


def test_an_unknown_order_is_refused(web: Web) -> None:
    status, _, problem = refusal(web.updates_url(str(uuid4())))
    assert (status, problem["code"], problem["status"]) == (404, "ORDER_NOT_FOUND", 404)


def test_an_order_whose_events_were_pruned_is_refused_and_not_waited_for(web: Web) -> None:
    order_id = web.order()
    web.post(f"/orders/{order_id}/fail")
    web.post(f"/orders/{order_id}/prune")
    status, _, problem = refusal(web.updates_url(order_id))
    assert (status, problem["code"]) == (410, "EVENTS_PRUNED")
    with web.follow(order_id, after=2) as client:
        assert rest(client) == ([], 1000)


@pytest.mark.parametrize(
    ("query", "field", "rule"),
    [
        ("orderId=42", "orderId", "uuid"),
        ("orderId={id}&after=01", "after", "integer"),
        ("orderId={id}&after=1&after=1", "after", "repeated"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(
    web: Web, query: str, field: str, rule: str
) -> None:
    url = f"ws://127.0.0.1:{web.port}/ws/orders?{query.format(id=web.order())}"
    status, _, problem = refusal(url)
    assert (status, problem["code"]) == (400, "VALIDATION_FAILED")
    assert [(error["field"], error["rule"]) for error in problem["errors"]] == [(field, rule)]


def test_plain_http_is_told_to_upgrade(web: Web) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        web.get(f"/ws/orders?orderId={web.order()}")
    with caught.value as answer:
        assert answer.status == 426
        assert answer.headers["Upgrade"] == "websocket"
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert json.load(answer)["code"] == "UPGRADE_REQUIRED"


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==", b"426"),
        ("Sec-WebSocket-Version: 13", b"400"),
        ("Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short", b"400"),
        (KEY, b"101"),
        (f"{KEY}\r\n{ODD_HEADERS}", b"101"),
    ],
)
def test_a_handshake_succeeds_or_is_refused_and_never_fails(
    web: Web, header: str, status: bytes
) -> None:
    with raw_handshake(web, web.order(), header) as client:
        answer = client.recv(4096)
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert b"permessage-deflate" not in answer
    wait_until(web.is_idle)


def test_compression_is_not_accepted(web: Web) -> None:
    offer = {"Sec-WebSocket-Extensions": "permessage-deflate"}
    with web.follow(web.order(), header=offer) as client:
        headers = client.getheaders() or {}
        assert "sec-websocket-extensions" not in headers
        assert next_event(client)["seq"] == 1


def test_without_storage_new_clients_are_refused_and_old_ones_wait(web: Web) -> None:
    order_id = web.order()
    with web.follow(order_id) as client:
        assert next_event(client)["seq"] == 1
        web.post("/storage", down=True)
        status, headers, problem = refusal(web.updates_url(order_id))
        web.post("/storage", down=False)
        assert (status, problem["code"]) == (503, "STORAGE_UNAVAILABLE")
        assert int(headers["retry-after"]) > 0
        web.post(f"/orders/{order_id}/confirm")
        assert seqs(rest(client)[0]) == [2, 3, 4, 5]
