"""The metrics: counts per process, for facts that no row and no event records."""

import threading
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import NamedTuple, Protocol
from uuid import UUID

from orderengine.domain.errors import DispatchUnavailable
from orderengine.domain.moves import RoutingCause
from orderengine.execution.chain.handover import Built, Submitted
from orderengine.execution.ports import Dispatcher

MOST_ENDED = 1000


class CounterName(StrEnum):
    """A counter; each has one label, which may be empty."""

    ACCEPTED = "accepted"
    """Orders that were accepted, replayed answers excluded."""
    REFUSALS = "refusals"
    """Orders, and whole batches, that were answered with a problem, by its code."""
    CANCELS = "cancels"
    """Answers to cancels, by outcome: `canceled`, `requested`, `too_late` or `refused`."""
    REDISPATCHES = "redispatches"
    """Messages that recovery sent, by the order's status."""
    RECONCILER_ROUNDS = "reconcilerRounds"
    """Rounds of a reconciler, by outcome: `ok`, `postponed` or `failed`."""
    DISPATCH_FAILURES = "dispatchFailures"
    """Messages that the broker did not accept."""
    PUBLISH_FAILURES = "publishFailures"
    """Events that were stored but not published."""
    SOCKETS_CLOSED = "socketsClosed"
    """WebSockets that a web process closed or lost, by the reason."""
    OPEN_SOCKETS = "openSockets"
    """WebSockets and event streams that a web process serves now; goes up and down."""
    SOCKETS = "sockets"
    """The same by kind and age, as `kind:age`, counted now and then."""
    SOCKET_QUEUES = "socketQueues"
    """The same by the number of messages that wait for the client."""
    FAN_OUT_TIME = "fanOutTime"
    """Time from when an event was stored to its last byte on a socket: a histogram."""
    HUB_REREADS = "hubRereads"
    """Events that a web process missed live and read from the database."""
    SUBSCRIPTION_LOSSES = "subscriptionLosses"
    """Redis subscriptions that a web process lost or could not make."""
    MESSAGES_DROPPED = "messagesDropped"
    """Malformed messages that a worker dropped, by reason."""
    STALE_PRICES = "stalePrices"
    """Looks of a price watcher that started nothing because the price was too old, by symbol."""
    TRIGGER_TIME = "triggerTime"
    """Time from when a price was seen to the start of an order: a histogram per type."""
    RPC_TIME = "rpcTime"
    """Time of the requests to a live network's nodes: a histogram per method."""
    RPC_ERRORS = "rpcErrors"
    """Requests to the nodes without a useful answer, as `method:cause`."""
    LANDED = "landed"
    """Swaps that landed on a live network, by their error as `program:code`, or `ok`."""
    NOT_SIGNED = "notSigned"
    """Swaps that a live network refused before they were signed, by the reason."""
    FEES_PAID = "feesPaid"
    """Lamports paid, by what for: `network`, `priority` or `rent`."""
    SETTLEMENTS_GONE = "settlementsGone"
    """Settlements that were confirmed, and are not final after two minutes."""
    QUOTES = "quotes"
    """Quotes that won or lost, as `venue:outcome`; see `execution.operations.order_metrics`."""
    ATTEMPTS = "attempts"
    """Orders that ended, by their number of attempts."""
    STAGE_TIME = "stageTime"
    """Time that orders stayed in a status: a histogram per status."""
    ORDER_TIME = "orderTime"
    """Time from acceptance to the end of an order: a histogram per last status."""
    SLIPPAGE = "slippage"
    """The slippage of confirmed orders: a histogram per side."""


class Sample(NamedTuple):
    """A counter with one value of its label."""

    counter: CounterName
    label: str = ""


Counts = Mapping[Sample, int]


class Metrics(Protocol):
    """Counts events of this process; never raises, never blocks."""

    def count(self, counter: CounterName, label: str = "", by: int = 1) -> None:
        """Add `by` to a counter."""

    def ended(self, order_id: UUID) -> None:
        """Remember an order that ended here, to be measured later."""

    def take_ended(self) -> list[UUID]:
        """The orders that ended since the last call; if too many, the latest."""


class SharedTable(Protocol):
    """Counts that several processes share."""

    def add(self, sample: Sample, by: int) -> bool:
        """Add for this process; False if the table has no room for this sample."""

    def totals(self) -> Counts:
        """The sums over all processes."""


class ProcessMetrics:
    """Implements `Metrics` in memory; safe for any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[Sample] = Counter()
        self._ended: deque[UUID] = deque(maxlen=MOST_ENDED)
        self._shared: SharedTable | None = None

    def share(self, table: SharedTable) -> None:
        """Count in this table from now on, and return the sums of all processes that share it."""
        with self._lock:
            self._shared = table
            for sample, number in list(self._counts.items()):
                if table.add(sample, number):
                    del self._counts[sample]

    def count(self, counter: CounterName, label: str = "", by: int = 1) -> None:
        """Add `by` to a counter."""
        sample = Sample(counter, label)
        with self._lock:
            if self._shared is None or not self._shared.add(sample, by):
                self._counts[sample] += by

    def ended(self, order_id: UUID) -> None:
        """Remember an order that ended here; beyond 1,000 the oldest is dropped."""
        with self._lock:
            self._ended.append(order_id)

    def take_ended(self) -> list[UUID]:
        """The orders that ended since the last call."""
        with self._lock:
            taken = list(self._ended)
            self._ended.clear()
            return taken

    def counts(self) -> Counts:
        """The counts of this process, or of all that share its table, since they started."""
        with self._lock:
            own = dict(self._counts)
        return own if self._shared is None else {**self._shared.totals(), **own}


class CountingDispatcher:
    """Implements `execution.ports.Dispatcher` on another dispatcher, and counts its failures."""

    def __init__(self, dispatcher: Dispatcher, metrics: Metrics) -> None:
        self._dispatcher = dispatcher
        self._metrics = metrics

    def route(
        self,
        order_id: UUID,
        version: int,
        cause: RoutingCause,
        delay_s: float = 0.0,
        *,
        again: bool = False,
    ) -> None:
        """Start the chain, after a delay."""
        with self._counting():
            self._dispatcher.route(order_id, version, cause, delay_s, again=again)

    def route_all(
        self,
        versions: Mapping[UUID, int],
        cause: RoutingCause,
        requests: Mapping[UUID, str | None] | None = None,
    ) -> None:
        """Start the chains of several orders; each counts if the broker accepts none."""
        with self._counting(len(versions)):
            self._dispatcher.route_all(versions, cause, requests)

    def submit_all(self, groups: Sequence[Sequence[Built]]) -> None:
        """Start the third stage for groups; each order counts if the broker accepts none."""
        with self._counting(sum(map(len, groups))):
            self._dispatcher.submit_all(groups)

    def confirm(self, submitted: Submitted) -> None:
        """Start the last stage alone."""
        with self._counting():
            self._dispatcher.confirm(submitted)

    def waiting(self, wanted: Mapping[UUID, int]) -> set[UUID]:
        """Those of these orders that have a message in a queue; a failure is not counted."""
        return self._dispatcher.waiting(wanted)

    def ping(self) -> None:
        """Check that messages can be sent now; a failure is not counted."""
        self._dispatcher.ping()

    @contextmanager
    def _counting(self, messages: int = 1) -> Iterator[None]:
        try:
            yield
        except DispatchUnavailable:
            self._metrics.count(CounterName.DISPATCH_FAILURES, by=messages)
            raise
