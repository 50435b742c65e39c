"""Which waiting orders of a client the next look has to find."""

from datetime import datetime, timedelta

from orderengine.execution.queries.latest_steps import ClientSnapshot

FULL_LOOK_EVERY = timedelta(seconds=30)
"""How often all waiting orders are looked at, not only the changed ones."""


class Looks:
    """What a follower keeps of its looks at the store.

    A look at changed orders finds every waiting order that has moved, and every order that moves.
    It overlooks only a waiting order that ended by a step that began long before. A full look finds
    that, and follows within `FULL_LOOK_EVERY`. No cursor passes such a step by: `oldest_waiting` is
    when the last step began of the order that had waited longest, at any look since the full one.
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
