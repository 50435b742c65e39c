"""Lists take turns: a few at once, a few that wait, and the others are told to come later."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from orderengine.api.errors import Refused
from orderengine.api.turns import AT_ONCE, WAITING, Turns
from orderengine.execution.lists import OrderFilter
from tests.web import Web

LIMIT_S = 30.0


def test_a_place_is_given_back_whatever_happens_in_it() -> None:
    turns = Turns(at_once=1, waiting=0)
    for _ in range(3):
        with pytest.raises(LookupError), turns.turn():
            raise LookupError
    with turns.turn(), pytest.raises(Refused), turns.turn():
        pass
    with turns.turn():
        pass


def test_who_waited_too_long_is_refused_and_leaves_its_place() -> None:
    turns = Turns(at_once=1, waiting=1, wait_s=0.01)
    with turns.turn():
        for _ in range(3):
            with pytest.raises(Refused) as refusal, turns.turn():
                pass
            assert (refusal.value.status, refusal.value.headers) == (503, {"Retry-After": "1"})


def test_lists_that_hang_leave_the_threads_of_the_server_to_orders(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    web = Web()
    web.app.extensions["orderengine.turns"] = Turns(wait_s=LIMIT_S)
    go_on = threading.Event()
    reading = threading.Semaphore(0)

    def hang(_: OrderFilter) -> list[object]:
        reading.release()
        assert go_on.wait(LIMIT_S)
        return []

    monkeypatch.setattr(web.orders, "page", hang)
    with ThreadPoolExecutor(24) as threads:

        def ask() -> int:
            return web.app.test_client().get("/api/orders").status_code

        asked: list[Future[int]] = [threads.submit(ask) for _ in range(24)]
        refused = 24 - AT_ONCE - WAITING
        is_enough = threading.Semaphore(0)
        for each in asked:
            each.add_done_callback(lambda _: is_enough.release())
        for _ in range(refused):
            assert is_enough.acquire(timeout=LIMIT_S)
        for _ in range(AT_ONCE):
            assert reading.acquire(timeout=LIMIT_S)
        assert sum(each.done() for each in asked) == refused
        web.place()
        go_on.set()
        assert sorted(each.result() for each in asked) == [200] * 8 + [503] * refused
