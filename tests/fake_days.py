"""The days of clients in memory: what orders take of them, and give back."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date
from decimal import Decimal
from uuid import UUID

from orderengine.domain.daily import DailyCharge
from orderengine.domain.errors import DailyLimitReached
from orderengine.domain.order import Order, OrderStatus
from orderengine.execution.ports import Clock


class FakeDays:
    """Implements `execution.intake.daily.Days`; `reads` counts the looks."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.reads = 0
        self._taken: dict[tuple[date, str], Decimal] = {}
        self._charges: dict[UUID, tuple[date, str, Decimal]] = {}

    def charged(self, client_ids: Sequence[str]) -> Mapping[str, Decimal]:
        self.reads += 1
        found = {each: self._taken.get((self._today(), each)) for each in client_ids}
        return {client: taken for client, taken in found.items() if taken is not None}

    def forget(self, limit: int) -> int:
        return 0

    def charge(self, order: Order, daily: DailyCharge | None) -> None:
        """Charge an order; raises DailyLimitReached, and then charges nothing."""
        if daily is None or order.order_id in self._charges:
            return
        key = self._today(), order.client_id
        after = self._taken.get(key, Decimal(0)) + daily.usdc
        if after > daily.most:
            raise DailyLimitReached("the day is spent")
        self._taken[key] = after
        self._charges[order.order_id] = (*key, daily.usdc)

    def give_back(self, order: Order) -> None:
        """Give the charge of an order back if it has none in this status."""
        has_ended = order.status.is_terminal and order.status is not OrderStatus.CONFIRMED
        if has_ended or order.status is OrderStatus.WAITING:
            found = self._charges.pop(order.order_id, None)
            if found is not None:
                self._taken[found[:2]] -= found[2]

    def _today(self) -> date:
        return self.clock.now().astimezone(UTC).date()
