"""The load of the fault suite: which answers count as accepted, and which are retried."""

import json
import random
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from benchmarks.client import BATCH_PATH
from chaos.load import RETRY_S, Load
from harness.waiting import stretched
from orderengine.local.ports import LOOPBACK


class Api(ThreadingHTTPServer):
    """Answers the n-th POST with the n-th status; None ends the connection without an answer.

    The orders of a batch get one status after the other in the same way, unless it is `refused`.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__((LOOPBACK, 0), Answering)
        self.statuses: list[int | None] = []
        self.asked = 0
        self.batches: list[int] = []
        self.refused: int | None = None
        self.lock = threading.Lock()

    def next_status(self) -> tuple[int, int | None]:
        with self.lock:
            self.asked += 1
            return self.asked, self.statuses.pop(0) if self.statuses else 202


class Answering(BaseHTTPRequestHandler):
    server: Api

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == BATCH_PATH:
            self.server.batches.append(len(body["orders"]))
            refused, self.server.refused = self.server.refused, None
            results = [_result(*self.server.next_status()) for _ in body["orders"]]
            self._answer(refused or 200, {} if refused else {"results": results})
            return
        number, status = self.server.next_status()
        if status is None:
            self.close_connection = True
            return
        self._answer(status, {"orderId": f"order-{number}"})

    def _answer(self, status: int, document: object) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(document).encode())

    def log_message(self, *_: object) -> None:
        return


def _result(number: int, status: int | None) -> dict[str, object]:
    return {
        "status": status,
        **({"order": {"orderId": f"order-{number}"}} if status == 202 else {}),
    }


@pytest.fixture
def api() -> Iterator[Api]:
    with Api() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def run(api: Api, orders: int, batch: int = 1) -> tuple[Load, list[str]]:
    told: list[str] = []
    rng = random.Random(1)
    with Load(api.server_port, 100.0, orders, rng, told.append, batch, endless=False) as load:
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
    assert max(answer.latency_s for answer in load.answers) < stretched(RETRY_S)


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


def test_the_orders_of_a_batch_have_an_answer_each(api: Api) -> None:
    api.statuses = [202, 400, 503]
    load, told = run(api, 20, batch=10)
    assert sorted(api.batches) == [1, 10, 10]
    assert sorted(answer.status or 0 for answer in load.answers) == [202] * 19 + [400, 503]
    assert sorted(told) == sorted(load.accepted)
    assert len(told) == 19


def test_an_unknown_outcome_of_a_batch_is_one_of_each_order(api: Api) -> None:
    api.refused = 503
    load, told = run(api, 10, batch=10)
    assert api.batches == [10, 10]
    assert [answer.status for answer in load.answers] == [503] * 10 + [202] * 10
    assert len(told) == 10


def test_a_batch_may_come_besides_the_rate(api: Api) -> None:
    with Load(api.server_port, 100.0, 1, random.Random(1), lambda _: None) as load:
        load.post(["{}"] * 3)
        load.stop()
    assert api.batches == [3]
    assert len(load.accepted) == api.asked > 3
