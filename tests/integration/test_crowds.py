"""Many sockets that end at once, are refused at once, or lose a server, beside one that stays."""

import signal
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPResponse
from pathlib import Path

import pytest
import websocket

from harness.waiting import wait_until
from orderengine.api.updates.frames import close_frame
from orderengine.api.updates.loop import AT_ONCE
from orderengine.local.redis_server import EmbeddedRedis
from tests.integration.web_process import (
    KEY,
    TIMEOUT_S,
    Web,
    next_event,
    raw_handshake,
    rest,
    seqs,
)

CROWD = 2 * AT_ONCE + 20
STRANGERS = 150
REVOKED_WITHIN_S = 5.0
LEFT_WITHIN_S = 10.0
SETTINGS = {"AUTH": "required", "WS_MAX_SOCKETS": "400", "MAX_SOCKETS_PER_CLIENT": "400"}
SMALL = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)]


@pytest.fixture(scope="module")
def web(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with Web(redis_url, tmp_path_factory.mktemp("web"), **SETTINGS) as running:
        yield running


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    redis = EmbeddedRedis(tmp_path / "redis")
    redis.start()
    yield redis
    redis.stop()


def authorized(key: str) -> str:
    return f"{KEY}\r\nAuthorization: Bearer {key}"


def follow_as(web: Web, key: str, order_id: str, stack: ExitStack) -> websocket.WebSocket:
    header = {"Authorization": f"Bearer {key}"}
    return stack.enter_context(web.follow(order_id, header=header))


def code_at_the_end(client: socket.socket) -> int:
    """The code of the close frame with which all that comes ends."""
    read = bytearray()
    while data := client.recv(4096):
        read += data
    assert read[-4:-2] == close_frame(1000)[:2]
    (code,) = struct.unpack("!H", read[-2:])
    return int(code)


def test_a_revoked_key_ends_hundreds_of_sockets_in_time_and_no_other(web: Web) -> None:
    carol, dave = web.key("carol"), web.key("dave")
    crowd_order, order_id = web.order("carol"), web.order("dave")
    with ExitStack() as stack:
        friend = follow_as(web, dave["key"], order_id, stack)
        next_event(friend)
        crowd = [
            stack.enter_context(raw_handshake(web, crowd_order, authorized(carol["key"])))
            for _ in range(CROWD)
        ]
        wait_until(lambda: bool(web.state()["open"] == CROWD + 1))
        web.post(f"/keys/{carol['keyId']}/revoke")
        began = time.monotonic()
        assert {code_at_the_end(client) for client in crowd} == {1008}
        assert time.monotonic() - began < REVOKED_WITHIN_S
        web.post(f"/orders/{order_id}/confirm")
        texts, code = rest(friend)
        assert (seqs(texts), code) == ([2, 3, 4, 5], 1000)
    wait_until(web.is_idle)
    assert web.state()["closed"] == {"revoked": CROWD, "ended": 1}


def test_strangers_who_come_at_once_are_refused_and_hold_nothing(web: Web) -> None:
    erin = web.key("erin")
    order_id = web.order("erin")
    unknown = str(erin["key"])[:-4] + "xxxx"
    handshake = (
        f"GET /ws/orders?orderId={order_id} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
        f"Upgrade: websocket\r\n{authorized(unknown)}\r\n\r\n"
    ).encode()
    with ExitStack() as stack:
        friend = follow_as(web, erin["key"], order_id, stack)
        next_event(friend)
        address = ("127.0.0.1", web.port)
        strangers = [
            stack.enter_context(socket.create_connection(address, timeout=TIMEOUT_S))
            for _ in range(STRANGERS)
        ]
        for stranger in strangers:
            stranger.sendall(handshake)
        web.post(f"/orders/{order_id}/start")
        assert next_event(friend)["seq"] == 2
        assert {status_on(stranger) for stranger in strangers} == {401}
        assert web.state()["open"] == 1
    wait_until(web.is_idle)


def status_on(client: socket.socket) -> int:
    answer = HTTPResponse(client)
    answer.begin()
    return answer.status


def test_clients_that_read_nothing_do_not_hold_up_the_end(redis_url: str, tmp_path: Path) -> None:
    with Web(redis_url, tmp_path, TEST_SEND_TIMEOUT_S="600") as web, ExitStack() as stack:
        flooded, other = web.order(), web.order()
        deaf = [stack.enter_context(web.follow(flooded, sockopt=SMALL)) for _ in range(5)]
        for client in deaf:
            next_event(client)
        friend = stack.enter_context(web.follow(other))
        next_event(friend)
        web.post(f"/orders/{flooded}/flood")
        web.process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        assert rest(friend)[1] == 1012
        assert web.process.wait(TIMEOUT_S) == 0
        assert time.monotonic() - began < LEFT_WITHIN_S
        assert '"level": "error"' not in web.log()


def test_open_sockets_go_on_while_redis_is_away_and_when_it_is_back(
    own_redis: EmbeddedRedis, tmp_path: Path
) -> None:
    with Web(own_redis.url, tmp_path) as web:
        order_id, next_id = web.order(), web.order()
        with web.follow(order_id) as client, web.follow(next_id) as other:
            assert next_event(client)["seq"] == next_event(other)["seq"] == 1
            own_redis.kill()
            web.post(f"/orders/{order_id}/confirm")
            texts, code = rest(client)
            assert (seqs(texts), code) == ([2, 3, 4, 5], 1000)
            own_redis.start()
            web.post(f"/orders/{next_id}/confirm")
            texts, code = rest(other)
            assert (seqs(texts), code) == ([2, 3, 4, 5], 1000)
        wait_until(web.is_idle)
