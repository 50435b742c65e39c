"""The socket of a WebSocket client: budgets for its input, and time limits for sending to it."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from orderengine.api.updates import guarded_socket
from orderengine.api.updates.frames import close_frame
from orderengine.api.updates.guarded_socket import (
    BUDGET_BYTES,
    BUDGET_FRAMES,
    Budget,
    GuardedSocket,
)
from tests.frames import frame


@dataclass
class Seconds:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def tcp_pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The server's and the client's end over TCP; the client has a small receive buffer."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(10)
        client.connect(listener.getsockname())
        server, _ = listener.accept()
        with server:
            yield server, client


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


def test_bytes_pass_both_ways(pair: tuple[socket.socket, socket.socket]) -> None:
    server, client = pair
    guarded = GuardedSocket(server)
    assert guarded.send(b"status") == 6
    assert client.recv(100) == b"status"
    client.sendall(b"hello")
    assert guarded.recv(100) == b"hello"
    assert not guarded.flooded


def test_beyond_the_budget_nothing_passes_any_more(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    server, client = pair
    guarded = GuardedSocket(server)
    client.sendall(b"x" * (BUDGET_BYTES + 5000))
    client.shutdown(socket.SHUT_WR)
    received = 0
    while data := guarded.recv(4096):
        received += len(data)
    assert received <= BUDGET_BYTES
    assert guarded.flooded


def test_a_client_that_reads_nothing_ends_its_own_connection(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarded_socket, "SEND_TIMEOUT_S", 1)
    server, _ = pair
    guarded = GuardedSocket(server)
    with pytest.raises(BlockingIOError):
        guarded.send(b"x" * 10_000_000)
    assert guarded.recv(1) == b""
    with pytest.raises(OSError, match="pipe"):
        guarded.send(b"half a frame is out: no other may follow")


def test_beyond_the_number_of_frames_nothing_passes_any_more(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    server, client = pair
    guarded = GuardedSocket(server)
    client.sendall(frame(0x9) * (BUDGET_FRAMES - 1))
    assert guarded.recv(BUDGET_BYTES)
    assert not guarded.flooded
    client.sendall(frame(0x9) * 100)
    client.shutdown(socket.SHUT_WR)
    assert guarded.recv(BUDGET_BYTES) == b""
    assert guarded.flooded


def test_a_client_without_room_for_another_frame_is_told_to_come_back_later(
    tcp_pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarded_socket, "SEND_TIMEOUT_S", 1)
    server, client = tcp_pair
    guarded = GuardedSocket(server)
    sent = _send_until_it_gives_up(guarded)
    assert guarded.slow
    assert _read_all(client) == b"x" * sent + close_frame(1013)


def _send_until_it_gives_up(guarded: GuardedSocket) -> int:
    sent = 0
    while True:
        try:
            sent += guarded.send(b"x" * 1000)
        except BlockingIOError:
            return sent


def _read_all(client: socket.socket) -> bytes:
    read = bytearray()
    while data := client.recv(4096):
        read += data
    return bytes(read)


def test_a_client_that_reads_slowly_but_in_time_stays(
    tcp_pair: tuple[socket.socket, socket.socket],
) -> None:
    server, client = tcp_pair
    guarded = GuardedSocket(server)
    with ThreadPoolExecutor(1) as threads:
        reading = threads.submit(_read_all, client)
        guarded.send(b"x" * 3_000_000)
        assert not guarded.slow
        guarded.close()
        assert len(reading.result()) == 3_000_000


def test_it_may_be_closed_twice_and_by_either_side_first(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    server, client = pair
    guarded = GuardedSocket(server)
    client.close()
    guarded.close()
    guarded.close()
    assert server.fileno() >= 0, "the descriptor belongs to the server"
