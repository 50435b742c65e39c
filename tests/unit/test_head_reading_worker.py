"""A request gets a thread once its head is complete, and a time limit for each part."""

import socket
import time
from collections.abc import Iterator

import pytest
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER

from orderengine.webserver.head_reading_worker import (
    MAX_HEAD_BYTES,
    MAX_LINE_BYTES,
    REQUEST_TIMEOUT_S,
    RequestTimedOut,
    TimedUnreader,
)
from tests.web_loop import Loop, web_loop

HEAD = b"POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n"
BODY = b"body"


@pytest.fixture
def loop(pair: tuple[socket.socket, socket.socket]) -> Iterator[Loop]:
    with web_loop(pair) as loop:
        loop.worker.enqueue_req(loop.conn)
        yield loop


def served(loop: Loop) -> tuple[str, bytes]:
    """Path and body of the last request that was given to a thread."""
    request = next(loop.threads.pop().parser)
    return request.path, request.body.read()


def test_a_head_in_parts_takes_a_thread_when_it_is_whole(loop: Loop) -> None:
    for byte in HEAD[:-1]:
        loop.client.sendall(bytes([byte]))
        loop.turn()
    assert loop.threads == []
    loop.client.sendall(HEAD[-1:] + BODY)
    loop.turn()
    assert served(loop) == ("/a", BODY)
    assert len(loop.worker.poller.get_map()) == 0


def test_a_body_that_comes_later_is_read_by_the_thread(loop: Loop) -> None:
    loop.client.sendall(HEAD)
    loop.turn()
    loop.client.sendall(BODY)
    assert served(loop) == ("/a", BODY)


def test_requests_that_come_together_are_served_one_after_the_other(loop: Loop) -> None:
    second = HEAD.replace(b"/a", b"/b")
    loop.client.sendall(HEAD + BODY + second + BODY + second[:9])
    loop.turn()
    assert served(loop) == ("/a", BODY)
    loop.finish(kept=True)
    assert served(loop) == ("/b", BODY)
    loop.finish(kept=True)
    assert loop.threads == []
    loop.client.sendall(second[9:] + BODY)
    loop.turn()
    assert served(loop) == ("/b", BODY)


def test_a_client_that_is_kept_speaks_again(loop: Loop) -> None:
    for _ in range(3):
        loop.client.sendall(HEAD + BODY)
        loop.turn()
        assert served(loop) == ("/a", BODY)
        loop.finish(kept=True)
        loop.turn()
        assert loop.threads == []
    assert (loop.is_open, loop.worker.nr_conns) == (True, 1)


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /" + b"a" * MAX_LINE_BYTES,
        b"\r\nGET /" + b"a" * MAX_LINE_BYTES,
        b"GET / HTTP/1.1\n",
        b"GET / HTTP/1.1\r\nHost: a\n\r\n",
        b"a\r\n\r\n",
    ],
    ids=["a long line", "one after an empty one", "a mere LF", "one in a header", "one word"],
)
def test_what_a_parser_refuses_at_once_is_given_to_it(loop: Loop, sent: bytes) -> None:
    loop.client.sendall(sent)
    loop.turn()
    assert loop.threads == [loop.conn]


@pytest.mark.parametrize("end", [b"", b"\r\n"], ids=["without an end", "with an end"])
@pytest.mark.parametrize("part", [4096, 10_000, 16_384])
def test_a_head_is_refused_when_it_is_too_large(loop: Loop, part: int, end: bytes) -> None:
    sent = b"GET / HTTP/1.1\r\n" + b"X: 1\r\n" * (MAX_HEAD_BYTES // 6 + 1) + end
    for start in range(0, len(sent), part):
        loop.client.sendall(sent[start : start + part])
        loop.turn()
    assert loop.client.recv(100).startswith(b"HTTP/1.1 431 ")
    assert loop.threads == []
    loop.client.close()
    loop.turn()
    assert (loop.is_open, loop.worker.nr_conns) == (False, 0)


@pytest.mark.parametrize("sent", [b"", b"GET /"])
def test_a_client_that_leaves_before_is_let_go(loop: Loop, sent: bytes) -> None:
    loop.client.sendall(sent)
    loop.turn()
    loop.client.close()
    loop.turn()
    assert (loop.is_open, loop.worker.nr_conns, loop.threads) == (False, 0, [])
    loop.turn()


def test_a_head_that_does_not_come_in_time_is_refused(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    loop.client.sendall(b"GET /")
    loop.turn()
    monkeypatch.setattr(time, "monotonic", lambda: now + REQUEST_TIMEOUT_S * 0.9)
    loop.client.sendall(b"a")
    loop.turn()
    assert loop.worker._begun
    monkeypatch.setattr(time, "monotonic", lambda: now + REQUEST_TIMEOUT_S)
    loop.client.sendall(b"b")
    loop.turn()
    assert loop.client.recv(1000).startswith(b"HTTP/1.1 408 ")
    assert loop.client.recv(1) == b""
    loop.client.close()
    loop.turn()
    assert (loop.is_open, loop.worker.nr_conns, loop.threads) == (False, 0, [])


@pytest.mark.parametrize("sent", [b"", b"GET /"])
def test_a_client_that_sends_no_request_does_not_put_off_the_end(
    loop: Loop, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    loop.client.sendall(sent)
    loop.turn()
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    loop.worker.alive = False
    loop.turn()
    assert loop.is_open
    monkeypatch.setattr(time, "monotonic", lambda: now + STOP_KEEPALIVE_LINGER)
    loop.turn()
    assert not loop.worker.pending_conns
    assert not loop.worker._begun


def test_an_empty_line_is_no_request(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    loop.client.sendall(b"\r\n")
    loop.turn()
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + REQUEST_TIMEOUT_S)
    loop.turn()
    assert loop.client.recv(1) == b""
    assert (loop.is_open, loop.worker.nr_conns) == (False, 0)


def test_an_empty_line_before_a_request_is_passed_over(loop: Loop) -> None:
    loop.client.sendall(b"\r\n" + HEAD[:9])
    loop.turn()
    loop.client.sendall(HEAD[9:] + BODY)
    loop.turn()
    assert served(loop) == ("/a", BODY)


@pytest.mark.parametrize("error", [KeyError, ValueError, OSError])
@pytest.mark.parametrize("sent", [b"", HEAD[:9]], ids=["silent", "begun"])
def test_a_connection_that_can_not_be_watched_is_let_go(
    pair: tuple[socket.socket, socket.socket],
    monkeypatch: pytest.MonkeyPatch,
    sent: bytes,
    error: type[Exception],
) -> None:
    def refuse(*_: object) -> None:
        raise error

    with web_loop(pair) as loop:
        if sent:
            loop.worker.enqueue_req(loop.conn)
            loop.client.sendall(sent)
        monkeypatch.setattr(loop.worker.poller, "register", refuse)
        if not sent:
            loop.worker.enqueue_req(loop.conn)
        loop.turn()
        assert (loop.is_open, loop.worker.nr_conns) == (False, 0)
        assert loop.worker.longest_idle() == {}
        loop.turn()


def test_a_request_for_which_there_is_no_thread_ends_its_connection_alone(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(loop.worker.tpool, "submit", refuse)
    loop.client.sendall(HEAD)
    loop.turn()
    assert (loop.is_open, loop.worker.nr_conns) == (False, 0)
    loop.turn()


def test_a_body_has_its_time_too(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    loop.conn.init()
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    unreader = TimedUnreader(loop.server, loop.conn.parser)
    unreader.begin()
    monkeypatch.setattr(time, "monotonic", lambda: now + REQUEST_TIMEOUT_S * 0.9)
    loop.client.sendall(b"abc")
    assert unreader.read() == b"abc"
    monkeypatch.setattr(time, "monotonic", lambda: now + REQUEST_TIMEOUT_S)
    loop.client.sendall(b"def")
    with pytest.raises(RequestTimedOut, match="10 s"):
        unreader.read()
    unreader.begin()
    assert unreader.read() == b"def"


def test_each_wait_for_it_is_bounded_by_the_socket(loop: Loop) -> None:
    loop.conn.init()
    loop.server.settimeout(0)
    with pytest.raises(RequestTimedOut):
        TimedUnreader(loop.server, loop.conn.parser).read()
