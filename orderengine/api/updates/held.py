"""Answers that are held until their orders have ended, without a thread."""

import socket
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any
from uuid import UUID

from flask import Response, current_app

from orderengine.api.updates.connection import Batch, Connection, Keeper, SocketEnd, SocketKind
from orderengine.api.updates.loop import Loop
from orderengine.api.updates.prefer_wait import EXTENSION, Ended, HeldAnswers
from orderengine.api.updates.takeover import raw_head, taken_from
from orderengine.domain.access import Caller
from orderengine.domain.order import Order

NOBODY = Caller("")
"""Nothing is kept of an answer, so the caller does not matter."""


class Answer(Connection):
    """Sends an answer and nothing else."""

    kind = SocketKind.WAIT

    def __init__(self, loop: Loop, keeper: Keeper, sock: socket.socket, data: bytes) -> None:
        super().__init__(loop, keeper, sock, NOBODY)
        self._data = data

    def next_batch(self) -> Batch:
        """The answer, once."""
        data, self._data = self._data, b""
        return Batch(data)

    def goodbye(self, end: SocketEnd) -> bytes:  # noqa: ARG002 - an answer has a length
        """Nothing."""
        return b""

    def receive(self, data: bytes) -> None:
        """Discard it."""


class Held(Response):
    """Is sent once its order has ended, or when the time is up; `complete` makes it tell the end.

    From a server that does not give its connection away, it holds the thread.
    """

    waits: HeldAnswers
    ended: Ended
    complete: Callable[[Response, Order], None]

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer later over the connection, and leave the server nothing to do."""
        sock = taken_from(environ)
        if sock is None:
            self._complete(self.ended)
            return super().__call__(environ, start_response)
        self.ended.add_done_callback(partial(self._send, sock))
        raise StopIteration  # closes the connection, says gunicorn: but it has none any more

    def _complete(self, ended: Ended) -> None:
        order = ended.result()
        if order is not None:
            self.complete(self, order)

    def _send(self, sock: socket.socket, ended: Ended) -> None:
        self._complete(ended)
        data = raw_head(self) + self.get_data()
        self.waits.answer(Answer(self.waits.loop, self.waits, sock, data))


def hold(
    answer: Response,
    complete: Callable[[Response, Order], None],
    order_id: UUID,
    wait_s: float,
    after: int = 0,
) -> Response:
    """Hold an answer until an order has ended; it is sent as it is if that takes longer.

    It is not held if too many wait already.
    """
    waits: HeldAnswers = current_app.extensions[EXTENSION]
    ended = waits.begin(order_id, wait_s, after)
    if ended is None:
        return answer
    held = Held(answer.get_data(), answer.status, answer.headers)
    held.waits, held.ended, held.complete = waits, ended, complete
    return held
