"""More event streams and waiting requests than the web process has threads hold up nobody."""

import json
import signal
import socket
import struct
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.client import HTTPResponse

import psutil
import pytest

from harness.waiting import wait_until
from orderengine.local.ports import LOOPBACK
from orderengine.webserver.capacity_worker import HTTP_THREADS
from tests.e2e.metrics import told_by
from tests.e2e.stack import TIMEOUT_S, Stack

MANY = HTTP_THREADS + 6
ORDER = json.dumps({"symbol": "AAPL", "side": "buy", "quantity": 1}).encode()


@pytest.fixture(scope="module")
def stack_environ() -> Mapping[str, str]:
    return {"SIM_SETTLEMENT_MS": "0-0"}


@contextmanager
def no_worker(stack: Stack) -> Iterator[None]:
    stack.kill("worker", signal.SIGSTOP)
    try:
        yield
    finally:
        stack.kill("worker", signal.SIGCONT)


def connected(stack: Stack, sent: bytes) -> socket.socket:
    client = socket.create_connection((LOOPBACK, stack.port), TIMEOUT_S)
    client.sendall(sent)
    return client


def streaming(order_id: str) -> bytes:
    return f"GET /api/orders/{order_id}/stream HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def placing(prefer: str) -> bytes:
    return (
        b"POST /api/orders/execute HTTP/1.1\r\nHost: localhost\r\nPrefer: %s\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
        % (prefer.encode(), len(ORDER), ORDER)
    )


def answer_on(client: socket.socket) -> tuple[HTTPResponse, bytes]:
    answer = HTTPResponse(client)
    answer.begin()
    return answer, answer.read()


def test_streams_and_waiting_requests_hold_no_thread(stack: Stack) -> None:
    with ExitStack() as clients, no_worker(stack):
        (order_id,) = stack.post_many(1)
        sent = [streaming(order_id)] * MANY + [placing("wait=10")] * MANY
        open_now = [clients.enter_context(connected(stack, each)) for each in sent]
        streams, waiting = open_now[:MANY], open_now[MANY:]
        for client in streams:
            assert client.recv(12) == b"HTTP/1.1 200"
        assert stack.get("/livez") == {"status": "ok"}
        assert told_by(stack)["orderengine_open_sockets"] == MANY
        stack.kill("worker", signal.SIGCONT)
        for client in waiting:
            answer, body = answer_on(client)
            assert answer.status == 200
            assert answer.headers["Preference-Applied"] == "wait=10"
            assert json.loads(body)["status"] == "confirmed"
        for client in streams:
            text = client.makefile("rb").read()
            assert text.count(b"\nid: ") == 5
            assert b"confirmed" in text


def test_those_who_leave_while_they_wait_leave_nothing_behind(stack: Stack) -> None:
    (web,) = psutil.Process(stack.pid("web")).children()
    held: list[int] = []
    for _ in range(2):  # the first time opens what stays open
        with no_worker(stack), ExitStack() as clients:
            waiting = [
                clients.enter_context(connected(stack, placing("wait=10"))) for _ in range(MANY)
            ]
            wait_until(lambda: web.num_fds() >= MANY)
            for client in waiting:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with connected(stack, placing("wait=10")) as client:
            assert answer_on(client)[0].status == 200
        if held:
            wait_until(lambda: web.num_fds() <= held[0] + 3)
        held.append(web.num_fds())
    assert '"level": "error"' not in stack.logs("web")


def test_a_waiting_request_is_answered_as_it_is_when_the_time_is_up(stack: Stack) -> None:
    with no_worker(stack), connected(stack, placing("wait=1")) as client:
        answer, body = answer_on(client)
    assert answer.status == 202
    assert answer.headers["Connection"] == "close"
    assert answer.headers["X-Request-Id"]
    assert "Preference-Applied" not in answer.headers
    assert json.loads(body)["status"] == "pending"


def test_those_who_wait_are_answered_when_the_process_ends(stack: Stack) -> None:
    with no_worker(stack), ExitStack() as clients:
        (order_id,) = stack.post_many(1)
        waiting = clients.enter_context(connected(stack, placing("wait=10")))
        stream = clients.enter_context(connected(stack, streaming(order_id)))
        assert stream.recv(12) == b"HTTP/1.1 200"
        stack.kill("web", signal.SIGTERM)
        assert answer_on(waiting)[0].status == 202
        assert b"confirmed" not in stream.makefile("rb").read()
