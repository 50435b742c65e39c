"""A second look at each settlement once it must be final: one that is gone is an alert, no move."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

import structlog

from orderengine.execution.operations.counters import CounterName, Metrics
from orderengine.settlement.solana.landing import Landed
from orderengine.solana import requests
from orderengine.solana.cluster import Cluster
from orderengine.solana.requests import FINALIZED, MOST_STATUSES

log = structlog.get_logger(__name__)

FINAL_AFTER_S = 20.0
"""32 blocks take 13 seconds."""
GONE_AFTER_S = 120.0
"""From when on a settlement that is not final is told as gone."""
MOST_WATCHED = 10_000


@dataclass(frozen=True, slots=True)
class _Watched:
    since: float
    slot: int


class Finality:
    """Remembers the settlements of this process, counts them, and looks at each one once more.

    Those of the last seconds before a process ends are not looked at again.
    """

    def __init__(
        self, cluster: Cluster, metrics: Metrics, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._cluster = cluster
        self._metrics = metrics
        self._clock = clock
        self._lock = Lock()
        self._watched: OrderedDict[str, _Watched] = OrderedDict()

    def landed(self, signature: str, landed: Landed) -> None:
        """Count and remember a transaction that has landed; a repeated call changes nothing."""
        with self._lock:
            if signature in self._watched:
                return
            self._watched[signature] = _Watched(self._clock(), landed.slot)
            if len(self._watched) > MOST_WATCHED:
                self._watched.popitem(last=False)
        error = None if landed.error is None else landed.error.label
        self._metrics.count(CounterName.LANDED, error or "ok")
        self._metrics.count(CounterName.FEES_PAID, "network", landed.fee)
        self._metrics.count(CounterName.FEES_PAID, "priority", landed.priority_fee)
        self._metrics.count(CounterName.FEES_PAID, "rent", landed.rent)
        log.info("swap_landed", signature=signature, slot=landed.slot, error=error)

    def look_again(self) -> None:
        """Ask for the settlements that must be final by now; raises NetworkUnavailable."""
        now = self._clock()
        with self._lock:
            due = [
                (name, each)
                for name, each in self._watched.items()
                if now - each.since >= FINAL_AFTER_S
            ][:MOST_STATUSES]
        if not due:
            return
        names = [name for name, _ in due]
        _, found = self._cluster.ask(lambda node: requests.statuses(node, names, in_history=True))
        for (name, watched), status in zip(due, found, strict=True):
            if status is not None and status.confirmation == FINALIZED:
                self._forget(name)
            elif now - watched.since >= GONE_AFTER_S:
                self._forget(name)
                self._metrics.count(CounterName.SETTLEMENTS_GONE)
                log.error("settlement_not_final", signature=name, slot=watched.slot)

    def _forget(self, signature: str) -> None:
        with self._lock:
            self._watched.pop(signature, None)
