"""The state of the demo's orders: written by the threads that follow them, read by one."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from orderengine.cli.demo_orders import DemoOrder
from orderengine.cli.events import TERMINAL, Event
from orderengine.domain.errors import FailureReason
from orderengine.domain.order import OrderStatus


@dataclass(frozen=True, slots=True)
class Row:
    """An order as its client sees it; times in seconds since the demo began."""

    number: int
    order: DemoOrder
    status: str = "placing"
    attempt: int = 1
    venue: str = ""
    quoted_price: str = ""
    executed_price: str = ""
    slippage_pct: str = ""
    reason: str = ""
    began_s: float = 0.0
    ended_s: float | None = None
    problem: str = ""
    in_doubt: bool = False
    order_id: str = ""

    @property
    def is_terminal(self) -> bool:
        """Whether the order has ended."""
        return self.status in TERMINAL

    @property
    def is_over(self) -> bool:
        """Whether no more events of it will come."""
        return self.is_terminal or bool(self.problem)

    @property
    def failed_as_intended(self) -> bool:
        """Whether it failed because the demo meant it to."""
        is_slippage = self.reason == FailureReason.SLIPPAGE_EXCEEDED
        return self.status == OrderStatus.FAILED and self.order.is_to_fail and is_slippage

    @property
    def shown_status(self) -> str:
        """Its status; for an order with a problem, a word for that."""
        if not self.problem:
            return self.status
        if self.order_id:
            return "unwatched"
        return "in doubt" if self.in_doubt else "unplaced"

    def document(self) -> dict[str, Any]:
        """The row for programs; unknown fields are absent."""
        known = {
            "orderId": self.order_id,
            "dex": self.venue,
            "quotedPrice": self.quoted_price,
            "executedPrice": self.executed_price,
            "slippagePct": self.slippage_pct,
            "reason": self.reason,
            "problem": self.problem,
        }
        document = {"number": self.number, **self.order.document(), "status": self.status}
        if self.failed_as_intended:
            document["asIntended"] = True
        document |= {"attempt": self.attempt, "beganS": round(self.began_s, 3)}
        document |= {name: value for name, value in known.items() if value}
        return document if self.ended_s is None else document | {"endedS": round(self.ended_s, 3)}

    def after(self, event: Event, now_s: float) -> "Row":
        """The row after this event."""
        data = event["data"]
        row = replace(
            self,
            status=event["status"],
            attempt=event["attempt"],
            venue=data.get("dex", self.venue),
            quoted_price=data.get("quotedPrice", self.quoted_price),
            executed_price=data.get("executedPrice", ""),
            slippage_pct=data.get("slippagePct", ""),
            reason=data.get("reason", self.reason),
        )
        return replace(row, ended_s=now_s) if row.is_terminal else row


@dataclass
class Board:
    """The rows, in the order of their numbers."""

    orders: Sequence[DemoOrder]
    _rows: dict[int, Row] = field(init=False)
    _changed: threading.Condition = field(init=False, default_factory=threading.Condition)

    def __post_init__(self) -> None:
        self._rows = {n: Row(n, order) for n, order in enumerate(self.orders, start=1)}

    def rows(self) -> list[Row]:
        """All rows as they are now."""
        with self._changed:
            return list(self._rows.values())

    def row(self, number: int) -> Row:
        """One row as it is now."""
        with self._changed:
            return self._rows[number]

    def put(self, row: Row) -> None:
        """Replace the row of that number."""
        with self._changed:
            self._rows[row.number] = row
            self._changed.notify_all()

    def wait(self, timeout_s: float) -> bool:
        """Wait until all orders are over, at most `timeout_s`; returns whether they are."""
        with self._changed:
            return self._changed.wait_for(
                lambda: all(row.is_over for row in self._rows.values()), timeout_s
            )
