"""The state that a client's follower keeps of one order."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from orderengine.execution.standing import Standing


@dataclass(slots=True)
class Known:
    """An order of the client; `seen` is the `seq` of its last queued event."""

    seen: int = 0
    standing: Standing | None = None
    ended_at: datetime | None = None

    @classmethod
    def in_full(cls, standing: Standing) -> Self:
        """An order whose events up to here were all sent, or are not stored any more."""
        return cls(standing.seq, standing, standing.moved_at if standing.has_ended else None)
