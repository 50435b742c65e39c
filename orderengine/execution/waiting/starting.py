"""Starts the orders that a price watcher has chosen, and hands them to the workers.

Prepared orders are built at once, with the offers in hand, and go straight to the third stage, in
groups. The others go through the chain from its beginning.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import structlog

from orderengine.domain.errors import DailyLimitReached, DispatchUnavailable, StorageUnavailable
from orderengine.domain.events import Moved
from orderengine.domain.moves import RoutingCause, Trigger
from orderengine.domain.order import Order, OrderStatus
from orderengine.domain.terms import OrderType
from orderengine.execution.chain.engine import Engine
from orderengine.execution.chain.slots import GROUP_MAX
from orderengine.execution.chain.swaps import handover_of
from orderengine.execution.operations.order_metrics import record_trigger
from orderengine.execution.ports import PlannedMove, PreparedStart
from orderengine.execution.waiting.watching import Waiting

log = structlog.get_logger(__name__)

MOST_SNIPERS = 200
"""The most snipers that were started and that no worker has taken yet."""
AT_ONCE = 50
"""The workers sign the first prepared orders while the next ones are moved."""


@dataclass
class Room:
    """How many more orders may be started now: snipers have a room of their own."""

    others: int
    snipers: int

    def of(self, kind: OrderType) -> int:
        """How many orders of this type may still start, at least 0."""
        return self.snipers if kind is OrderType.SNIPER else self.others

    def take(self, kind: OrderType, count: int) -> None:
        """Note that so many of this type have started."""
        if kind is OrderType.SNIPER:
            self.snipers -= count
        else:
            self.others -= count


@dataclass
class ChosenStarter:
    """Starts orders, and counts those that no worker has taken yet.

    As many may wait for a worker as its `slots` take in groups, so that a usual tick needs one
    batch. Snipers have a room of their own.
    """

    engine: Engine
    waiting: Waiting
    slots: int
    _others: dict[UUID, int] = field(default_factory=dict)
    _snipers: dict[UUID, int] = field(default_factory=dict)

    def room(self) -> Room:
        """How many more may be started now; raises StorageUnavailable."""
        started = self._others | self._snipers
        if started:
            still = self.waiting.still_at(started)
            self._others, self._snipers = (
                {key: version for key, version in kind.items() if key in still}
                for kind in (self._others, self._snipers)
            )
        most = self.slots * self.engine.pace.group_size
        others = most - len(self._others)
        # Each look costs as much for one order as for many.
        is_worth_it = 2 * others >= most
        return Room(others if is_worth_it else 0, MOST_SNIPERS - len(self._snipers))

    def trigger(
        self, kind: OrderType, seen_at: datetime, chosen: Sequence[tuple[Order, Trigger]]
    ) -> int:
        """Start these orders of one type at the beginning of the chain; returns how many moved.

        If the rest of a client's day was taken meanwhile, each starts alone, or waits for the next
        look, which sees it.
        """
        if not chosen:
            return 0
        planned = [PlannedMove(order.order_id, order.version, move) for order, move in chosen]
        try:
            moved = self.engine.start(planned)
        except DailyLimitReached:
            alone = chosen if len(chosen) > 1 else ()
            return sum(self.trigger(kind, seen_at, [each]) for each in alone)
        versions = {each.order.order_id: each.order.version for each in moved}
        try:
            if versions:
                dispatcher = self.engine.dispatcher
                self._send(len(moved), lambda: dispatcher.route_all(versions, RoutingCause.ORDER))
        finally:
            # Only now: a worker can take the first of them meanwhile.
            self.engine.note(moved)
            self._note(kind, seen_at, [each.order for each in moved])
        return len(moved)

    def start_prepared(
        self, kind: OrderType, seen_at: datetime, chosen: Sequence[tuple[Order, PreparedStart]]
    ) -> int:
        """Build these orders of one type, and send them to be signed; returns how many moved.

        If one of them breaks the statement of all, each starts alone, and that one by the chain.
        """
        steps: list[Moved] = []
        left: list[tuple[Order, Trigger]] = []
        try:
            for first in range(0, len(chosen), AT_ONCE):
                steps += self._build(chosen[first : first + AT_ONCE], left)
        finally:
            # Only now: the orders are in a race, and each line takes time.
            self.engine.note(steps)
            built = [each.order for each in steps if each.order.status is OrderStatus.BUILDING]
            self._note(kind, seen_at, built)
        return len(built) + self.trigger(kind, seen_at, left)

    def _build(
        self,
        part: Sequence[tuple[Order, PreparedStart]],
        left: list[tuple[Order, Trigger]],
    ) -> list[Moved]:
        """Build some orders, and send their messages; puts those that cannot be built into `left`.

        Returns the steps of the others.
        """
        try:
            started = self.engine.start_prepared([prepared for _, prepared in part])
        except StorageUnavailable:
            raise
        except DailyLimitReached:
            return self._build_alone(part, left)  # one that is beyond it alone goes on waiting
        except Exception:
            log.exception("group_falls_apart", order_ids=[str(order.order_id) for order, _ in part])
            if len(part) == 1:
                left += [(order, prepared.trigger) for order, prepared in part]
            return self._build_alone(part, left)
        handed = [handover_of(self.engine, steps[-1].order, prepared=True) for steps in started]
        if handed:
            groups = [handed[at : at + GROUP_MAX] for at in range(0, len(handed), GROUP_MAX)]
            self._send(len(handed), lambda: self.engine.dispatcher.submit_all(groups))
        return [step for steps in started for step in steps]

    def _build_alone(
        self,
        part: Sequence[tuple[Order, PreparedStart]],
        left: list[tuple[Order, Trigger]],
    ) -> list[Moved]:
        """Build each of several orders alone; nothing is to be done anew for a single one."""
        alone = [[each] for each in part] if len(part) > 1 else []
        return [step for each in alone for step in self._build(each, left)]

    def _note(self, kind: OrderType, seen_at: datetime, moved: Sequence[Order]) -> None:
        """Measure and remember what has moved."""
        for order in moved:
            record_trigger(self.engine.metrics, order, seen_at)
        held = self._snipers if kind is OrderType.SNIPER else self._others
        held.update({order.order_id: order.version for order in moved})

    def _send(self, orders: int, send: Callable[[], None]) -> None:
        try:
            send()
        except DispatchUnavailable as error:
            # Recovery sends them once the broker is back.
            log.warning("dispatch_unavailable", orders=orders, error=str(error))
