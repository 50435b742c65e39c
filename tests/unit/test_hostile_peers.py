"""Peers that break off, stop reading, or send in pieces: each ends alone, and frees all it held."""

import socket
import struct
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import pytest
from structlog.testing import capture_logs

from harness.waiting import wait_until
from orderengine.api.updates import connection
from orderengine.api.updates.connection import SocketEnd
from orderengine.api.updates.encoding import sent_event, text_frame
from orderengine.api.updates.event_stream import FIRST
from orderengine.api.updates.frames import close_frame
from orderengine.api.updates.loop import Wheel
from orderengine.api.updates.web_socket import PING
from orderengine.stream.messages import event_text
from tests.frames import CLOSE, CONTINUATION, PONG, TEXT, frame
from tests.loop_desk import PATIENT_S, Desk, deliver_until, desk, read_all, tcp_pair

__all__ = ["desk", "tcp_pair"]

CLOSED = struct.pack("ii", 1, 0)
"""Of SO_LINGER: a closed connection is reset."""


def test_a_stream_whose_client_stops_reading_ends_within_its_time(
    desk: Desk, tcp_pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "SEND_TIMEOUT_S", 0.2)
    server, client = tcp_pair
    follower, walk = desk.event_stream(server, b"head")
    told = deliver_until(lambda: bool(desk.account.ends), follower, walk)
    assert desk.account.ends == {SocketEnd.SLOW: 1}
    texts = b"".join(sent_event(event_text(event), event.seq) for event in told)
    read = read_all(client)
    assert (b"head" + FIRST + texts).startswith(read)
    assert len(read) > len(b"head" + FIRST)
    wait_until(lambda: desk.account.open == 0)


def test_a_client_that_resets_while_there_is_no_room_is_gone(
    desk: Desk, tcp_pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "SEND_TIMEOUT_S", PATIENT_S)
    server, client = tcp_pair
    follower, walk = desk.web_socket(server)
    deliver_until(lambda: follower.waiting >= 32, follower, walk)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, CLOSED)
    client.close()
    wait_until(lambda: desk.account.open == 0)
    assert desk.account.ends == {SocketEnd.GONE: 1}


def test_a_client_that_stops_within_a_frame_answers_no_ping_and_is_shown_out(
    desk: Desk, pair: tuple[socket.socket, socket.socket]
) -> None:
    desk.ping_s = 0.05
    server, client = pair
    desk.web_socket(server)
    client.sendall(frame(TEXT, b"hello")[:-2])
    assert read_all(client) == PING + close_frame(1008)


def test_the_pieces_of_a_message_count_together_although_pings_are_answered_between(
    desk: Desk, pair: tuple[socket.socket, socket.socket]
) -> None:
    desk.ping_s = 0.5
    server, client = pair
    desk.web_socket(server)
    for opcode in (TEXT, CONTINUATION, CONTINUATION):
        client.sendall(frame(opcode, b"x" * 300, fin=False))
        assert client.recv(len(PING)) == PING
        client.sendall(frame(PONG))
    client.sendall(frame(CONTINUATION, b"x" * 300, fin=False))
    assert read_all(client).removeprefix(PING) == close_frame(1009)


def failures(told: Sequence[Mapping[str, Any]]) -> int:
    """How often a step of a socket failed, says the log, to which others write too."""
    return [each["event"] for each in told].count("socket_failed")


def test_goodbyes_that_cross_each_other_end_a_socket_once(desk: Desk) -> None:
    with ExitStack() as open_pairs, capture_logs() as told:
        clients: list[socket.socket] = []
        for number in range(60):
            server, client = socket.socketpair()
            clients.append(open_pairs.enter_context(client))
            open_pairs.enter_context(server)
            follower, walk = desk.web_socket(server)
            walk.confirm()
            goodbye = frame(CLOSE, (1000).to_bytes(2))
            if number % 2:
                client.sendall(goodbye)
            for event in walk.events:
                follower.deliver(event)
            if not number % 2:
                client.sendall(goodbye)
        for client in clients:
            assert read_all(client).endswith(close_frame(1000))
        wait_until(lambda: desk.account.open == 0)
    assert desk.account.ends.total() == len(clients)
    assert set(desk.account.ends) <= {SocketEnd.ENDED, SocketEnd.GONE}
    assert failures(told) == 0


def test_an_event_that_can_not_be_told_ends_its_own_socket_alone(desk: Desk) -> None:
    def broken(text: str, seq: int | None) -> bytes:
        raise RuntimeError(text)

    with ExitStack() as open_pairs, capture_logs() as told:
        sockets = [open_pairs.enter_context(each) for each in (*_pair(), *_pair())]
        well, _ = desk.web_socket(sockets[0])
        desk.frame = broken
        ill, walk = desk.web_socket(sockets[2])
        for follower in (ill, well):
            for event in walk.events:
                follower.deliver(event)
        assert read_all(sockets[3]) == b""
        assert sockets[1].recv(4096) == text_frame(event_text(walk.first.event))
    assert failures(told) == 1


def _pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair()


class Restless:
    """A member of a wheel; its step fails if it is told to."""

    def __init__(self, *, fails: bool) -> None:
        self.fails = fails
        self.steps = 0
        self.is_abandoned = False

    def on_news(self) -> None:
        """Nothing."""

    def abandon(self) -> None:
        self.is_abandoned = True

    def step(self) -> None:
        self.steps += 1
        if self.fails:
            raise RuntimeError("a step that fails")


def test_a_wheel_goes_on_after_a_step_that_fails(desk: Desk) -> None:
    wheel = Wheel(desk.loop, 0.05)
    ill, well = Restless(fails=True), Restless(fails=False)

    def add_both() -> None:
        for each in (ill, well):
            wheel.add(each, each.step)

    with capture_logs() as told:
        desk.loop.call(add_both)
        wait_until(lambda: well.steps >= 2)
        desk.loop.close()
    assert ill.is_abandoned
    assert not well.is_abandoned
    assert failures(told) == ill.steps
