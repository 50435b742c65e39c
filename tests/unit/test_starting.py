"""Orders that are stored: who starts them, when, and together with which others."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from harness.waiting import wait_until
from orderengine.domain.events import Moved
from orderengine.execution.intake.starting import (
    MOST_WAITING,
    BackgroundStarter,
    DirectStarter,
    Starter,
)
from tests.builders import a_limit
from tests.conftest import a_new_order
from tests.fakes import FakeDispatcher, FakeOrders, FakePublisher

TIMEOUT_S = 10.0


class Gate:
    """A starter that is busy until it is let go, and notes what it started and in which thread."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.busy = threading.Event()
        self.groups: list[list[Moved]] = []
        self.threads: set[threading.Thread] = set()
        self.breaks = False

    def start(self, moved: Sequence[Moved]) -> None:
        self.groups.append(list(moved))
        self.threads.add(threading.current_thread())
        self.busy.set()
        if threading.current_thread() is not threading.main_thread():
            assert self.open.wait(TIMEOUT_S)
        if self.breaks:
            raise ValueError("a defect")

    def leave(self, timeout_s: float) -> bool:
        raise NotImplementedError


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open.set()


def stored(number: int) -> list[Moved]:
    orders = FakeOrders()
    return [orders.accept(a_new_order()) for _ in range(number)]


def busy_starter(gate: Gate) -> tuple[Starter, Moved]:
    """A starter whose thread is busy with a first order."""
    starter = BackgroundStarter(gate)
    (first,) = stored(1)
    starter.start([first])
    assert gate.busy.wait(TIMEOUT_S)
    return starter, first


def test_who_brings_an_order_does_not_wait_for_its_start(gate: Gate) -> None:
    starter, first = busy_starter(gate)
    later = stored(3)
    for each in later:
        starter.start([each])  # would wait for the gate
    assert gate.groups == [[first]]
    gate.open.set()
    assert starter.leave(TIMEOUT_S)
    assert gate.groups == [[first], later]
    assert threading.main_thread() not in gate.threads


def test_who_brings_more_than_one_thread_can_start_lends_a_hand(gate: Gate) -> None:
    starter, first = busy_starter(gate)
    many = stored(MOST_WAITING)
    starter.start(many)
    assert gate.groups == [[first]]
    (one_more,) = stored(1)
    starter.start([one_more])
    assert gate.groups == [[first], [*many, one_more]]
    assert threading.main_thread() in gate.threads


def test_a_process_that_ends_starts_what_is_left_or_says_that_it_could_not(gate: Gate) -> None:
    starter, _ = busy_starter(gate)
    starter.start(stored(1))
    assert not starter.leave(0.0)
    gate.open.set()
    assert starter.leave(TIMEOUT_S)
    assert len(gate.groups) == 2


def test_a_process_without_orders_has_nothing_to_start(gate: Gate) -> None:
    assert BackgroundStarter(gate).leave(0.0)
    assert DirectStarter(FakePublisher(), FakeDispatcher()).leave(0.0)


def test_without_a_thread_for_it_who_brings_an_order_starts_it(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    starter = BackgroundStarter(gate)
    first, second, third = stored(3)
    with monkeypatch.context() as patch, capture_logs() as logs:
        patch.setattr(threading.Thread, "start", refuse)
        starter.start([first])
        starter.start([second])
    assert gate.groups == [[first], [second]]
    assert [line["event"] for line in logs] == ["no_thread_to_start_orders"] * 2
    assert starter.leave(0.0)
    starter.start([third])
    gate.open.set()
    assert starter.leave(TIMEOUT_S)
    assert gate.groups[-1] == [third]
    assert len(gate.threads) == 2


def test_an_error_is_logged_and_later_orders_are_started(gate: Gate) -> None:
    gate.breaks = True
    gate.open.set()
    with capture_logs() as logs:
        starter, _ = busy_starter(gate)
        wait_until(lambda: bool(logs), TIMEOUT_S, "the error is to be logged")
    assert [(line["event"], line["orders"]) for line in logs] == [("orders_not_started", 1)]
    gate.breaks = False
    later = stored(1)
    starter.start(later)
    assert starter.leave(TIMEOUT_S)
    assert gate.groups[-1] == later


def test_chains_start_together_each_for_the_request_of_its_order() -> None:
    orders, publisher, dispatcher = FakeOrders(), FakePublisher(), FakeDispatcher()
    moved = [orders.accept(replace(a_new_order(), request_id=name)) for name in ("r-1", "r-2")]
    waiting = orders.accept(a_limit())
    DirectStarter(publisher, dispatcher).start([*moved, waiting])
    assert publisher.published == [*moved, waiting]
    assert dispatcher.exchanges == 1
    sent = [(each.order_id, each.request_id) for each in dispatcher.sent]
    assert sent == [(each.order.order_id, each.order.request_id) for each in moved]


def test_what_the_broker_refuses_is_told_by_its_ids() -> None:
    publisher, dispatcher = FakePublisher(), FakeDispatcher(down=True)
    moved = stored(2)
    with capture_logs() as logs:
        DirectStarter(publisher, dispatcher).start(moved)
    (line,) = logs
    assert line["event"] == "dispatch_unavailable"
    assert line["order_ids"] == [str(each.order.order_id) for each in moved]
    assert publisher.published == moved
