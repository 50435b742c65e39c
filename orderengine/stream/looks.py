"""Which waiting orders of a client the next look has to find."""

from datetime import datetime, timedelta

from orderengine.execution.queries.latest_steps import ClientSnapshot

FULL_LOOK_EVERY = timedelta(minutes=2)
"""How often all waiting orders are looked at, not only the changed ones."""


class Looks:
    """The state that a follower keeps between its looks at a client's orders.

    A look at changed orders finds every order that does not wait, and each waiting one that has
    moved. It misses only a waiting order whose last step began long before it was committed. A full
    look finds that, and follows within `FULL_LOOK_EVERY`. No cursor is later than such a step:
    `oldest_waiting` is the time of the oldest last step of a waiting order, over all looks since
    the full one.
    """

    def __init__(self, first: ClientSnapshot) -> None:
        self.needs_full = True
        self.oldest_waiting = first.oldest_waiting
        self._latest = self._latest_full = first

    def waiting_from(self) -> int | None:
        """The first transaction whose waiting orders the next look has to find; None: all."""
        age = self._latest.taken_at - self._latest_full.taken_at
        is_full = self.needs_full or not timedelta(0) <= age < FULL_LOOK_EVERY
        return None if is_full else self._latest.horizon

    def note(self, snapshot: ClientSnapshot) -> None:
        """Take note of a look."""
        self._latest = snapshot
        oldest: list[datetime | None] = [snapshot.oldest_waiting]
        if snapshot.has_all_waiting:
            self.needs_full = False
            self._latest_full = snapshot
        else:
            oldest.append(self.oldest_waiting)
        self.oldest_waiting = min((each for each in oldest if each is not None), default=None)
