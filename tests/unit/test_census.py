"""What the metrics tell of sockets: kinds, ages, queues, and how late events are."""

import time
from dataclasses import dataclass
from typing import cast

import pytest

from orderengine.api.updates.census import AT_ONCE, Census, FanOut
from orderengine.api.updates.connection import Connection, SocketKind
from orderengine.execution.operations.counters import CounterName, ProcessMetrics, Sample


@dataclass
class One:
    """As much of a connection as is counted."""

    kind: SocketKind
    age_s: float
    waiting: int = 0

    @property
    def opened_at(self) -> float:
        return time.monotonic() - self.age_s


def told(metrics: ProcessMetrics, counter: CounterName) -> dict[str, int]:
    counts = metrics.counts().items()
    return {sample.label: n for sample, n in counts if sample.counter is counter and n}


def test_connections_are_counted_by_kind_age_and_queue() -> None:
    metrics = ProcessMetrics()
    census = Census(metrics)
    some = [
        One(SocketKind.ORDER, 5),
        One(SocketKind.ORDER, 5, waiting=3),
        One(SocketKind.CLIENT, 90, waiting=40),
        One(SocketKind.STREAM, 90_000, waiting=400),
    ]
    census.take(cast("list[Connection]", some))
    assert told(metrics, CounterName.SOCKETS) == {
        "order:1m": 2,
        "client:1h": 1,
        "stream:older": 1,
    }
    assert told(metrics, CounterName.SOCKET_QUEUES) == {"0": 1, "9": 1, "63": 1, "more": 1}
    census.take(cast("list[Connection]", some[1:2]))
    assert told(metrics, CounterName.SOCKETS) == {"order:1m": 1}
    assert census.tells_of_some
    census.take([])
    assert told(metrics, CounterName.SOCKET_QUEUES) == {}
    assert not census.tells_of_some


def test_lateness_is_a_histogram_that_is_told_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = ProcessMetrics()
    fan_out = FanOut(metrics)
    monkeypatch.setattr(time, "time", lambda: 1000.0)
    fan_out.observe((999.9996, 999.97, 999.97, 990.0, 1000.5))
    assert metrics.counts() == {}
    fan_out.flush()
    fan_out.flush()
    assert told(metrics, CounterName.FAN_OUT_TIME) == {
        "events:0.001": 2,
        "events:0.05": 2,
        "events:+Inf": 1,
        "events:sumMs": 10_060,
    }
    assert Sample(CounterName.FAN_OUT_TIME, "events:1") not in metrics.counts()


def test_thousands_of_connections_are_counted_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    metrics = ProcessMetrics()
    some = [One(SocketKind.ORDER, 5) for _ in range(1000)]
    Census(metrics).take(cast("list[Connection]", some))
    assert told(metrics, CounterName.SOCKETS) == {"order:1m": 1000}
    assert len(pauses) == 1000 // AT_ONCE
