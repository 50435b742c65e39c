"""The reconciler: a thread of each worker that recovers stalled orders.

Any number of reconcilers may run at once: only one of them claims each due order.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

import structlog
from celery import bootsteps

from orderengine.bootstrap.worker import WorkerPorts
from orderengine.domain.errors import DispatchUnavailable, StorageUnavailable
from orderengine.execution.chain.recovery import Recovery
from orderengine.execution.operations.counters import CounterName
from orderengine.execution.operations.housekeeping import run_housekeeping
from orderengine.execution.operations.order_metrics import record_ended
from orderengine.execution.waiting.expiry import expire_due
from orderengine.worker.start import started

log = structlog.get_logger(__name__)

HOUSEKEEPING_S = 60.0
STOP_LIMIT_S = 5.0


class Reconciler:
    """The reconciler's thread: each round sends a heartbeat and recovers due orders.

    It also ends the orders whose time has passed, whether or not the broker answers.
    """

    def __init__(self, ports: WorkerPorts) -> None:
        self._ports = ports
        self._recovery = Recovery(ports.engine)
        self._stopping = threading.Event()
        self._housekeeping_at = 0.0
        self._waits_for: type[Exception] | None = None
        self._thread = threading.Thread(target=self._run, name="reconciler", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread, wait for its current round, and flush the counts."""
        self._stopping.set()
        self._thread.join(STOP_LIMIT_S)
        self._ports.counts.flush()

    def _run(self) -> None:
        while not self._stopping.wait(self._ports.recovery_interval_s):
            self.run_once()

    def run_once(self) -> None:
        """Run one round; errors are logged only, since the next round picks up every order."""
        if self._ports.heartbeat.beat():
            self._ports.counts.flush()
        self._ports.watch_network()
        outcome = self._recover()
        self._ports.engine.metrics.count(CounterName.RECONCILER_ROUNDS, outcome)
        # Skipped while a server is away, because it would delay the next heartbeat.
        if self._waits_for is not StorageUnavailable:
            self._expire()
        if outcome == "ok":
            self._measure()
            if time.monotonic() >= self._housekeeping_at:
                self._run_housekeeping()

    def _expire(self) -> None:
        try:
            expire_due(self._ports.engine)
        except Exception as error:  # noqa: BLE001 - the next round goes on; the thread must, too
            log.warning("expiry_postponed", error=str(error))

    def _measure(self) -> None:
        engine = self._ports.engine
        try:
            record_ended(engine.metrics, engine.orders)
        except Exception as error:  # noqa: BLE001 - a lost figure must not stop the thread
            log.warning("times_not_measured", error=str(error))

    def _recover(self) -> str:
        try:
            self._recovery.run_once()
        except (DispatchUnavailable, StorageUnavailable) as error:
            self._tell_postponed(error)
            return "postponed"
        except Exception:
            log.exception("recovery_failed")
            return "failed"
        if self._waits_for is not None:
            self._waits_for = None
            log.info("recovery_resumed")
        return "ok"

    def _tell_postponed(self, error: Exception) -> None:
        """Log a postponement once per outage of a server, since a round may come each second."""
        if self._waits_for is not type(error):
            self._waits_for = type(error)
            log.warning("recovery_postponed", error=str(error))

    def _run_housekeeping(self) -> None:
        try:
            more = run_housekeeping(
                self._ports.engine.orders, self._ports.figures, self._ports.days
            )
        except Exception as error:  # noqa: BLE001 - housekeeping can wait; the thread must go on
            log.warning("housekeeping_postponed", error=str(error))
            more = False
        self._housekeeping_at = time.monotonic() + (0.0 if more else HOUSEKEEPING_S)


def reconciler_step(runtime: Callable[[], WorkerPorts]) -> type:
    """Make the worker bootstep that runs a reconciler while its worker runs.

    It builds the ports, so that a worker with a bad setting fails at its start.
    """

    class ReconcilerStep(bootsteps.StartStopStep):
        def start(self, parent: Any) -> None:
            parent.reconciler = Reconciler(started(runtime))
            parent.reconciler.start()

        def stop(self, parent: Any) -> None:
            if getattr(parent, "reconciler", None):
                parent.reconciler.stop()

        terminate = stop

    return ReconcilerStep
