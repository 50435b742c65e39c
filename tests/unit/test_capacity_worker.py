"""If there is no room for another connection, the longest idle ones are closed."""

import errno
import socket
import time
from collections.abc import Iterator

import pytest

from orderengine.webserver.capacity_worker import FAIR_S, NARROW_S, PAUSE_S, RESERVE
from tests.web_loop import Loop, web_loop


class Clock:
    """A monotonic clock that stands still."""

    def __init__(self) -> None:
        self.now = time.monotonic()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


@pytest.fixture
def loop(clock: Clock, pair: tuple[socket.socket, socket.socket]) -> Iterator[Loop]:
    with web_loop(pair) as loop:
        loop.worker.worker_connections = 1
        yield loop


def is_silent(loop: Loop) -> None:
    loop.worker.enqueue_req(loop.conn)


def is_kept(loop: Loop) -> None:
    loop.conn.init()
    loop.finish(kept=True)


def has_begun(loop: Loop) -> None:
    is_silent(loop)
    loop.client.sendall(b"GET")
    loop.turn()


def is_ending(loop: Loop) -> None:
    loop.finish()


@pytest.mark.parametrize("state", [is_silent, is_kept, has_begun, is_ending])
def test_who_was_silent_for_a_while_makes_room(loop: Loop, clock: Clock, state: object) -> None:
    assert callable(state)
    state(loop)
    clock.now += FAIR_S * 0.9
    loop.turn()
    assert (loop.is_open, loop.worker.nr_conns) == (True, 1)
    clock.now += FAIR_S * 0.2
    loop.turn()
    assert (loop.is_open, loop.worker.nr_conns) == (False, 0)
    assert len(loop.worker.poller.get_map()) == 0
    assert loop.worker.longest_idle() == {}


@pytest.mark.parametrize("state", [is_silent, is_kept, has_begun, is_ending])
def test_where_there_is_room_nobody_has_to(loop: Loop, clock: Clock, state: object) -> None:
    assert callable(state)
    loop.worker.worker_connections = 2
    state(loop)
    clock.now += FAIR_S * 1.5
    loop.turn()
    assert loop.is_open


def test_it_is_the_one_that_was_silent_for_longest(loop: Loop, clock: Clock) -> None:
    is_kept(loop)
    clock.now += 0.5
    server, client = socket.socketpair()
    with server, client, web_loop((server, client)) as other:
        loop.worker.enqueue_req(other.conn)
        loop.worker.nr_conns = 2
        loop.worker.worker_connections = 2
        clock.now += FAIR_S * 1.2
        loop.turn()
        assert (loop.is_open, other.is_open, loop.worker.nr_conns) == (False, True, 1)


def test_a_process_that_stops_lets_nobody_go_for_it(loop: Loop, clock: Clock) -> None:
    is_silent(loop)
    clock.now += FAIR_S * 1.5
    loop.worker.alive = False
    loop.turn()
    assert loop.is_open


class Exhausted:
    """A listener on a system without free descriptors."""

    def __init__(self, code: int) -> None:
        self.code = code

    def accept(self) -> None:
        raise OSError(self.code, "no")


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_a_system_without_descriptors_has_fewer_connections_for_a_while(
    loop: Loop, clock: Clock, code: int
) -> None:
    worker = loop.worker
    whole = worker.worker_connections = worker._capacity
    is_silent(loop)
    clock.now += FAIR_S * 1.5
    with socket.create_server(("127.0.0.1", 0)) as listener:
        worker.sockets = [listener]
        worker.set_accept_enabled(True)
        worker.accept(Exhausted(code))
        assert (worker.worker_connections, loop.accepts()) == (1, False)
        assert loop.is_open  # the loop may be about to handle its event
        loop.turn()
        assert (loop.is_open, worker.nr_conns) == (False, 0)
        worker.set_accept_enabled(True)
        assert not loop.accepts()
        clock.now += PAUSE_S
        worker.set_accept_enabled(True)
        assert loop.accepts()
    clock.now += NARROW_S - PAUSE_S - 0.1
    loop.turn()
    assert worker.worker_connections == 1
    clock.now += 0.2
    loop.turn()
    assert worker.worker_connections == whole


def test_no_fewer_than_can_be_let_go_and_no_fewer_than_the_reserve(loop: Loop) -> None:
    loop.worker.nr_conns = 300  # all of them in threads
    loop.worker.accept(Exhausted(errno.EMFILE))
    assert loop.worker.worker_connections == 301
    loop.worker.keepalived_conns.extend([loop.conn] * 100)
    loop.worker.accept(Exhausted(errno.EMFILE))
    assert loop.worker.worker_connections == 301 - RESERVE
    loop.worker.keepalived_conns.clear()


def test_a_connection_that_was_lost_before_is_no_failure(loop: Loop) -> None:
    loop.worker.accept(Exhausted(errno.EPROTO))
    assert loop.worker.worker_connections == 1


def test_another_failure_to_accept_is_not_hidden(loop: Loop) -> None:
    with pytest.raises(OSError, match="no"):
        loop.worker.accept(Exhausted(errno.EBADF))
