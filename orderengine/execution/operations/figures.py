"""Gathers the figures for metrics and readiness, at a bounded cost."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, Protocol, TypeVar

import structlog

from orderengine.domain.errors import StorageCause, StorageFault, StorageUnavailable
from orderengine.domain.order import OrderStatus
from orderengine.execution.operations.counters import Counts, ProcessMetrics

log = structlog.get_logger(__name__)

FRESH_S = 1.5
"""How long figures are reused before they are read again."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SigningWallet:
    """The wallet that workers of a network sign with, as one told it within the last minute.

    `usdc` is in base units. `strangers` is how many of its transactions of the last hour are not of
    this database; None before the first look. A node has told this `told_s` seconds ago at most.
    """

    network: str
    lamports: int
    usdc: int
    slots_behind: int
    strangers: int | None = None
    told_s: float = 0.0


@dataclass(frozen=True, slots=True)
class OpenOrders:
    """The open orders; ages in seconds, 0 where there is none.

    `waiting_s` is how long the first order of each status has been in it. `stuck` counts the orders
    submitted longer ago than the network should need to answer.
    """

    by_status: Mapping[OrderStatus, int]
    oldest_s: float
    oldest_submitted_s: float
    stuck: int
    waiting_s: Mapping[OrderStatus, float] = field(default_factory=dict)
    watched: Mapping[str, int] = field(default_factory=dict)
    """Orders that wait for a price or a pool, by symbol, as counted within the last minute."""
    oldest_snapshot_s: float = 0.0
    """How long the oldest transaction keeps the database from cleaning up behind moved orders."""
    foreign: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Orders of networks and wallets that no worker serves, by name and address; no address unless
    they are signed."""
    wallets: Sequence[SigningWallet] = ()
    """One for each live network that workers of this database serve."""
    daily_usdc: float = 0.0
    """What the orders of all clients have taken of the present day's limits."""
    daily_share: float = 0.0
    """The largest share of its limit that a client has taken of the present day, 0 to 1."""


class StepKind(NamedTuple):
    """A kind of event: its status, and the reason or cause in its data, or an empty text."""

    status: OrderStatus
    cause: str


Steps = Mapping[StepKind, int]


class OrderFigures(Protocol):
    """Figures from the store of orders; every method raises StorageUnavailable."""

    def open_orders(self) -> OpenOrders:
        """The open orders."""

    def steps(self) -> Steps:
        """Totals of ended orders, failed attempts and recoveries since the beginning."""

    def sum_up(self, limit: int) -> int:
        """Add about `limit` steps older than a minute to the running totals; returns how many."""


class SharedCounts(Protocol):
    """The counts of all workers together."""

    def read(self) -> Counts | None:
        """The counts, or None without an answer."""

    def queued(self) -> Mapping[str, int] | None:
        """How many messages wait in each queue, or None without an answer."""


class HealthChecks(Protocol):
    """The checks that the figures need, bounded in time; they never raise."""

    def degraded(self) -> Mapping[str, str]:
        """What is down, with causes: `redis`, `worker`."""

    def database_fault(self) -> StorageFault | None:
        """Why no order can be written, or None."""


@dataclass(frozen=True, slots=True)
class Figures:
    """All figures of a web process; None where the source gives no answer."""

    missing: frozenset[str]
    open_orders: OpenOrders | None
    steps: Steps | None
    of_workers: Counts | None
    of_this_service: Counts
    """The counts of all processes behind this process's port."""
    queued: Mapping[str, int] | None = None
    causes: Mapping[str, str] = field(default_factory=dict)
    """The cause of each entry of `missing`, where known."""
    storage_fault: StorageFault | None = None


class Monitor:
    """Reads the figures on demand, at most once in `fresh_s` seconds.

    If many callers ask at the same time, one of them reads and the others wait for it.
    """

    def __init__(
        self,
        orders: OrderFigures,
        shared: SharedCounts,
        checks: HealthChecks,
        metrics: ProcessMetrics,
        fresh_s: float = FRESH_S,
    ) -> None:
        self._metrics = metrics
        self._open_orders = _Cached(lambda: _or_none(orders.open_orders), fresh_s)
        self._steps = _Cached(lambda: _or_none(orders.steps), fresh_s)
        self._shared = _Cached(shared.read, fresh_s)
        self._queued = _Cached(shared.queued, fresh_s)
        self._degraded = _Cached(checks.degraded, fresh_s)
        self._fault = _Cached(checks.database_fault, fresh_s)

    def open_orders(self) -> OpenOrders | None:
        """The open orders, or None while PostgreSQL gives no answer."""
        return self._open_orders()

    def figures(self) -> Figures:
        """All figures; never raises. A server that is down costs one time-out in total."""
        fault = self._fault()
        gives_no_answer = fault is not None and fault.cause is StorageCause.NO_ANSWER
        open_orders = None if gives_no_answer else self._open_orders()
        missing = self._degraded()
        return Figures(
            missing=frozenset({*missing, *({"postgresql"} if open_orders is None else ())}),
            causes=missing,
            open_orders=open_orders,
            steps=None if open_orders is None else self._steps(),
            of_workers=None if "redis" in missing else self._shared(),
            of_this_service=self._metrics.counts(),
            queued=None if "redis" in missing else self._queued(),
            storage_fault=fault,
        )


def _or_none(read: Callable[[], T]) -> T | None:
    try:
        return read()
    except StorageUnavailable as error:
        log.warning("figures_unavailable", error=str(error))
    except Exception:
        log.exception("figures_failed")  # the other figures must still be read
    return None


class _Cached(Generic[T]):
    """A value that is read again when it is too old."""

    def __init__(self, read: Callable[[], T], fresh_s: float) -> None:
        self._read = read
        self._fresh_s = fresh_s
        self._lock = threading.Lock()
        self._cached: tuple[float, T] | None = None

    def __call__(self) -> T:
        with self._lock:
            if self._cached is None or time.monotonic() - self._cached[0] > self._fresh_s:
                value = self._read()
                self._cached = (time.monotonic(), value)
            return self._cached[1]
