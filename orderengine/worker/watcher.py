"""The price watcher's thread of each worker.

Any number of watchers may run at once: each symbol is held by one of them, and an order that two of
them start moves once.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

import structlog
from celery import bootsteps

from orderengine.bootstrap.worker import WorkerPorts
from orderengine.domain.errors import StorageUnavailable
from orderengine.execution.waiting.watcher import PriceWatcher
from orderengine.worker.start import started

log = structlog.get_logger(__name__)

AGAIN_S = 0.05
"""The pause while orders are left that have come: long enough for workers to take some."""
STOP_LIMIT_S = 5.0


class Watcher:
    """The thread: looks at the prices once in a tick, and sooner while orders are left."""

    def __init__(self, watcher: PriceWatcher) -> None:
        self._watcher = watcher
        self._stopping = threading.Event()
        self._is_away = False
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread, wait for its current tick, and leave the symbols to other workers."""
        self._stopping.set()
        self._thread.join(STOP_LIMIT_S)
        try:
            self._watcher.stop()
        except Exception as error:  # noqa: BLE001 - the leases end by themselves
            log.warning("watch_not_released", error=str(error))

    def _run(self) -> None:
        pause_s = self._watcher.tick_s
        while not self._stopping.wait(pause_s):
            began = time.monotonic()
            is_more = self.run_once()
            rest_s = self._watcher.tick_s - (time.monotonic() - began)
            pause_s = AGAIN_S if is_more else max(AGAIN_S, rest_s)

    def run_once(self) -> bool:
        """Run one tick; errors are logged only. True if orders are left that have come."""
        try:
            is_more = self._watcher.tick()
        except StorageUnavailable as error:
            if not self._is_away:  # once per outage
                self._is_away = True
                log.warning("watch_postponed", error=str(error))
            return False
        except Exception:
            log.exception("watch_failed")
            return False
        if self._is_away:
            self._is_away = False
            log.info("watch_resumed")
        return is_more


def watcher_step(runtime: Callable[[], WorkerPorts]) -> type:
    """Make the worker bootstep that runs a price watcher while its worker runs."""

    class WatcherStep(bootsteps.StartStopStep):
        def start(self, parent: Any) -> None:
            parent.watcher = Watcher(started(runtime).watcher)
            parent.watcher.start()

        def stop(self, parent: Any) -> None:
            if getattr(parent, "watcher", None):
                parent.watcher.stop()

        terminate = stop

    return WatcherStep
