"""The WebSocket of one client in the loop: budgets, frames, and time limits for sending to it."""

import gc
import socket
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from harness.waiting import wait_until
from orderengine.api.updates import connection
from orderengine.api.updates.budget import BUDGET_BYTES, BUDGET_FRAMES, Budget
from orderengine.api.updates.connection import SocketEnd
from orderengine.api.updates.encoding import Encoder, text_frame
from orderengine.api.updates.frames import close_frame
from orderengine.api.updates.web_socket import PING
from orderengine.stream.follower import Follower
from orderengine.stream.messages import event_text
from tests.fakes import FakeOrders
from tests.frames import frame
from tests.loop_desk import PATIENT_S, Desk, deliver_until, desk, nothing, read_all, tcp_pair
from tests.steps import FAIL, Walk

__all__ = ["desk", "tcp_pair"]


@dataclass
class Seconds:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_budget_allows_a_burst_and_then_a_trickle() -> None:
    seconds = Seconds()
    budget = Budget(burst=100, per_s=10, clock=seconds)
    assert budget.spend(100)
    assert not budget.spend(1)
    seconds.now += 1.0
    assert budget.spend(9)
    assert not budget.spend(1)


def test_a_budget_that_is_not_used_does_not_grow() -> None:
    seconds = Seconds()
    budget = Budget(burst=100, per_s=10, clock=seconds)
    seconds.now += 3600
    assert budget.spend(100)
    assert not budget.spend(1)


def test_each_event_is_a_frame_and_the_last_one_ends_it(
    desk: Desk, pair: tuple[socket.socket, socket.socket]
) -> None:
    server, client = pair
    follower, walk = desk.web_socket(server)
    walk.confirm()
    for event in walk.events:
        follower.deliver(event)
    expected = b"".join(text_frame(event_text(event)) for event in walk.events)
    assert read_all(client) == expected + close_frame(1000)
    client.close()
    wait_until(lambda: desk.account.open == 0)
    assert desk.account.ends == {SocketEnd.ENDED: 1}


def test_after_the_last_event_the_connection_stays_until_the_client_has_answered(
    desk: Desk, pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy may end both directions at once, and the goodbye would be lost."""
    monkeypatch.setattr(connection, "CLOSE_TIMEOUT_S", PATIENT_S)
    server, client = pair
    follower, walk = desk.web_socket(server)
    walk.confirm()
    for event in walk.events:
        follower.deliver(event)
    goodbye, told = close_frame(1000), b""
    while not told.endswith(goodbye):
        told += client.recv(4096)
    client.settimeout(0.2)
    with pytest.raises(TimeoutError):
        client.recv(1)
    client.sendall(frame(0x9, b"late") + frame(0x8, (1000).to_bytes(2)))
    client.settimeout(10)
    assert client.recv(1) == b""
    wait_until(lambda: desk.account.open == 0)


def test_what_a_client_sends_is_answered_or_ignored(
    desk: Desk, pair: tuple[socket.socket, socket.socket]
) -> None:
    server, client = pair
    desk.web_socket(server)
    client.sendall(frame(0x1, b"hello") + frame(0x9, b"there?"))
    assert client.recv(100) == b"\x8a\x06there?"
    client.sendall(frame(0x8, (1000).to_bytes(2)))
    assert read_all(client) == close_frame(1000)
    client.close()
    wait_until(lambda: desk.account.open == 0)
    assert desk.account.ends == {SocketEnd.GONE: 1}


@pytest.mark.parametrize(
    "last",
    [
        pytest.param(b"", id="silent"),
        pytest.param(frame(0x9, b"there?"), id="after a ping"),
        pytest.param(b"\x81", id="within a frame"),
    ],
)
def test_a_closed_socket_leaves_memory_without_a_collection_of_garbage(
    desk: Desk, pair: tuple[socket.socket, socket.socket], last: bytes
) -> None:
    server, client = pair
    gc.disable()
    try:
        follower = weakref.ref(desk.web_socket(server)[0])
        client.sendall(last)
        client.close()
        wait_until(lambda: desk.account.open == 0 and bool(desk.account.ends))
        wait_until(lambda: follower() is None)
    finally:
        gc.enable()


@pytest.mark.parametrize(
    "sent", [frame(0x1, b"x" * 1000) * (BUDGET_BYTES // 1000 + 1), frame(0x9) * (BUDGET_FRAMES + 1)]
)
def test_beyond_the_budgets_a_client_is_shown_out(
    desk: Desk, pair: tuple[socket.socket, socket.socket], sent: bytes
) -> None:
    server, client = pair
    desk.web_socket(server)
    client.sendall(sent)
    assert read_all(client).endswith(close_frame(1008))
    client.close()
    wait_until(lambda: desk.account.open == 0)
    assert desk.account.ends == {SocketEnd.FLOODED: 1}


def test_a_client_that_answers_no_ping_is_shown_out(
    desk: Desk, pair: tuple[socket.socket, socket.socket]
) -> None:
    desk.ping_s = 0.05
    server, client = pair
    desk.web_socket(server)
    assert read_all(client) == PING + close_frame(1008)


def test_a_client_that_answers_pings_stays_however_its_answers_come(
    desk: Desk, pair: tuple[socket.socket, socket.socket]
) -> None:
    desk.ping_s = 0.5
    server, client = pair
    desk.web_socket(server)
    pong = frame(0xA)
    for pieces in ([pong], [pong[:1], pong[1:]], [frame(0x1, b"hi") + pong], [frame(0xA, b"x")]):
        assert client.recv(2) == PING
        for piece in pieces:
            client.sendall(piece)
    client.sendall(frame(0x1, b"h", fin=False))  # a pong may come within a message
    client.sendall(pong)
    assert client.recv(2) == PING
    assert not desk.account.ends


def test_a_client_without_room_for_another_frame_is_told_to_come_back_later(
    desk: Desk,
    tcp_pair: tuple[socket.socket, socket.socket],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "SEND_TIMEOUT_S", 0.2)
    server, client = tcp_pair
    follower, walk = desk.web_socket(server)
    told = deliver_until(lambda: bool(desk.account.ends), follower, walk)
    assert desk.account.ends == {SocketEnd.SLOW: 1}
    read = read_all(client)
    assert read.endswith(close_frame(1013))
    sent = b"".join(text_frame(event_text(event)) for event in told)
    assert sent.startswith(read.removesuffix(close_frame(1013)))


def test_a_client_that_reads_slowly_but_in_time_stays(
    desk: Desk, tcp_pair: tuple[socket.socket, socket.socket]
) -> None:
    server, client = tcp_pair
    follower, walk = desk.web_socket(server)
    with ThreadPoolExecutor(1) as threads:
        reading = threads.submit(read_all, client)
        told = deliver_until(lambda: len(walk.events) > 3000, follower, walk)
        wait_until(lambda: follower.waiting == 0)
        walk.step(FAIL)
        follower.deliver(walk.moved.event)
        read = reading.result()
    assert read.count(b'"seq":') == len(told) + 1
    assert desk.account.ends == {SocketEnd.ENDED: 1}


def test_an_event_is_encoded_once_for_all_its_followers() -> None:
    calls: list[str] = []

    def counted(text: str, seq: int | None) -> bytes:
        calls.append(text)
        return text_frame(text, seq)

    walk = Walk(FakeOrders())
    encoder = Encoder(counted)
    for _ in range(5):
        follower = Follower(walk.order_id, 0, 64, nothing, nothing)
        follower.deliver(walk.first.event)
        assert encoder.batch(follower, 0.0).data == text_frame(event_text(walk.first.event))
    assert len(calls) == 1
