"""How a connection is closed: its client gets some time, and nobody else waits meanwhile."""

import errno
import logging
import selectors
import socket
import time
from collections.abc import Iterator
from concurrent.futures import Future

import pytest
from gunicorn.config import Config
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, TConn

from orderengine.api.closing import LINGER_S, MAX_DRAINED_BYTES, PAUSE_S, ClosingWorker

ANSWER = b"the end of an answer"


class Loop:
    """A worker's loop, turned by hand, with one connection that has had its last answer."""

    def __init__(self, server: socket.socket, client: socket.socket) -> None:
        self.worker = ClosingWorker(0, 0, [], None, 30, Config(), logging.getLogger("closing"))
        self.worker.poller = selectors.DefaultSelector()
        self.worker.nr_conns = 1
        self.conn = TConn(self.worker.cfg, server, ("127.0.0.1", 1), ("127.0.0.1", 2))
        self.server, self.client = server, client

    def finish(self, *, cancelled: bool = False) -> None:
        ended: Future[bool] = Future()
        if cancelled:
            ended.cancel()
        else:
            ended.set_result(False)
        self.worker.finish_request(self.conn, ended)

    def turn(self) -> None:
        self.worker.wait_for_and_dispatch_events(0)
        self.worker.murder_keepalived()
        self.worker.murder_pending()

    @property
    def is_open(self) -> bool:
        return self.server.fileno() != -1


@pytest.fixture
def loop(pair: tuple[socket.socket, socket.socket]) -> Iterator[Loop]:
    loop = Loop(*pair)
    yield loop
    loop.worker.poller.close()
    loop.worker.tmp.close()


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


def test_the_oldest_makes_room_where_all_connections_are_taken(loop: Loop) -> None:
    loop.worker.worker_connections = 1
    loop.finish()
    loop.turn()
    assert (loop.is_open, loop.worker.nr_conns) == (False, 0)


def test_no_more_than_so_many_are_being_closed(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orderengine.api.closing.MAX_CLOSING", 0)
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


def test_a_new_client_takes_a_thread_when_it_speaks(loop: Loop) -> None:
    threads: list[TConn] = []
    loop.worker.tpool = Pool(threads)
    loop.worker.enqueue_req(loop.conn)
    loop.turn()
    assert threads == []
    loop.client.sendall(b"G")
    loop.turn()
    assert threads == [loop.conn]


class Pool:
    """Threads, of which it is only told what they would do."""

    def __init__(self, given: list[TConn]) -> None:
        self._given = given

    def submit(self, _handle: object, conn: TConn) -> Future[bool]:
        self._given.append(conn)
        return Future()


@pytest.mark.parametrize("kind", ["pending_conns", "keepalived_conns"])
def test_a_silent_client_makes_room_where_all_connections_are_taken(loop: Loop, kind: str) -> None:
    loop.conn.set_timeout()
    getattr(loop.worker, kind).append(loop.conn)
    loop.turn()
    assert loop.is_open
    loop.worker.worker_connections = 1
    loop.turn()
    assert (loop.is_open, loop.worker.nr_conns) == (False, 0)


def test_a_silent_client_does_not_put_off_the_end(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    loop.worker.enqueue_req(loop.conn)
    loop.worker.alive = False
    loop.turn()
    assert loop.is_open
    monkeypatch.setattr(time, "monotonic", lambda: now + STOP_KEEPALIVE_LINGER)
    loop.turn()
    assert (loop.is_open, loop.worker.nr_conns) == (False, 0)


class Exhausted:
    """A listener of a system that has no descriptor left."""

    def __init__(self, code: int) -> None:
        self.code = code

    def accept(self) -> None:
        raise OSError(self.code, "no")


def test_a_system_without_descriptors_stops_new_connections_for_a_moment(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        loop.worker.sockets = [listener]
        loop.worker.set_accept_enabled(True)
        loop.finish()
        now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now)
        loop.worker.accept(Exhausted(errno.EMFILE))
        assert loop.is_open
        loop.turn()
        assert (loop.is_open, loop.worker._accepting) == (False, False)
        loop.worker.set_accept_enabled(True)
        assert not loop.worker._accepting
        monkeypatch.setattr(time, "monotonic", lambda: now + PAUSE_S)
        loop.worker.set_accept_enabled(True)
        assert loop.worker._accepting


def test_another_failure_to_accept_is_not_hidden(loop: Loop) -> None:
    with pytest.raises(OSError, match="no"):
        loop.worker.accept(Exhausted(errno.EBADF))
