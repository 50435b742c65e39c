"""Sockets of misbehaving clients do not harm the process that serves them."""

import contextlib
import json
import signal
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import websocket

from harness.waiting import stretched, wait_until
from orderengine.api.updates.budget import BUDGET_FRAMES
from tests.integration.web_process import (
    KEY,
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


@pytest.fixture
def own_web(redis_url: str, tmp_path: Path) -> Iterator[Callable[..., Web]]:
    """Starts a web process for one test, which may set it up and end it."""
    with contextlib.ExitStack() as stack:
        yield lambda **environ: stack.enter_context(Web(redis_url, tmp_path, **environ))


@pytest.fixture(scope="module")
def narrow_web(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """Has few sockets, and little time for those who do not read or finish their request."""
    folder = tmp_path_factory.mktemp("narrow")
    short = {"TEST_SEND_TIMEOUT_S": "1", "TEST_REQUEST_TIMEOUT_S": "1"}
    with Web(redis_url, folder, WS_MAX_SOCKETS="3", **short) as running:
        yield running


@pytest.fixture(scope="module")
def pinging_web(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    # Long enough that a slow client on a busy machine still answers before the next ping.
    with Web(redis_url, tmp_path_factory.mktemp("pinging"), TEST_PING_S="1") as running:
        yield running


def ends(web: Web) -> Counter[str]:
    """How many sockets have ended so far, by their kind of end."""
    return Counter(web.state()["closed"])


def test_a_client_that_leaves_frees_everything_it_held(web: Web) -> None:
    wait_until(web.is_idle)
    order_id = web.order()
    with web.follow(order_id) as client:
        next_event(client)
        state = web.state()
        assert (state["open"], state["followers"]) == (1, 1)
        client.close()
    wait_until(web.is_idle)


def test_a_client_that_leaves_before_its_socket_is_open_is_no_failure(web: Web) -> None:
    order_id = web.order()
    for _ in range(30):
        with raw_handshake(web, order_id, KEY) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wait_until(web.is_idle)
    assert "unhandled_error" not in web.log()


def test_a_client_that_vanishes_frees_everything_it_held(web: Web) -> None:
    with web.follow(web.order()) as client:
        next_event(client)
        assert client.sock is not None
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wait_until(web.is_idle)


def test_http_is_not_held_up_by_sockets_that_end(web: Web) -> None:
    order_id = web.order()
    slowest_s = 0.0

    def is_idle() -> bool:
        nonlocal slowest_s
        began = time.monotonic()
        idle = web.is_idle()
        slowest_s = max(slowest_s, time.monotonic() - began)
        return idle

    with contextlib.ExitStack() as stack:
        for _ in range(10):
            next_event(stack.enter_context(web.follow(order_id)))
        web.post(f"/orders/{order_id}/fail")
        wait_until(is_idle)
    # A server that waits for these clients takes twenty seconds.
    assert slowest_s < 5.0, "the main loop waits for clients that say no goodbye"


def test_what_a_client_says_is_ignored(web: Web) -> None:
    order_id = web.order()
    with web.follow(order_id) as client:
        for number in range(10):
            client.send(f"hello {number}")
        client.ping("are you there")
        web.post(f"/orders/{order_id}/confirm")
        texts, code = rest(client)
    assert (seqs(texts), code) == ([1, 2, 3, 4, 5], 1000)


def test_a_client_that_talks_too_much_is_shown_out(web: Web) -> None:
    with web.follow(web.order()) as client:
        assert next_event(client)["seq"] == 1
        with contextlib.suppress(OSError):
            for _ in range(20_000):
                client.send("x" * 1000)
        _, code = rest(client)
    assert code == 1008
    wait_until(web.is_idle)
    assert web.state()["closed"]["flooded"] >= 1


def test_a_message_that_is_too_long_ends_the_socket(web: Web) -> None:
    with web.follow(web.order()) as client:
        assert next_event(client)["seq"] == 1
        client.send("x" * 2000)
        assert rest(client)[1] == 1009
    wait_until(web.is_idle)


@pytest.mark.parametrize("frame", [b"\x83\x80\x00\x00\x00\x00", b"\x81\x01a", b"\xff" * 50])
def test_a_client_that_breaks_the_protocol_is_closed(web: Web, frame: bytes) -> None:
    with web.follow(web.order()) as client:
        assert next_event(client)["seq"] == 1
        assert client.sock is not None
        client.sock.sendall(frame)
        assert rest(client)[1] == 1002
    wait_until(web.is_idle)


def test_beyond_the_limit_sockets_are_refused_and_http_goes_on(narrow_web: Web) -> None:
    web = narrow_web
    wait_until(web.is_idle)
    order_id = web.order()
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(web.follow(order_id)) for _ in range(3)]
        for _ in range(30):
            status, headers, problem = refusal(web.updates_url(order_id))
            assert (status, problem["code"]) == (503, "TOO_MANY_SOCKETS")
            assert int(headers["retry-after"]) > 0
        clients[0].close()
        wait_until(lambda: bool(web.state()["open"] == 2))
        next_event(stack.enter_context(web.follow(order_id)))


def test_a_client_that_answers_no_ping_is_dropped(pinging_web: Web) -> None:
    web = pinging_web
    before = ends(web)
    with raw_handshake(web, web.order(), KEY) as client:
        assert client.recv(4096).startswith(b"HTTP/1.1 101")
        wait_until(lambda: ends(web) - before == {"gone": 1})
        wait_until(web.is_idle)


def test_a_client_that_answers_pings_stays(pinging_web: Web) -> None:
    web = pinging_web
    order_id = web.order()
    with web.follow(order_id) as client:
        next_event(client)
        for _ in range(3):
            opcode, _ = client.recv_data(control_frame=True)
            assert opcode == websocket.ABNF.OPCODE_PING
        web.post(f"/orders/{order_id}/fail")
        assert seqs(rest(client)[0]) == [2]


def test_a_client_that_stops_reading_is_dropped(narrow_web: Web) -> None:
    web = narrow_web
    wait_until(web.is_idle)
    before = ends(web)
    order_id = web.order()
    small = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)]
    with web.follow(order_id, sockopt=small) as client:
        next_event(client)
        web.post(f"/orders/{order_id}/flood")
        wait_until(web.is_idle)
    assert ends(web) - before == {"slow": 1}


def test_a_client_that_reads_on_too_late_finds_out_why(narrow_web: Web) -> None:
    web = narrow_web
    wait_until(web.is_idle)
    before = ends(web)
    order_id, other_id = web.order(), web.order()
    small = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)]
    with web.follow(order_id, sockopt=small) as slow, web.follow(other_id) as friend:
        next_event(slow)
        next_event(friend)
        web.post(f"/orders/{order_id}/chatter")
        wait_until(lambda: bool(ends(web) - before))
        texts, code = rest(slow)
        assert code == 1013
        assert seqs(texts) == list(range(2, len(texts) + 2))
        with web.follow(order_id, after=len(texts) + 1) as again:
            assert next_event(again)["seq"] == len(texts) + 2
        web.post(f"/orders/{other_id}/fail")
        assert seqs(rest(friend)[0]) == [2]
    wait_until(web.is_idle)
    assert (ends(web) - before)["slow"] == 1


def test_a_client_that_stops_reading_holds_up_nobody_else(own_web: Callable[..., Web]) -> None:
    web = own_web(TEST_SEND_TIMEOUT_S="60")  # so that it is not cut off before the others end
    order_id = web.order()
    small = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)]
    with web.follow(order_id, sockopt=small) as slow:
        next_event(slow)
        web.post(f"/orders/{order_id}/chatter")
        slowest_s = 0.0
        for _ in range(20):
            began = time.monotonic()
            other_id = web.order()
            with web.follow(other_id) as friend:
                web.post(f"/orders/{other_id}/confirm")
                assert seqs(rest(friend)[0]) == [1, 2, 3, 4, 5]
            slowest_s = max(slowest_s, time.monotonic() - began)
        assert web.state()["closed"] == {"ended": 20}
    assert slowest_s < 5.0


@pytest.mark.parametrize("opcode", [websocket.ABNF.OPCODE_TEXT, websocket.ABNF.OPCODE_PING])
def test_many_small_messages_are_too_much_as_well(web: Web, opcode: int) -> None:
    with web.follow(web.order()) as client:
        assert next_event(client)["seq"] == 1
        with contextlib.suppress(OSError):
            for _ in range(BUDGET_FRAMES + 100):  # far below the budget of bytes
                client.send(b"", opcode)
        codes = [client.recv_data(control_frame=True)]
        while codes[-1][0] != websocket.ABNF.OPCODE_CLOSE:
            codes.append(client.recv_data(control_frame=True))
    assert codes[-1][1][:2] == struct.pack("!H", 1008)
    wait_until(web.is_idle)


def test_a_client_that_never_finishes_its_request_frees_its_thread(narrow_web: Web) -> None:
    web = narrow_web
    wait_until(web.is_idle)
    threads = web.state()["threads"]
    with contextlib.ExitStack() as stack:
        for _ in range(2 * threads):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", web.port)))
            client.sendall(b"GET /state HTTP/1.1\r\nHost:")
        assert web.state()["open"] == 0


def test_on_sigterm_clients_are_told_and_the_process_ends_without_a_failure_in_its_log(
    own_web: Callable[..., Web],
) -> None:
    web = own_web()
    with web.follow(web.order()) as gone:
        next_event(gone)
    wait_until(web.is_idle)
    order_id = web.order()
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(web.follow(order_id)) for _ in range(5)]
        for client in clients:
            next_event(client)
        began = time.monotonic()
        web.process.send_signal(signal.SIGTERM)
        with ThreadPoolExecutor(5) as threads:
            assert [code for _, code in threads.map(rest, clients)] == [1012] * 5
        assert web.process.wait(TIMEOUT_S) == 0
    assert time.monotonic() - began < stretched(5)
    lines = [json.loads(line) for line in web.log().splitlines()]
    assert any("Booting worker" in line["event"] for line in lines)
    assert {line["level"] for line in lines} <= {"info", "debug"}
    assert not list(web.folder.rglob("*.ctl"))
