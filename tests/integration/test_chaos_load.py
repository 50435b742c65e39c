"""The load of the fault suite: which answers count as accepted, and which are retried."""

import json
import random
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from chaos.load import RETRY_S, Load
from orderengine.local.ports import LOOPBACK


class Api(ThreadingHTTPServer):
    """Answers the n-th POST with the n-th status; None ends the connection without an answer."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__((LOOPBACK, 0), Answering)
        self.statuses: list[int | None] = []
        self.asked = 0
        self.lock = threading.Lock()

    def next_status(self) -> tuple[int, int | None]:
        with self.lock:
            self.asked += 1
            return self.asked, self.statuses.pop(0) if self.statuses else 202


class Answering(BaseHTTPRequestHandler):
    server: Api

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        number, status = self.server.next_status()
        if status is None:
            self.close_connection = True
            return
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps({"orderId": f"order-{number}"}).encode())

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def api() -> Iterator[Api]:
    with Api() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def run(api: Api, orders: int) -> tuple[Load, list[str]]:
    told: list[str] = []
    with Load(api.server_port, 100.0, orders, random.Random(1), told.append) as load:
        load.stop()
    return load, told


def test_as_many_orders_are_accepted_as_were_wanted(api: Api) -> None:
    load, told = run(api, 20)
    assert len(load.accepted) == api.asked == 20
    assert sorted(told) == sorted(load.accepted)
    assert {answer.status for answer in load.answers} == {202}


@pytest.mark.parametrize("status", [503, None])
def test_an_unknown_outcome_is_noted_and_asked_again(api: Api, status: int | None) -> None:
    api.statuses = [status]
    load, told = run(api, 20)
    assert [answer.status for answer in load.answers].count(status) == 1
    assert len(told) == 20
    assert api.asked == 21


def test_what_waits_behind_clients_that_ask_again_does_not_count_as_slow(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chaos.load.CLIENTS", 1)
    api.statuses = [503, 503, 503]
    load, told = run(api, 20)
    assert len(told) == 20
    assert max(answer.latency_s for answer in load.answers) < RETRY_S


def test_another_error_is_noted_and_not_asked_again(api: Api) -> None:
    api.statuses = [500]
    load, told = run(api, 20)
    assert [answer.status for answer in load.answers].count(500) == 1
    assert len(told) == 19
    assert api.asked == 20


def test_a_load_goes_on_until_it_is_stopped(api: Api) -> None:
    enough = threading.Event()

    def count(_: str) -> None:
        if api.asked > 10:
            enough.set()

    with Load(api.server_port, 100.0, 1, random.Random(1), count) as load:
        assert enough.wait(10)
        load.stop()
    assert len(load.accepted) == api.asked > 10
