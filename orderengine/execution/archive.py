"""What operators ask of the store: orders that stand still, all rows, and room for new ones."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from orderengine.domain.order import OrderStatus, known_status
from orderengine.execution.intake import KEY_LIFETIME
from orderengine.execution.ports import Orders

PAGE = 1000
PRUNE_BATCH = 200
OVERDUE_S = 10.0
"""A reconciler looks every second: what has been due for longer is claimed by nobody."""
MANY_REDISPATCHES = 3
YOUNGEST = timedelta(days=1)
"""Whatever is younger may still be asked for, and its signed bytes may still be on their way."""

Row = Mapping[str, Any]

ORDER_COLUMNS = (
    *("orderId", "clientId", "clientOrderId", "symbol", "side", "quantity", "slippageBps"),
    *("worstPrice", "maxLegs", "status", "attempt", "version", "recoveries", "dex"),
    *("quotedPrice", "limitAmount", "executedPrice", "slippagePct", "fee", "baseAmount"),
    *("quoteAmount", "txHash", "landedAt", "reason", "detail", "createdAt", "updatedAt"),
)
"""What is exported of an order: named as in the API, and with the same meaning."""
EVENT_COLUMNS = ("orderId", "seq", "status", "attempt", "at", "data")


@dataclass(frozen=True, slots=True)
class StandingOrder:
    """An open order with what tells why it stands still; times in seconds.

    `due_in_s` is when recovery looks at it; negative if that time has passed. `status` may be one
    that only a later release knows.
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

    def reason(self, stuck_after_s: float) -> str | None:
        """Why it stands still, in one word of `orders stuck`; None if it does not."""
        if self.due_in_s < -OVERDUE_S:
            return "unclaimed"
        if known_status(self.status) is None:
            return "release"
        if self.status == OrderStatus.SUBMITTED:
            return "network" if self.unmoved_s > stuck_after_s else None
        return "workers" if self.redispatched >= MANY_REDISPATCHES else None


class Lag(NamedTuple):
    """How many orders are due and unclaimed, and for how long the first of them, in seconds."""

    orders: int
    oldest_s: float


class Prunable(NamedTuple):
    """Ended orders whose history may go, with the number of their events; never counts on."""

    orders: int
    events: int
    more: bool


class Archive(Protocol):
    """The store as operators see it; every method raises StorageUnavailable."""

    def standing(self, limit: int) -> Sequence[StandingOrder]:
        """Open orders, those first that recovery is to look at first."""

    def lag(self) -> Lag:
        """How far recovery is behind."""

    def make_due(self, order_id: UUID) -> StandingOrder | None:
        """Have recovery look at an open order at once; None if there is no such open order."""

    def order_rows(self, after: UUID | None, limit: int) -> Sequence[Row]:
        """All orders by id, beyond one of them; with ORDER_COLUMNS."""

    def event_rows(self, after: tuple[UUID, int] | None, limit: int) -> Sequence[Row]:
        """All events by order and `seq`, beyond one of them; with EVENT_COLUMNS."""

    def estimate(self, table: str) -> int:
        """About how many rows a table has."""

    def prunable(self, age_s: float) -> Prunable:
        """What `prune` would forget."""

    def prunable_ids(self, age_s: float, limit: int) -> Sequence[UUID]:
        """Orders that ended longer ago, were counted by the metrics, and still have events."""

    def forget_events(self, order_ids: Collection[UUID]) -> int:
        """Drop the events of these orders, unless one is open; returns how many."""


class Witness(Protocol):
    """The network's memory of what it executed; raises NetworkUnavailable."""

    def forget(self, order_ids: Collection[UUID]) -> int:
        """Drop what it knows of these orders; returns how many rows."""


class Pruned(NamedTuple):
    """What was dropped."""

    orders: int = 0
    events: int = 0
    ledger_rows: int = 0
    keys: int = 0


def export_orders(archive: Archive) -> Iterator[Sequence[Row]]:
    """All orders, a page at a time; each order once, but not all as of one moment."""
    last = None
    while page := archive.order_rows(last, PAGE):
        yield page
        last = page[-1]["orderId"]


def export_events(archive: Archive) -> Iterator[Sequence[Row]]:
    """All events, a page at a time."""
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
    """Forget how orders came to their end that ended longer ago than `age`.

    The orders stay, with their fills and settlements, and so do the totals of the metrics. What
    the network knows goes first: a batch that is interrupted is found again by its events.
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
