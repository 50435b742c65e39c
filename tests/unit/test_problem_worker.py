"""The server's own answers: always a problem document, never an error of its own."""

import contextlib
import inspect
import logging
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http import errors
from gunicorn.http.errors import InvalidRequestLine, InvalidResponseHeader, ParseException

from orderengine.webserver.problem_worker import ProblemWorker, problem_for

PEER = ("127.0.0.1", 1)
KINDS = [
    each
    for _, each in inspect.getmembers(errors, inspect.isclass)
    if issubclass(each, ParseException) and "Response" not in each.__name__
]


@pytest.fixture
def worker() -> Iterator[ProblemWorker]:
    made = ProblemWorker(0, 0, [], None, 30, Config(), logging.getLogger("refusals"))
    yield made
    made.tmp.close()


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_is_wrong_with_a_request_is_no_defect_of_the_service(
    kind: Any,
) -> None:
    answer = problem_for(kind.__new__(kind))
    assert answer.content_type == "application/problem+json"
    assert answer.status_code in {400, 414, 417, 431, 501, 505}


@pytest.mark.parametrize("error", [RuntimeError("hunter2"), InvalidResponseHeader("hunter2")])
def test_a_defect_is_logged_and_answered_without_detail(
    worker: ProblemWorker,
    pair: tuple[socket.socket, socket.socket],
    error: Exception,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server, client = pair
    worker.handle_error(None, server, PEER, error)
    answer = client.recv(4096)
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert b'"code":"INTERNAL_ERROR"' in answer
    assert b"hunter2" not in answer
    assert [line.levelname for line in caplog.records] == ["ERROR"]


def test_a_client_that_has_left_is_no_error(
    worker: ProblemWorker,
    pair: tuple[socket.socket, socket.socket],
    caplog: pytest.LogCaptureFixture,
) -> None:
    server, client = pair
    client.close()
    worker.handle_error(None, server, PEER, InvalidRequestLine("x"))
    server.close()
    worker.handle_error(None, server, PEER, InvalidRequestLine("x"))
    assert [line.levelname for line in caplog.records] == ["WARNING"] * 2


def test_a_client_that_reads_nothing_holds_nobody_up(
    worker: ProblemWorker,
    pair: tuple[socket.socket, socket.socket],
    caplog: pytest.LogCaptureFixture,
) -> None:
    server, _ = pair
    server.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while server.send(b"x" * 4096):
            pass
    server.setblocking(True)
    with caplog.at_level(logging.DEBUG):
        worker.handle_error(None, server, PEER, InvalidRequestLine("x"))
    assert "Failed to send a refusal" in caplog.text
