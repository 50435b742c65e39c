"""A second look at each settlement once it must be final: one that is gone is an alert, no move.

The store remembers up to when all were seen to be final, so that no kill leaves one out. Swaps that
landed with an error are looked at again by the process that has read them, as long as it lives.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from threading import Lock

import structlog

from orderengine.execution.operations.counters import CounterName, Metrics
from orderengine.execution.second_looks import SecondLooks, Settled
from orderengine.settlement.solana.landing import Landed
from orderengine.solana import requests
from orderengine.solana.cluster import Cluster
from orderengine.solana.requests import FINALIZED, MOST_STATUSES, Status
from orderengine.solana.rpc import Node

log = structlog.get_logger(__name__)

FINAL_AFTER_S = 20.0
"""32 blocks take 13 seconds."""
GONE_AFTER_S = 120.0
"""From when on a settlement that is not final is told as gone."""
GONE_AFTER_SLOTS = 200
"""How far a node must be beyond the slot that was signed for: a late one knows nothing yet.

A block is signed for during 150 blocks, and is final 32 later.
"""
MOST_REMEMBERED = 10_000
_JUST_BEFORE = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class _Landing:
    since: float
    slot: int
    is_open: bool


class Finality:
    """Counts the landings of this process, and looks at settlements once more."""

    def __init__(
        self,
        cluster: Cluster,
        metrics: Metrics,
        looks: SecondLooks,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cluster = cluster
        self._metrics = metrics
        self._looks = looks
        self._clock = clock
        self._lock = Lock()
        self._landings: OrderedDict[str, _Landing] = OrderedDict()

    def landed(self, signature: str, landed: Landed) -> None:
        """Count and remember a transaction that has landed; a repeated call changes nothing."""
        error = None if landed.error is None else landed.error.label
        with self._lock:
            if signature in self._landings:
                return
            seen = _Landing(self._clock(), landed.slot, is_open=error is not None)
            self._landings[signature] = seen
            if len(self._landings) > MOST_REMEMBERED:
                self._landings.popitem(last=False)
        self._metrics.count(CounterName.LANDED, error or "ok")
        self._metrics.count(CounterName.FEES_PAID, "network", landed.fee)
        self._metrics.count(CounterName.FEES_PAID, "priority", landed.priority_fee)
        self._metrics.count(CounterName.FEES_PAID, "rent", landed.rent)
        log.info("swap_landed", signature=signature, slot=landed.slot, error=error)

    def look_again(self) -> None:
        """Ask for what must be final by now; raises NetworkUnavailable or StorageUnavailable."""
        self._look_at_failed()
        network = self._cluster.network()
        part = self._looks.begin_settled(network, FINAL_AFTER_S, MOST_STATUSES)
        if part is None:
            return
        left = list(self._not_final(part.settled))
        until = min((each.at for each in left), default=None)
        self._looks.are_final(network, part.until if until is None else until - _JUST_BEFORE)

    def _not_final(self, settled: Sequence[Settled]) -> Iterator[Settled]:
        """Those that may still become final; tells those that are gone."""
        for start in range(0, len(settled), MOST_STATUSES):
            part = settled[start : start + MOST_STATUSES]
            seen_at, found = self._ask([each.signature for each in part])
            for each, status in zip(part, found, strict=True):
                if _is_final(status):
                    continue
                if each.age_s >= GONE_AFTER_S and seen_at >= each.slot + GONE_AFTER_SLOTS:
                    self._tell_gone(each.signature, each.slot)
                else:
                    yield each

    def _look_at_failed(self) -> None:
        now = self._clock()
        with self._lock:
            due = [
                (name, each)
                for name, each in self._landings.items()
                if each.is_open and now - each.since >= FINAL_AFTER_S
            ][:MOST_STATUSES]
        if not due:
            return
        _, found = self._ask([name for name, _ in due])
        for (name, landing), status in zip(due, found, strict=True):
            is_gone = not _is_final(status) and now - landing.since >= GONE_AFTER_S
            if is_gone:
                self._tell_gone(name, landing.slot)
            if is_gone or _is_final(status):
                with self._lock:
                    self._landings[name] = _Landing(landing.since, landing.slot, is_open=False)

    def _ask(self, signatures: Sequence[str]) -> tuple[int, list[Status | None]]:
        def question(node: Node) -> tuple[int, list[Status | None]]:
            return requests.statuses(node, signatures, in_history=True)

        return self._cluster.ask_aside(question)

    def _tell_gone(self, signature: str, slot: int) -> None:
        self._metrics.count(CounterName.SETTLEMENTS_GONE)
        log.error("settlement_not_final", signature=signature, slot=slot)


def _is_final(status: Status | None) -> bool:
    return status is not None and status.confirmation == FINALIZED
