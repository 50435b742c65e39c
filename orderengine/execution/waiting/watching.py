"""The part of the store that the price watcher needs."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from orderengine.domain.errors import FailureReason
from orderengine.domain.order import Order
from orderengine.domain.side import Side
from orderengine.domain.terms import OrderType
from orderengine.execution.unreadable import Unreadable
from orderengine.execution.waiting.prices import SeenPrice


@dataclass(frozen=True, slots=True)
class Watched:
    """A kind of orders that wait, of a symbol which this watcher holds."""

    symbol: str
    type: OrderType
    side: Side


@dataclass(frozen=True, slots=True)
class NextLook:
    """The price at which an order of this version is to be looked at again."""

    order_id: UUID
    version: int
    watch_price: Decimal
    because: FailureReason | None = None


class Waiting(Protocol):
    """Finds orders that wait; every method raises StorageUnavailable."""

    def hold(
        self, holder: str, symbols: Sequence[str], lease_s: float
    ) -> Mapping[Watched, Decimal | None]:
        """Take or keep the watch over those symbols that no other watcher holds.

        Only over symbols with orders that wait. Returns their kinds, each with the watched price
        that comes first, or None if an order has none. Empty while triggers are halted.
        """

    def release(self, holder: str) -> None:
        """Give up the watch over all symbols."""

    def come(self, seen: Mapping[Watched, SeenPrice]) -> Collection[Watched]:
        """Those of these kinds that have candidates at their price."""

    def candidates(
        self, watched: Watched, seen: SeenPrice, limit: int
    ) -> Sequence[Order | Unreadable]:
        """Orders whose watched price has come, or whose pool is deep enough.

        At most `limit`: the most aggressive ones, of equal ones the oldest. Leaves out orders that
        may not start before a later price than this one.
        """

    def put_off(self, looks: Sequence[NextLook]) -> None:
        """Set the prices at which orders are looked at next; skips those that moved or are locked.

        This is no move: it writes no event, and leaves the version.
        """

    def look_anew(self, holder: str, symbol: str) -> None:
        """Look at all orders of a symbol at their own prices again, and note how many wait."""

    def hold_unknown(self, symbols: Sequence[str]) -> Collection[UUID]:
        """Note at orders of other symbols than these why they wait: `UNKNOWN_SYMBOL`.

        Returns those that did not say so, at most 1000 of a symbol at a time. Looking anew at their
        symbol takes it back.
        """

    def still_at(self, versions: Mapping[UUID, int]) -> Collection[UUID]:
        """Those of these orders that no worker has taken since this version."""
