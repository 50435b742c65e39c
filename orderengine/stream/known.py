"""What a client's follower knows of one order."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from orderengine.execution.standing import Standing


@dataclass(slots=True)
class Known:
    """An order of the client: `seen` is the last of its events that was queued."""

    seen: int = 0
    standing: Standing | None = None
    ended_at: datetime | None = None

    @classmethod
    def in_full(cls, standing: Standing) -> Self:
        """An order all of whose events up to here were sent, or are not stored any more."""
        return cls(standing.seq, standing, standing.moved_at if standing.has_ended else None)
