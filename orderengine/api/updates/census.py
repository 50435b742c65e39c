"""The census: what kinds of sockets there are, how old, how far behind, and how late."""

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable

from orderengine.api.updates.connection import Connection, SocketKind
from orderengine.execution.operations.counters import CounterName, Metrics, Sample
from orderengine.execution.operations.order_metrics import BEYOND, BOUNDS, SUM

AT_ONCE = 128
PAUSE_S = 0.002
"""The count pauses after AT_ONCE connections, so that other threads run: 5,000 take 6 ms of CPU."""

AGES = ((60.0, "1m"), (3600.0, "1h"), (86_400.0, "1d"))
OLDER = "older"
DEPTHS = ((0, "0"), (9, "9"), (63, "63"))
DEEPER = "more"

KINDS_BY_AGE = tuple(
    Sample(CounterName.SOCKETS, f"{kind}:{age}")
    for kind in (SocketKind.ORDER, SocketKind.CLIENT, SocketKind.STREAM)
    for age in (*(name for _, name in AGES), OLDER)
)
"""Sockets by kind, and by the age that they have not passed: a minute, an hour, a day."""

QUEUES = tuple(
    Sample(CounterName.SOCKET_QUEUES, depth) for depth in (*(name for _, name in DEPTHS), DEEPER)
)
"""Sockets by the most messages that wait for their clients."""

LATENCY_SAMPLES = tuple(
    Sample(CounterName.FAN_OUT_TIME, f"events:{bound}")
    for bound in (*BOUNDS[CounterName.FAN_OUT_TIME], BEYOND, SUM)
)


class Census:
    """Counts the connections of a process now and then, in gauges that only differences change."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._told: Counter[Sample] = Counter()

    @property
    def tells_of_some(self) -> bool:
        """Whether there were connections at the last count."""
        return bool(self._told)

    def take(self, connections: Iterable[Connection]) -> None:
        """Count, with pauses; one thread at a time."""
        ages: Counter[tuple[SocketKind, str]] = Counter()
        depths: Counter[str] = Counter()
        now = time.monotonic()
        for number, each in enumerate(connections, start=1):
            ages[each.kind, _least(AGES, now - each.opened_at, OLDER)] += 1
            depths[_least(DEPTHS, each.waiting, DEEPER)] += 1
            if number % AT_ONCE == 0:
                time.sleep(PAUSE_S)
        found = Counter(
            {Sample(CounterName.SOCKETS, f"{kind}:{age}"): n for (kind, age), n in ages.items()}
            | {Sample(CounterName.SOCKET_QUEUES, depth): n for depth, n in depths.items()}
        )
        for sample in found.keys() | self._told.keys():
            if by := found[sample] - self._told[sample]:
                self._metrics.count(sample.counter, sample.label, by)
        self._told = found


class FanOut:
    """Measures the time from when an event was stored to when a client's kernel had it.

    The event has the database's time, and this process its own: clocks that differ shift the
    figures. Only the loop's thread observes.
    """

    _BOUNDS = tuple(float(bound) for bound in BOUNDS[CounterName.FAN_OUT_TIME])
    _NAMES = (*BOUNDS[CounterName.FAN_OUT_TIME], BEYOND)

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._counts = [0] * len(self._NAMES)
        self._sum_s = 0.0

    def observe(self, times: Iterable[float]) -> None:
        """Messages with events of these times, in seconds since the epoch, were sent just now."""
        now = time.time()
        for at in times:
            late_s = max(now - at, 0.0)
            self._counts[bisect_left(self._BOUNDS, late_s)] += 1
            self._sum_s += late_s

    def flush(self) -> None:
        """Add what was observed to the metrics."""
        if not any(self._counts):
            return
        for name, number in zip(self._NAMES, self._counts, strict=True):
            if number:
                self._metrics.count(CounterName.FAN_OUT_TIME, f"events:{name}", number)
        told_ms = round(self._sum_s * 1000)
        self._metrics.count(CounterName.FAN_OUT_TIME, f"events:{SUM}", told_ms)
        self._counts = [0] * len(self._NAMES)
        self._sum_s -= told_ms / 1000


def _least(bounds: Iterable[tuple[float, str]], value: float, beyond: str) -> str:
    for bound, name in bounds:
        if value <= bound:
            return name
    return beyond
