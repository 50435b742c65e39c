"""A second look at each landing once it must be final: one that is gone is an alert, no move.

The store remembers up to when all settlements were seen to be final, and each swap that landed with
an error, so that no kill leaves one out.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
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

A swap lands within 150 blocks after the one that it was signed for, and is final 32 later.
"""
MOST_COUNTED = 10_000
"""How many landings a process remembers to have counted."""
_JUST_BEFORE = timedelta(microseconds=1)


class Finality:
    """Counts the landings that this process reads, and looks at all of them once more."""

    def __init__(self, cluster: Cluster, metrics: Metrics, looks: SecondLooks) -> None:
        self._cluster = cluster
        self._metrics = metrics
        self._looks = looks
        self._lock = Lock()
        self._counted: OrderedDict[str, None] = OrderedDict()

    def landed(self, signature: str, landed: Landed) -> None:
        """Count a transaction that has landed, and store it if it did so with an error.

        A repeated call changes nothing. Raises NetworkUnavailable or StorageUnavailable: its order
        must not move before it is stored.
        """
        error = None if landed.error is None else landed.error.label
        if error is not None:
            self._looks.note_failed(self._cluster.network(), signature, landed.slot)
        with self._lock:
            if signature in self._counted:
                return
            self._counted[signature] = None
            if len(self._counted) > MOST_COUNTED:
                self._counted.popitem(last=False)
        self._metrics.count(CounterName.LANDED, error or "ok")
        self._metrics.count(CounterName.FEES_PAID, "network", landed.fee)
        self._metrics.count(CounterName.FEES_PAID, "priority", landed.priority_fee)
        self._metrics.count(CounterName.FEES_PAID, "rent", landed.rent)
        log.info("swap_landed", signature=signature, slot=landed.slot, error=error)

    def look_again(self) -> None:
        """Ask for what must be final by now; raises NetworkUnavailable or StorageUnavailable."""
        network = self._cluster.network()
        part = self._looks.begin_settled(network, FINAL_AFTER_S, MOST_STATUSES)
        if part is None:
            return
        left = list(self._not_final(part.settled))
        until = min((each.at for each in left), default=None)
        self._looks.are_final(network, part.until if until is None else until - _JUST_BEFORE)
        self._look_at_failed(network)

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

    def _look_at_failed(self, network: str) -> None:
        failed = self._looks.failed(network, FINAL_AFTER_S, MOST_STATUSES)
        if not failed:
            return
        left = {each.signature for each in self._not_final(failed)}
        if ended := [each.signature for each in failed if each.signature not in left]:
            self._looks.forget_failed(ended)

    def _ask(self, signatures: Sequence[str]) -> tuple[int, list[Status | None]]:
        def question(node: Node) -> tuple[int, list[Status | None]]:
            return requests.statuses(node, signatures, in_history=True)

        return self._cluster.ask_aside(question)

    def _tell_gone(self, signature: str, slot: int) -> None:
        self._metrics.count(CounterName.SETTLEMENTS_GONE)
        log.error("settlement_not_final", signature=signature, slot=slot)


def _is_final(status: Status | None) -> bool:
    return status is not None and status.confirmation == FINALIZED
