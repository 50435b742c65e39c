"""Closing a connection: its client gets some time, and nobody else waits meanwhile."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from orderengine.webserver.lingering_close_worker import LINGER_S, MAX_DRAINED_BYTES
from tests.web_loop import Loop, web_loop

ANSWER = b"the end of an answer"


@pytest.fixture
def loop(pair: tuple[socket.socket, socket.socket]) -> Iterator[Loop]:
    with web_loop(pair) as loop:
        yield loop


def test_a_client_reads_the_end_and_has_time_to_close(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    loop.server.sendall(ANSWER)
    loop.finish()
    loop.turn()
    assert loop.client.recv(100) == ANSWER
    assert loop.client.recv(100) == b""
    assert (loop.is_open, loop.worker.nr_conns) == (True, 1)
    loop.client.sendall(b"more")
    loop.turn()
    assert loop.is_open
    loop.client.close()
    loop.turn()
    assert (loop.is_open, loop.worker.nr_conns) == (False, 0)


def test_its_time_is_bounded(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    loop.finish()
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + LINGER_S * 0.9)
    loop.turn()
    assert loop.is_open
    monkeypatch.setattr(time, "monotonic", lambda: now + LINGER_S * 1.1)
    loop.turn()
    assert (loop.is_open, loop.worker.nr_conns) == (False, 0)
    assert len(loop.worker.poller.get_map()) == 0


def test_what_it_still_sends_is_bounded(loop: Loop) -> None:
    loop.finish()
    sent = 0
    loop.client.setblocking(False)
    while loop.is_open:
        sent += loop.client.send(b"x" * 1000)
        loop.turn()
        assert sent < MAX_DRAINED_BYTES + 1000
    assert (sent >= MAX_DRAINED_BYTES, loop.worker.nr_conns) == (True, 0)


def test_a_connection_that_its_handler_closed_is_counted_once(loop: Loop) -> None:
    loop.server.close()
    loop.finish()
    assert loop.worker.nr_conns == 0


def test_a_request_that_was_never_begun_ends_the_same_way(loop: Loop) -> None:
    loop.finish(cancelled=True)
    assert (loop.is_open, loop.client.recv(1)) == (True, b"")
    loop.client.close()
    loop.turn()
    assert (loop.is_open, loop.worker.nr_conns) == (False, 0)


def test_a_turn_without_news_reads_nothing(loop: Loop) -> None:
    loop.finish()
    loop.worker._drain(loop.conn, loop.server)
    assert (loop.is_open, loop.worker.nr_conns) == (True, 1)


def test_no_more_than_so_many_are_being_closed(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orderengine.webserver.lingering_close_worker.MAX_LINGERING", 0)
    loop.finish()
    loop.turn()
    assert not loop.is_open


def test_a_request_that_ended_its_thread_ends_its_connection_alone(loop: Loop) -> None:
    ended: Future[bool] = Future()
    ended.set_exception(SystemExit(1))
    loop.worker.finish_request(loop.conn, ended)
    assert loop.client.recv(1) == b""
    loop.client.close()
    loop.turn()
    assert (loop.is_open, loop.worker.nr_conns) == (False, 0)


@pytest.mark.parametrize("error", [KeyError, ValueError, OSError])
def test_a_connection_that_can_not_be_watched_is_closed_at_once(
    loop: Loop, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(loop.worker.poller, "register", refuse)
    loop.finish()
    assert (loop.is_open, loop.worker.nr_conns) == (False, 0)
    loop.turn()
