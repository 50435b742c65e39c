"""The order in which a worker asks the broker's queues."""

from collections.abc import Iterable

from kombu.utils.scheduling import priority_cycle

from orderengine.redis.queues import INTAKE, SETTLE


class UrgentFirst(priority_cycle):  # type: ignore[type-arg]  # generic in its stub alone
    """Orders the queues by urgency, however they were added.

    kombu's own `priority` keeps the order in which queues were added. A queue that an operator
    cancels and adds again would come last.
    """

    URGENCY = (SETTLE, INTAKE)

    def update(self, it: Iterable[str]) -> None:
        """Take these queues; queues that the engine does not know come last."""
        names = list(it)
        known = [name for name in self.URGENCY if name in names]
        super().update([*known, *(name for name in names if name not in self.URGENCY)])
