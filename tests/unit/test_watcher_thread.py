"""The thread of the price watcher: it outlives every error, and leaves its symbols at its end."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from harness.waiting import wait_until
from orderengine.domain.errors import StorageUnavailable
from orderengine.worker.watcher import AGAIN_S, Watcher


class Ticks:
    """A price watcher whose ticks end as a test says; the last result repeats."""

    def __init__(self, *results: bool | Exception, tick_s: float = 0.001) -> None:
        self.results = list(results)
        self.tick_s = tick_s
        self.ticks = 0
        self.stops = 0

    def tick(self) -> bool:
        self.ticks += 1
        result = self.results.pop(0) if len(self.results) > 1 else self.results[0]
        if isinstance(result, Exception):
            raise result
        return result

    def stop(self) -> None:
        self.stops += 1
        raise StorageUnavailable("away")


def thread_of(ticks: Any) -> Watcher:
    return Watcher(ticks)


def test_the_thread_outlives_errors_and_tells_each_outage_once() -> None:
    away, defect = StorageUnavailable("away"), LookupError("a defect")
    ticks = Ticks(away, away, False, defect, True, away, False)
    watcher = thread_of(ticks)
    with capture_logs() as lines:
        results = [watcher.run_once() for _ in range(7)]
    assert results == [False, False, False, False, True, False, False]
    assert [line["event"] for line in lines] == [
        "watch_postponed",
        "watch_resumed",
        "watch_failed",
        "watch_postponed",
        "watch_resumed",
    ]


def test_the_thread_ticks_until_it_is_stopped_and_then_leaves_its_symbols() -> None:
    ticks = Ticks(False)
    watcher = thread_of(ticks)
    watcher.start()
    wait_until(lambda: ticks.ticks >= 3)
    watcher.stop()
    ended_at = ticks.ticks
    assert ticks.stops == 1
    assert ticks.ticks == ended_at


def test_orders_that_are_left_are_looked_at_sooner_than_a_tick(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ticks = Ticks(True, True, False, tick_s=3_600.0)
    pauses: list[float] = []

    def wait(pause_s: float) -> bool:
        pauses.append(pause_s)
        return ticks.ticks == 3

    watcher = thread_of(ticks)
    monkeypatch.setattr(watcher._stopping, "wait", wait)
    watcher._run()
    whole, again, once_more, rest = pauses
    assert (whole, again, once_more) == (3_600.0, AGAIN_S, AGAIN_S)
    assert 3_500 < rest <= 3_600
