"""Waits until the orders of a run have ended, or until it is sure that some never will."""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import text

from chaos.rig import Rig
from harness.waiting import wait_until

END_LIMIT_S = 120.0
STALLED_S = 75.0
"""No order rests so long and then moves: a transaction whose bytes were lost is valid for 60 s."""

PAUSE_S = 0.1
"""So that looks are not a load."""

_OPEN = text("SELECT count(*), coalesce(sum(version), 0) FROM orders WHERE due_at IS NOT NULL")

OpenOrders = tuple[int, int]
"""How many orders are open, and the sum of their versions, which each of their moves raises."""


def wait_for_ends(rig: Rig) -> None:
    """Wait for the ends of all orders; an invariant reports those that are left.

    A busy machine gets more time for them, see `stretched`, but only as long as any order moves.
    Without that a run whose orders are stuck would only tell so after a quarter of an hour.
    """
    with contextlib.suppress(TimeoutError):
        ends = Ends(lambda: _look(rig))
        wait_until(ends.have_come, END_LIMIT_S, "orders are open", pause_s=PAUSE_S)


@dataclass
class Ends:
    """Looks whether all orders have ended, or none has moved for STALLED_S."""

    look: Callable[[], OpenOrders]
    monotonic: Callable[[], float] = time.monotonic
    _seen: OpenOrders | None = None
    _since: float = 0.0

    def have_come(self) -> bool:
        """Look once."""
        found, now = self.look(), self.monotonic()
        if found != self._seen:
            self._seen, self._since = found, now
        count, _ = found
        return not count or now - self._since > STALLED_S


def _look(rig: Rig) -> OpenOrders:
    with rig.database.connect() as connection:
        count, versions = connection.execute(_OPEN).one()
    return int(count), int(versions)
