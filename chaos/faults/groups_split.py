"""Groups that fall apart: some of their orders break a statement, or were moved by someone else."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import text

from chaos.acts import Act
from chaos.fault import Fault, Injection, Scale, repeatedly
from chaos.groups import BATCH, BURSTS, IN_HAND, Pair, expect_groups, groups_at, wait_for_groups
from chaos.load import Load
from chaos.rig import WORKER, Rig
from orderengine.domain.moves import RoutingCause, StartRouting
from orderengine.domain.order import OrderStatus
from orderengine.execution.ports import PlannedMove
from orderengine.storage.orders import SqlOrders

POISONED = "get_byte(uuid_send(id), 15) < 26"
"""One order in ten."""
PLACES = (
    OrderStatus.ROUTING,
    OrderStatus.BUILDING,
    OrderStatus.SUBMITTED,
    OrderStatus.CONFIRMED,
)
OTHERS_LIMIT_S = 10.0
FALLS_APART = '"group_falls_apart"'
FRESH_S = 2.0
FREEZE_LIMIT_S = 60.0

_LATE = text(
    f"""
SELECT count(*) FROM orders LEFT JOIN order_events ON order_id = orders.id AND seq = version
WHERE NOT {POISONED} AND created_at BETWEEN to_timestamp(:began_at) AND to_timestamp(:ended_at)
  AND (due_at IS NOT NULL OR occurred_at - created_at > make_interval(secs => :limit_s))"""  # noqa: S608 - a constant
)
_NEXT = text(
    """
SELECT count(*) FROM unnest(CAST(:ids AS uuid[]), CAST(:versions AS integer[])) AS seen (id, seq)
JOIN order_events AS next ON next.order_id = seen.id AND next.seq = seen.seq + 1
WHERE next.status = :status"""
)


def poison(rig: Rig, load: Load, scale: Scale) -> int:
    """Make one order in ten break the statement of each stage in turn; returns the broken groups.

    All others have to end in time. Those that are poisoned are given up, or go on when healed.
    """
    share_s = load.lasts_s / (scale.times * len(PLACES))
    for _ in range(scale.times):
        for status in rig.rng.sample(PLACES, len(PLACES)):
            _poison_once(rig, status, share_s)
            rig.healed()
    expect_groups(rig)
    return _broken(rig)


def _poison_once(rig: Rig, status: OrderStatus, lasts_s: float) -> None:
    before, began_at = _broken(rig), time.time()
    with _refused(rig, status):
        rig.pause(lasts_s)
        if late := _late(rig, began_at):
            rig.complaints.append(f"{late} orders were late beside others refused as {status}")
    if _broken(rig) == before:
        rig.complaints.append(f"no group fell apart at an order refused as {status}")


def _broken(rig: Rig) -> int:
    return sum(rig.count_in_log(name, FALLS_APART) for name in rig.workers)


@contextmanager
def _refused(rig: Rig, status: OrderStatus) -> Iterator[None]:
    """Let PostgreSQL refuse this status for the poisoned orders meanwhile."""
    refusal = f"CHECK (NOT (status = '{status}' AND {POISONED})) NOT VALID"
    _change(rig, f"ALTER TABLE orders ADD CONSTRAINT ck_poison {refusal}")
    yield
    _change(rig, "ALTER TABLE orders DROP CONSTRAINT ck_poison")


def _change(rig: Rig, statement: str) -> None:
    with rig.database.connect() as connection:
        connection.execute(text(statement))


def _late(rig: Rig, began_at: float) -> int:
    """How many other orders took too long, of those accepted since then that had their time."""
    ended_at = time.time() - OTHERS_LIMIT_S
    values = {"began_at": began_at, "ended_at": ended_at, "limit_s": OTHERS_LIMIT_S}
    return int(str(rig.scalar(_LATE.text, **values)))


@dataclass
class Seen:
    """Orders at a version, to look up what became of them."""

    pairs: dict[Pair, None] = field(default_factory=dict)

    def next_at(self, rig: Rig, status: OrderStatus) -> int:
        """How many of them reached this status with their next move."""
        values = {
            "ids": [order_id for order_id, _ in self.pairs],
            "versions": [version for _, version in self.pairs],
            "status": status.value,
        }
        with rig.database.connect() as connection:
            return int(connection.execute(_NEXT, values).scalar_one())


def supersede(rig: Rig, load: Load, scale: Scale) -> int:
    """Route half of each group anew behind its worker's back; returns the orders moved so.

    The worker's own move of the group must leave them out, and move the others.
    """
    taken, others = Seen(), Seen()

    def act(rig: Rig) -> int:
        return _supersede_once(rig, taken, others)

    repeated: Act = act
    injection: Injection = repeatedly(repeated)
    moved = injection(rig, load, scale)
    load.stop()
    if stale := taken.next_at(rig, OrderStatus.BUILDING):
        rig.complaints.append(f"{stale} orders were built from a copy of an earlier version")
    left = others.next_at(rig, OrderStatus.ROUTING)
    rig.figures |= {"others of these groups": len(others.pairs), "of them routed anew": left}
    if left > len(others.pairs) / 2:
        rig.complaints.append(f"{left} orders did not go on when others of their group had moved")
    expect_groups(rig)
    return moved


def _supersede_once(rig: Rig, taken: Seen, others: Seen) -> int:
    orders = SqlOrders(rig.database)
    deadline = time.monotonic() + FREEZE_LIMIT_S
    moved = 0
    while not moved and time.monotonic() < deadline:
        wait_for_groups(rig)
        rig.send(WORKER, signal.SIGSTOP)
        for group in groups_at(rig, IN_HAND, time.time() - FRESH_S):
            pairs = [each for each in group.pairs if each not in taken.pairs]
            chosen = set(rig.rng.sample(pairs, len(pairs) // 2))
            start = StartRouting(RoutingCause.RECOVERY)
            plan = [PlannedMove(UUID(each), version, start) for each, version in sorted(chosen)]
            for done in orders.move_all(plan):
                if done:
                    taken.pairs[str(done.order.order_id), done.order.version] = None
                    moved += 1
            others.pairs |= dict.fromkeys(each for each in pairs if each not in chosen)
        rig.send(WORKER, signal.SIGCONT)
    rig.healed()
    return moved


FAULTS = (
    Fault(
        name="poison_orders",
        what="one order in ten breaks the statement of its group, at each stage in turn",
        inject=poison,
        full=Scale(orders=4800, times=1),
        quick=None,  # tests of the stages break a group's statement
        rate_per_s=40.0,
        batch=BATCH,
        recovery_limit_s=45.0,
        settings={**BURSTS, "RECOVERY_AFTER_MS": "1500"},
    ),
    Fault(
        name="half_superseded",
        what="half of a group's orders routed anew by someone else, between two of its moves",
        inject=supersede,
        full=Scale(orders=4000, times=40),
        quick=Scale(orders=300, times=3),
        rate_per_s=40.0,
        batch=BATCH,
        settings={**BURSTS, "RECOVERY_INTERVAL_MS": "100"},
    ),
)
