"""The sums of all workers' counts, kept in Redis for web processes on other machines."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from orderengine.execution.operations.counters import CounterName, Counts, ProcessMetrics, Sample
from orderengine.redis.breaker import Breaker
from orderengine.redis.client import REDIS_ERRORS, Client
from orderengine.stream.messages import COUNTS_KEY

T = TypeVar("T")


class CountsFlusher:
    """Adds the counts of this process to the sums; keeps those that Redis did not take.

    An addition whose answer was lost is repeated, and may count twice.
    """

    def __init__(self, client: Client, metrics: ProcessMetrics) -> None:
        self._client = client
        self._metrics = metrics
        self._lock = threading.Lock()
        self._flushed: dict[Sample, int] = {}

    def flush(self) -> None:
        """Add the counts since the last successful flush; never raises."""
        with self._lock:
            counts = self._metrics.counts()
            new = {key: n - self._flushed.get(key, 0) for key, n in counts.items()}
            new = {key: n for key, n in new.items() if n}
            if new and self._add(new):
                self._flushed = dict(counts)

    def _add(self, new: Counts) -> bool:
        try:
            with self._client.pipeline(transaction=True) as pipe:
                for sample, number in new.items():
                    pipe.hincrby(COUNTS_KEY, f"{sample.counter}:{sample.label}", number)
                pipe.execute()
        except REDIS_ERRORS as error:
            self._client.note(error)  # a pipeline is a separate client
            return False
        return True


class RedisCounts:
    """Implements `execution.operations.figures.SharedCounts`; `queues` are lists of the broker."""

    def __init__(self, client: Client, breaker: Breaker, queues: Sequence[str] = ()) -> None:
        self._client = client
        self._breaker = breaker
        self._queues = queues

    def read(self) -> Counts | None:
        """The sums of all workers' counts since Redis started, or None without an answer."""
        stored = self._answer(lambda: self._client.hgetall(COUNTS_KEY))
        return None if stored is None else dict(_known(stored))

    def queued(self) -> Mapping[str, int] | None:
        """How many messages wait in each queue, or None without an answer."""
        return self._answer(lambda: {name: int(self._client.llen(name)) for name in self._queues})

    def _answer(self, ask: Callable[[], T]) -> T | None:
        if not self._breaker.allows():
            return None
        try:
            self._client.require_primary()
            answer = ask()
        except REDIS_ERRORS as error:
            self._breaker.failed(error)
            return None
        self._breaker.succeeded()
        return answer


def _known(stored: Mapping[Any, Any]) -> Iterator[tuple[Sample, int]]:
    for field, number in stored.items():
        name, _, label = field.decode().partition(":")
        if name in list(CounterName):  # another release may count more
            yield Sample(CounterName(name), label), int(number)
