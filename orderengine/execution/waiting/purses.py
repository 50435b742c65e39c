"""How much of their clients' daily limits the orders of one look may take."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from orderengine.domain.daily import DailyCharge
from orderengine.domain.errors import FailureReason
from orderengine.domain.moves import Trigger
from orderengine.domain.order import Order
from orderengine.execution.intake.daily import Days
from orderengine.execution.ports import PreparedStart
from orderengine.execution.waiting.judging import PutOff, Verdict
from orderengine.execution.waiting.prices import Look, SeenPrice, best_marginal, out_of_reach


@dataclass
class Purses:
    """Charges the orders that are to start, one after another, in whole USDC up to `most` a client.

    Without a limit, which is 0, none is charged. The store decides; this only keeps orders from
    being tried that cannot start today.
    """

    most: int = 0
    taken: dict[str, Decimal] = field(default_factory=dict)

    @classmethod
    def of(cls, orders: Sequence[Order], days: Days, most: int) -> "Purses":
        """The purses of these orders' clients; raises StorageUnavailable."""
        if not most or not orders:
            return cls()
        return cls(most, dict(days.charged(sorted({order.client_id for order in orders}))))

    def charged(self, order: Order, verdict: Verdict, look: Look, seen: SeenPrice) -> Verdict:
        """The verdict with its charge; the order waits on if its client's day is spent."""
        if not self.most or not isinstance(verdict, Trigger | PreparedStart):
            return verdict
        price = _price_of(order, verdict, look)
        charge = DailyCharge.of(order.quantity, order.quote_quantity, price, self.most)
        after = self.taken.get(order.client_id, Decimal(0)) + charge.usdc
        if after > self.most:
            # All are looked at anew within a minute.
            never = out_of_reach(order.type, order.side, seen.price)
            return PutOff(never, FailureReason.DAILY_LIMIT)
        self.taken[order.client_id] = after
        if isinstance(verdict, PreparedStart):
            return replace(verdict, trigger=replace(verdict.trigger, daily=charge))
        return replace(verdict, daily=charge)


def _price_of(order: Order, verdict: Trigger | PreparedStart, look: Look) -> Decimal:
    """The price that starts the order; for a sniper the pool's, or the worst that it takes."""
    if isinstance(verdict, PreparedStart):
        return verdict.build.route.price
    if verdict.seen_price is not None:
        return verdict.seen_price
    found = best_marginal(look.instrument, order.side, look.offers(order.side))
    return (found.price if found else order.worst_price) or Decimal(0)
