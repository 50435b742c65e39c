"""The loop of a web worker, run turn by turn, with one connection of a client."""

import logging
import selectors
import socket
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager

from gunicorn.config import Config
from gunicorn.workers.gthread import TConn

from orderengine.webserver.problem_worker import ProblemWorker


class Pool:
    """A thread pool that only records the connections that it is given."""

    def __init__(self) -> None:
        self.given: list[TConn] = []

    def submit(self, _handle: object, conn: TConn) -> Future[bool]:
        self.given.append(conn)
        return Future()


class Loop:
    """A worker, and a connection that it has accepted."""

    def __init__(self, server: socket.socket, client: socket.socket) -> None:
        log = logging.getLogger("web_loop")
        self.worker = ProblemWorker(0, 0, [], None, 30, Config(), log)
        self.worker.poller = selectors.DefaultSelector()
        self.worker.tpool = Pool()
        self.worker.nr_conns = 1
        self.conn = TConn(self.worker.cfg, server, ("127.0.0.1", 1), ("127.0.0.1", 2))
        self.server, self.client = server, client

    def finish(self, *, kept: bool = False, cancelled: bool = False) -> None:
        """End a request as its thread does."""
        ended: Future[bool] = Future()
        if cancelled:
            ended.cancel()
        else:
            ended.set_result(kept)
        self.worker.finish_request(self.conn, ended)

    def turn(self) -> None:
        """Do what the loop does in one turn."""
        self.worker.wait_for_and_dispatch_events(0)
        self.worker.murder_keepalived()
        self.worker.murder_pending()

    @property
    def is_open(self) -> bool:
        return self.server.fileno() != -1

    def accepts(self) -> bool:
        """Whether it takes new connections."""
        return bool(self.worker._accepting)

    @property
    def threads(self) -> list[TConn]:
        """The connections that were given to threads."""
        given: list[TConn] = self.worker.tpool.given
        return given


@contextmanager
def web_loop(pair: tuple[socket.socket, socket.socket]) -> Iterator[Loop]:
    loop = Loop(*pair)
    yield loop
    loop.worker.poller.close()
    loop.worker.tmp.close()
