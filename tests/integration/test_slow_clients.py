"""Clients that send little, or nothing, keep nobody else out."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPResponse
from pathlib import Path

import pytest

from harness.waiting import wait_until
from orderengine.webserver.capacity_worker import HTTP_THREADS
from tests.integration.web_process import TIMEOUT_S, Web

THREADS = HTTP_THREADS
SETTINGS = {"WS_MAX_SOCKETS": "1", "TEST_REQUEST_TIMEOUT_S": "2"}
PATIENT = {**SETTINGS, "TEST_REQUEST_TIMEOUT_S": "60"}
HEAD = b"POST /body HTTP/1.1\r\nHost: localhost\r\n"
BODY = b"some text"
HEAD_OF_BODY = HEAD + b"Content-Type: application/json\r\nContent-Length: 9\r\n\r\n"


class NarrowWeb(Web):
    """A process with room for one connection more than it has threads."""

    files = THREADS + 40


class NarrowerWeb(Web):
    """A process without enough descriptors for its connections."""

    files = THREADS + 8


@pytest.fixture(scope="module")
def web(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with Web(redis_url, tmp_path_factory.mktemp("web"), **SETTINGS) as running:
        yield running


@pytest.fixture(scope="module")
def patient_web(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with Web(redis_url, tmp_path_factory.mktemp("patient"), **PATIENT) as running:
        yield running


def connected(web: Web) -> socket.socket:
    return socket.create_connection(("127.0.0.1", web.port), timeout=TIMEOUT_S)


def status_of(client: socket.socket) -> int:
    answer = HTTPResponse(client)
    answer.begin()
    return answer.status


@pytest.mark.parametrize("sent", [b"", HEAD], ids=["silent", "a head without an end"])
def test_who_has_not_sent_a_head_takes_no_thread(patient_web: Web, sent: bytes) -> None:
    """There are more such clients than threads."""
    with ExitStack() as open_clients:
        for _ in range(2 * THREADS):
            open_clients.enter_context(connected(patient_web)).sendall(sent)
        assert patient_web.state()["open"] == 0


def test_a_head_that_comes_by_and_by_is_refused_in_the_end(web: Web) -> None:
    with connected(web) as client:
        client.sendall(HEAD)
        client.settimeout(0.1)

        def is_refused() -> bool:
            client.sendall(b"a")
            try:
                return client.recv(1, socket.MSG_PEEK) == b"H"
            except TimeoutError:
                return False

        wait_until(is_refused)
        assert status_of(client) == 408
    assert "Traceback" not in web.log()


def test_a_body_that_does_not_come_frees_its_thread(web: Web) -> None:
    with ExitStack() as open_clients:
        clients = [open_clients.enter_context(connected(web)) for _ in range(THREADS + 5)]
        for client in clients:
            client.sendall(HEAD_OF_BODY)
        assert web.state()["open"] == 0
        answer = HTTPResponse(clients[0])
        answer.begin()
        assert (answer.status, answer.headers["Connection"]) == (408, "close")
    assert "Traceback" not in web.log()


def test_an_answer_without_the_body_says_that_nothing_follows(web: Web) -> None:
    """A client must know that before it sends its next request."""
    refused = HEAD_OF_BODY.replace(b"/body", b"/nothing")
    with connected(web) as client:
        for _ in range(2):
            client.sendall(refused + BODY)
            assert connection_after(client) == "keep-alive"
        client.sendall(refused)
        assert connection_after(client) == "close"
        client.sendall(BODY)
        assert client.recv(1) == b""


def connection_after(client: socket.socket) -> str:
    answer = HTTPResponse(client)
    answer.begin()
    assert answer.status == 404
    answer.read()
    return answer.headers["Connection"]


def test_newcomers_wait_where_all_threads_and_connections_are_taken(
    redis_url: str, tmp_path: Path
) -> None:
    with NarrowWeb(redis_url, tmp_path, **PATIENT) as web, ExitStack() as open_clients:
        busy = [open_clients.enter_context(connected(web)) for _ in range(THREADS)]
        for client in busy:
            client.sendall(HEAD_OF_BODY)
        newcomers = [open_clients.enter_context(connected(web)) for _ in range(THREADS)]
        for client in newcomers:
            client.sendall(HEAD_OF_BODY + BODY)
        for client in busy:
            client.sendall(BODY)
        assert [status_of(client) for client in busy + newcomers] == [200] * 2 * THREADS
        assert "connections for now" not in web.log()


def test_more_silent_clients_than_there_are_descriptors_keep_nobody_out(
    redis_url: str, tmp_path: Path
) -> None:
    with (
        NarrowerWeb(redis_url, tmp_path, **SETTINGS) as web,
        ExitStack() as open_clients,
    ):
        for _ in range(3 * THREADS):
            open_clients.enter_context(connected(web))
        for _ in range(3):
            assert web.state()["open"] == 0
        log = web.log()
    assert log.count("Booting worker") == 1
    assert 1 <= log.count("connections for now") <= 3
