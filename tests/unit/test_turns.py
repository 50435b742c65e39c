"""Lists take turns: a few run at once, a few wait, and the others must retry later."""

import math
import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from orderengine.api.answers.problems import Refused
from orderengine.api.gate.turns import (
    AT_ONCE,
    LATEST_RETRY_S,
    LONGEST_REST_S,
    REST_FACTOR,
    WAITING,
    Turns,
)
from orderengine.execution.queries.lists import OrderFilter
from tests.web import Web

LIMIT_S = 30.0


class FakeTime:
    """A clock that moves only when told."""

    def __init__(self) -> None:
        self.advances: list[float] = []

    def now(self) -> float:
        return sum(self.advances)

    def advance(self, by_s: float) -> None:
        self.advances.append(by_s)


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
            assert refusal.value.status == 503


def refused_after_s(turns: Turns) -> int:
    with pytest.raises(Refused) as refusal, turns.turn():
        pass
    return int((refusal.value.headers or {})["Retry-After"])


def test_refused_clients_return_at_the_pace_of_the_turns() -> None:
    clock = FakeTime()
    turns = Turns(at_once=1, waiting=0, clock=clock.now, pause=clock.advance)
    for _ in range(100):
        with turns.turn():
            clock.advance(0.05)
    pace_s = 0.05 + min(REST_FACTOR * 0.05, LONGEST_REST_S)
    with turns.turn():
        told = [refused_after_s(turns) for _ in range(20)]
        assert told == [math.ceil(pace_s * number) for number in range(1, 21)]
        clock.advance(told[-1])
        assert refused_after_s(turns) == 1  # the promised turns are over


def test_a_refused_client_waits_for_a_bounded_time() -> None:
    clock = FakeTime()
    turns = Turns(at_once=1, waiting=0, clock=clock.now, pause=clock.advance)
    with turns.turn():
        told = [refused_after_s(turns) for _ in range(1000)]
    assert max(told) == LATEST_RETRY_S


def test_lists_in_a_row_leave_most_of_the_time_to_others() -> None:
    clock = FakeTime()
    turns = Turns(clock=clock.now, pause=clock.advance)
    for _ in range(100):
        with turns.turn():
            clock.advance(0.01)
    assert clock.now() == pytest.approx(100 * 0.01 + 99 * 0.05)
    assert max(clock.advances) <= LONGEST_REST_S


def test_no_list_rests_that_comes_after_others_had_their_time() -> None:
    clock = FakeTime()
    turns = Turns(clock=clock.now, pause=clock.advance)
    with turns.turn():
        clock.advance(10.0)
    clock.advance(LONGEST_REST_S)
    before = clock.now()
    with turns.turn():
        assert clock.now() == before


def test_a_list_gives_way_while_an_order_is_being_placed() -> None:
    turns = Turns(give_way_s=LIMIT_S)
    done: list[str] = []

    def read() -> None:
        with turns.turn():
            done.append("list")

    with ThreadPoolExecutor(1) as threads:
        with turns.placing():
            listed = threads.submit(read)
            with pytest.raises(TimeoutError):
                listed.result(timeout=0.2)
            done.append("order")
        listed.result()
    assert done == ["order", "list"]


def test_a_list_goes_on_beside_orders_that_come_one_after_the_other() -> None:
    turns = Turns(give_way_s=0.01)
    with turns.placing(), turns.turn():
        pass


def test_the_api_gives_way_where_an_order_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    web = Web()
    placing: list[bool] = []
    turns: Turns = web.app.extensions["orderengine.turns"]
    monkeypatch.setattr(turns, "give_way", lambda: placing.append(False))
    accept = web.orders.accept

    def accepting(*args: object, **kwargs: object) -> object:
        placing.append(turns.is_placing)
        return accept(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(web.orders, "accept", accepting)
    web.place()
    assert placing == [True]
    assert not turns.is_placing
    web.app.test_client().get("/api/orders")
    assert placing == [True, False, False]  # once at its turn, once before the order


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
