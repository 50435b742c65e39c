"""The watch and the meter: bounded reads, and counts that survive threads."""

import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from orderengine.domain.errors import DispatchUnavailable, StorageCause
from orderengine.domain.moves import RoutingCause
from orderengine.execution.operations.counters import (
    CounterName,
    CountingDispatcher,
    ProcessMetrics,
    Sample,
)
from orderengine.execution.operations.figures import Monitor
from tests.fakes import FakeDispatcher, FakeProbes, FakeWatched


def test_figures_are_read_once_however_many_ask_at_the_same_time() -> None:
    watched = FakeWatched()
    monitor = Monitor(watched, watched, FakeProbes(), ProcessMetrics(), fresh_s=60.0)
    barrier = threading.Barrier(20)

    def ask(_: int) -> None:
        barrier.wait()
        monitor.figures()

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(ask, range(20)))
    assert watched.reads == 1


def test_what_gave_no_answer_is_not_asked_again_at_once() -> None:
    watched = FakeWatched(open=None)
    monitor = Monitor(watched, watched, FakeProbes(), ProcessMetrics(), fresh_s=60.0)
    assert [monitor.open_orders() for _ in range(3)] == [None] * 3
    assert watched.reads == 1


def test_a_database_without_an_answer_costs_one_time_out() -> None:
    watched, probes = FakeWatched(), FakeProbes(fault="frozen", cause=StorageCause.NO_ANSWER)
    figures = Monitor(watched, watched, probes, ProcessMetrics()).figures()
    assert watched.reads == 0
    assert (figures.open_orders, figures.steps) == (None, None)
    assert "postgresql" in figures.missing


@pytest.mark.parametrize("cause", sorted({*StorageCause} - {StorageCause.NO_ANSWER}))
def test_orders_are_counted_while_none_can_be_written(cause: StorageCause) -> None:
    watched, probes = FakeWatched(), FakeProbes(fault="not now", cause=cause)
    figures = Monitor(watched, watched, probes, ProcessMetrics()).figures()
    assert figures.open_orders is watched.open
    assert "postgresql" not in figures.missing


def test_figures_are_read_anew_when_they_are_old() -> None:
    watched = FakeWatched()
    monitor = Monitor(watched, watched, FakeProbes(), ProcessMetrics(), fresh_s=0.0)
    monitor.figures()
    monitor.figures()
    assert watched.reads == 2


def test_counts_from_many_threads_are_all_there() -> None:
    metrics = ProcessMetrics()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: metrics.count(CounterName.REDISPATCHES, "pending"), range(4000)))
    assert metrics.counts() == {Sample(CounterName.REDISPATCHES, "pending"): 4000}


def test_only_messages_that_the_broker_refused_are_counted() -> None:
    metrics, broker = ProcessMetrics(), FakeDispatcher()
    counting = CountingDispatcher(broker, metrics)
    counting.ping()
    counting.route(uuid4(), 1, RoutingCause.ORDER, again=True)
    assert (broker.sent[0].again, metrics.counts()) == (True, {})
    broker.down = True
    for _ in range(2):
        with pytest.raises(DispatchUnavailable):
            counting.route(uuid4(), 1, RoutingCause.ORDER)
    with pytest.raises(DispatchUnavailable):
        counting.ping()
    assert metrics.counts() == {Sample(CounterName.DISPATCH_FAILURES): 2}
