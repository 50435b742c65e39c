"""The reconciler: a thread of each worker that brings back orders which nothing moves any more.

Any number of them at once is safe: each order that is due is claimed by one of them.
"""

import threading
from collections.abc import Callable
from typing import Any

import structlog
from celery import bootsteps

from orderengine.bootstrap import WorkerPorts
from orderengine.domain.errors import DispatchUnavailable, StorageUnavailable
from orderengine.execution.recovery import recover_due_orders

log = structlog.get_logger(__name__)

INTERVAL_S = 1.0
STOP_LIMIT_S = 5.0


class Reconciler:
    """The thread: every second a sign of life, and the orders that are due."""

    def __init__(self, ports: WorkerPorts) -> None:
        self._ports = ports
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reconciler", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread, and wait for what it does now."""
        self._stopping.set()
        self._thread.join(STOP_LIMIT_S)

    def _run(self) -> None:
        while not self._stopping.wait(INTERVAL_S):
            self.run_once()

    def run_once(self) -> None:
        """One round; whatever goes wrong is logged, since every order falls back on the next."""
        try:
            self._ports.heartbeat.beat()
            recover_due_orders(self._ports.engine)
        except (DispatchUnavailable, StorageUnavailable) as error:
            log.warning("recovery_postponed", error=str(error))
        except Exception:
            log.exception("recovery_failed")


def reconciler_step(runtime: Callable[[], WorkerPorts]) -> type:
    """Make the worker bootstep that runs a reconciler for as long as its worker runs.

    Building the ports there makes a worker with a wrong setting fail at its start.
    """

    class ReconcilerStep(bootsteps.StartStopStep):
        def start(self, parent: Any) -> None:
            parent.reconciler = Reconciler(runtime())
            parent.reconciler.start()

        def stop(self, parent: Any) -> None:
            if getattr(parent, "reconciler", None):
                parent.reconciler.stop()

        terminate = stop

    return ReconcilerStep
