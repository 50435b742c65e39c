"""Groups of orders as PostgreSQL shows them: the rows that one statement moved have one moment."""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import text

from benchmarks.client import BODIES
from chaos.load import Load
from chaos.rig import Rig
from harness.waiting import wait_until
from orderengine.domain.order import OrderStatus

BATCH = 100
BURSTS = {
    "SIM_QUOTE_LATENCY_MS": "0-0",
    "SIM_SETTLEMENT_MS": "20-60",
    "RATE_PER_KEY": "0",
    "RATE_PER_ADDRESS": "0",
    "MAX_OPEN_ORDERS": "0",
}
"""Settings under which the orders of a batch are taken in groups: quotes come at once."""

SEVERAL = 2
IN_HAND = (OrderStatus.ROUTING, OrderStatus.BUILDING)
"""A worker goes on with these at once; submitted orders wait for the network."""
IN_HAND_LIMIT_S = 60.0
LEAST_PERCENT = 30
"""Of all moves under bursts, those made together with another order's."""
POLL_S = 0.002

_SIZES = text(
    """
SELECT coalesce(max(size), 0) AS largest, coalesce(sum(size), 0) AS moves,
       coalesce(sum(size) FILTER (WHERE size >= :several), 0) AS together
FROM (SELECT count(*) AS size FROM order_events
      WHERE seq > 1 GROUP BY occurred_at, status) AS moved"""
)
_GROUPS = text(
    """
SELECT array_agg(id::text ORDER BY id) AS ids, array_agg(version ORDER BY id) AS versions
FROM orders WHERE status = ANY(:statuses) AND updated_at >= to_timestamp(:since)
GROUP BY updated_at, status HAVING count(*) >= :several"""
)


Pair = tuple[str, int]
"""An order and a version."""


@dataclass(frozen=True, slots=True)
class Group:
    """Orders whose last move was made by one statement, and their versions."""

    pairs: Sequence[Pair]


def groups_at(rig: Rig, statuses: Collection[OrderStatus], since: float = 0.0) -> list[Group]:
    """The groups of several orders that reached one of these statuses last, after a moment."""
    values = {
        "statuses": [status.value for status in statuses],
        "since": since,
        "several": SEVERAL,
    }
    with rig.database.connect() as connection:
        rows = connection.execute(_GROUPS, values)
        return [Group(list(zip(row.ids, row.versions, strict=True))) for row in rows]


def wait_for_groups(rig: Rig) -> None:
    """Wait until a worker has just moved several orders together, and goes on with them."""
    began_at = time.time()
    wait_until(
        lambda: bool(groups_at(rig, IN_HAND, began_at)),
        IN_HAND_LIMIT_S,
        "no group of orders was in hand",
        pause_s=POLL_S,
    )


def burst(rig: Rig, load: Load) -> None:
    """Post a batch of orders; does not wait for the answer."""
    load.post([BODIES[rig.rng.randrange(len(BODIES))] for _ in range(BATCH)])


def expect_groups(rig: Rig) -> None:
    """Note how many moves were made together; complain if too few for the fault to mean much."""
    with rig.database.connect() as connection:
        found = connection.execute(_SIZES, {"several": SEVERAL}).one()
    percent = round(100 * int(found.together) / max(int(found.moves), 1))
    rig.figures |= {"largest group": int(found.largest), "% of moves in groups": percent}
    if percent < LEAST_PERCENT:
        rig.complaints.append(f"only {percent} % of all moves were made in groups")
