"""A worker's threads: the end of a task wakes the event loop, and some threads are to spare."""

import socket
import threading
from collections.abc import Iterator
from typing import Any, cast

import pytest
from kombu.asynchronous import get_event_loop, set_event_loop
from kombu.asynchronous.hub import Hub

from harness.waiting import wait_until
from orderengine.execution.chain.slots import Slots
from orderengine.worker.pool import TaskPool

TIMEOUT_S = 10.0
FAR_S = 3600.0


@pytest.fixture
def hub() -> Iterator[Any]:
    """The event loop of this process, which waits until something wakes it."""
    before, hub = get_event_loop(), cast("Any", Hub())
    set_event_loop(hub)
    poll = hub.poller.poll
    hub.poller.poll = lambda _: poll(FAR_S)
    ours, other = socket.socketpair()
    hub.add_reader(ours, lambda: None)  # without any, the loop only sleeps for a moment
    yield hub
    hub.close()
    set_event_loop(before)
    ours.close()
    other.close()


def a_pool(limit: int) -> Any:
    pool: Any = TaskPool(limit)
    return pool


def test_the_end_of_a_task_wakes_the_event_loop(hub: Any) -> None:
    pool, go_on = a_pool(1), threading.Event()
    # Between the beginning and the end of its one turn the loop waits.
    read, turned = threading.Event(), threading.Event()

    def turn() -> None:
        hub.on_tick.add(read.set)
        hub.run_once()
        turned.set()

    pool.on_apply(go_on.wait, (TIMEOUT_S,))
    loop = threading.Thread(target=turn, daemon=True)
    loop.start()
    assert read.wait(TIMEOUT_S)
    assert not turned.is_set()
    go_on.set()
    assert turned.wait(TIMEOUT_S)
    loop.join(TIMEOUT_S)
    pool.on_stop()


@pytest.mark.usefixtures("hub")
def test_the_next_stage_finds_a_thread_while_as_many_tasks_as_slots_wait() -> None:
    slots, pool, came = Slots(2), a_pool(2), []

    def take(name: str, *, urgent: bool = False) -> None:
        slots.take(2, urgent=urgent)
        came.append(name)
        slots.leave()

    slots.take(2)
    for name in ("first", "second"):
        pool.on_apply(take, (name,))
    pool.on_apply(take, ("next stage",), {"urgent": True})
    try:
        wait_until(lambda: len(slots._waiting) == 3, TIMEOUT_S)
    finally:
        slots.leave()
        pool.executor.shutdown()
    assert came == ["next stage", "first", "second"]


@pytest.mark.parametrize(("slots", "threads"), [(1, 3), (4, 6), (10, 15)])
def test_there_are_half_as_many_threads_again_as_slots(slots: int, threads: int) -> None:
    pool = a_pool(slots)
    assert pool.num_processes == threads, "the worker takes as many messages at once"
    pool.on_stop()


def test_a_full_pool_takes_no_message() -> None:
    pool = a_pool(4)
    pool.is_full = lambda: True
    assert pool.num_processes == 0
    assert pool.limit == 6
    pool.on_stop()
