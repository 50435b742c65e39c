"""Operators' view of the store: stalled orders, exports, and deletion of old events."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from orderengine.domain.events import OrderEvent
from orderengine.domain.fields import Seen, members
from orderengine.domain.order import Order, OrderStatus, known_status
from orderengine.execution.intake.accept import KEY_LIFETIME
from orderengine.execution.ports import Orders

PAGE = 1000
PRUNE_BATCH = 200
OVERDUE_S = 10.0
"""A reconciler looks every second: an order due for longer than this is claimed by nobody."""
MANY_REDISPATCHES = 3
YOUNGEST = timedelta(days=1)
"""Younger orders may still be queried, and their signed bytes may still land."""

Row = Mapping[str, Any]

_FIRST_COLUMNS = (
    *("orderId", "clientId", "clientOrderId", "symbol", "side", "quantity", "slippageBps"),
    *("worstPrice", "maxLegs", "status", "attempt", "version", "recoveries", "dex"),
    *("quotedPrice", "limitAmount", "executedPrice", "slippagePct", "fee", "baseAmount"),
    *("quoteAmount", "txHash", "landedAt", "reason", "detail", "createdAt", "updatedAt"),
)
# A later field has its column behind these, so that nobody's column moves.
_LATER_COLUMNS = (
    each.name
    for each in members(Order)
    if each.is_scalar and each.column and each.told.seen >= Seen.OPERATORS
    if each.name not in _FIRST_COLUMNS
)
ORDER_COLUMNS = (*_FIRST_COLUMNS, *_LATER_COLUMNS)
"""The columns of an exported order; names and meanings are those of the API."""
EVENT_COLUMNS = tuple(each.name for each in members(OrderEvent) if not each.is_part)


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """An open order with the values that show why it has stalled; times in seconds.

    `due_in_s` is the time until recovery looks at it, negative if overdue. `status` may be one that
    only a later release knows. `placed_on` is its network, if that is known, `wallet` that of
    its transaction.
    """

    order_id: UUID
    status: str
    attempt: int
    version: int
    unmoved_s: float
    due_in_s: float
    recoveries: int
    redispatched: int
    tx_hash: str | None
    placed_on: str | None = None
    wallet: str | None = None

    def reason(self, stuck_after_s: float, foreign: Collection[tuple[str, str]] = ()) -> str | None:
        """Why the order has stalled, as a word of `orders stuck`; None if it has not.

        `foreign` are the networks and wallets whose orders are left alone.
        """
        if (self.placed_on, self.wallet or "") in foreign:
            return "foreign"
        if self.due_in_s < -OVERDUE_S:
            return "unclaimed"
        if known_status(self.status) is None:
            return "release"
        if self.status == OrderStatus.SUBMITTED:
            return "network" if self.unmoved_s > stuck_after_s else None
        return "workers" if self.redispatched >= MANY_REDISPATCHES else None


class Lag(NamedTuple):
    """The number of due and unclaimed orders, and how long the oldest has been due, in seconds."""

    orders: int
    oldest_s: float


class Prunable(NamedTuple):
    """Ended orders that `prune` may clear, and the number of their events; `more` if cut short."""

    orders: int
    events: int
    more: bool


class Archive(Protocol):
    """The store for operators; every method raises StorageUnavailable without an answer."""

    def open_orders(self, limit: int) -> Sequence[OpenOrder]:
        """Open orders, sorted by when recovery is to look at them."""

    def lag(self) -> Lag:
        """How late recovery is."""

    def make_due(self, order_id: UUID) -> OpenOrder | None:
        """Make an open order due for recovery at once; None if there is no such open order."""

    def order_rows(self, after: UUID | None, limit: int) -> Sequence[Row]:
        """Orders sorted by id, starting after `after`, with ORDER_COLUMNS."""

    def event_rows(self, after: tuple[UUID, int] | None, limit: int) -> Sequence[Row]:
        """Events sorted by order and `seq`, starting after `after`, with EVENT_COLUMNS."""

    def estimate(self, table: str) -> int:
        """The approximate number of rows of a table."""

    def prunable(self, age_s: float) -> Prunable:
        """What `prune` would delete."""

    def prunable_ids(self, age_s: float, limit: int) -> Sequence[UUID]:
        """Orders that ended longer ago, are counted in the totals, and still have events."""

    def forget_events(self, order_ids: Collection[UUID]) -> int:
        """Delete the events of these orders, except open ones; returns how many."""


class Witness(Protocol):
    """The network's record of executed transactions; raises NetworkUnavailable."""

    def forget(self, order_ids: Collection[UUID]) -> int:
        """Delete the record of these orders; returns how many rows."""


class Pruned(NamedTuple):
    """Counts of deleted rows."""

    orders: int = 0
    events: int = 0
    ledger_rows: int = 0
    keys: int = 0


def export_orders(archive: Archive) -> Iterator[Sequence[Row]]:
    """All orders, page by page; each order once, but not as one snapshot."""
    last = None
    while page := archive.order_rows(last, PAGE):
        yield page
        last = page[-1]["orderId"]


def export_events(archive: Archive) -> Iterator[Sequence[Row]]:
    """All events, page by page."""
    last = None
    while page := archive.event_rows(last, PAGE):
        yield page
        last = page[-1]["orderId"], page[-1]["seq"]


def prune(
    archive: Archive,
    orders: Orders,
    witness: Witness,
    age: timedelta,
    done: Callable[[Pruned], None],
) -> Pruned:
    """Delete the history of orders that ended longer ago than `age`.

    The orders stay, with their fills and settlements, and so do the totals of the metrics. The
    network's record goes first: the events left by an interrupted batch lead back to its orders.
    Raises ValueError for an age below a day.
    """
    if age < YOUNGEST:
        raise ValueError(f"must be at least {YOUNGEST.days} day")
    total = Pruned()
    while ids := archive.prunable_ids(age.total_seconds(), PRUNE_BATCH):
        rows = witness.forget(ids)
        batch = Pruned(len(ids), archive.forget_events(ids), rows)
        total = _sum(total, batch)
        done(total)
    while keys := orders.forget_keys(max(age, KEY_LIFETIME).total_seconds(), PAGE):
        total = _sum(total, Pruned(keys=keys))
    return total


def _sum(one: Pruned, other: Pruned) -> Pruned:
    return Pruned(*(a + b for a, b in zip(one, other, strict=True)))
