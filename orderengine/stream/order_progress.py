"""The state that a client's follower keeps of one order."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from orderengine.execution.queries.latest_steps import OrderState


@dataclass(slots=True)
class OrderProgress:
    """An order of the client; `seen` is the `seq` of its last queued event."""

    seen: int = 0
    state: OrderState | None = None
    ended_at: datetime | None = None

    @classmethod
    def in_full(cls, state: OrderState) -> Self:
        """An order whose events up to here were all sent, or are not stored any more."""
        return cls(state.seq, state, state.moved_at if state.has_ended else None)
