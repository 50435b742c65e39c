"""The statement that starts orders whose route is in hand: three moves and three events in one."""

# ruff: noqa: S608 - statements are composed of constants

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from orderengine.domain.delays import RecoveryDelays
from orderengine.domain.events import Moved
from orderengine.domain.home import Home
from orderengine.domain.json_text import json_text
from orderengine.domain.order import MoveKind, OrderStatus
from orderengine.execution.ports import PreparedStart
from orderengine.postgres.arrays import BY_KEY, array, array_parameter, columns_of, unnest
from orderengine.postgres.database import Row, Statement
from orderengine.storage.daily import (
    CHARGE_COLUMNS,
    CHARGE_KEPT,
    CHARGE_STARTED,
    charge_values,
)
from orderengine.storage.halts import NOT_HALTED
from orderengine.storage.move_statement import (
    AT_VERSION,
    BUILD_COLUMNS,
    BUILT,
    DUE,
    NEW_BUDGET,
    NOT_EXPIRED,
)
from orderengine.storage.move_values import values_of
from orderengine.storage.moves import STATUSES
from orderengine.storage.sql import EVENT_COLUMNS, ORDER_COLUMNS, UNSIGNED
from orderengine.storage.statuses import IS_HERE

STEPS = {
    OrderStatus.PENDING: "triggered",
    OrderStatus.ROUTING: "routed",
    OrderStatus.BUILDING: "data",
}
"""The statuses that an order passes, with the columns that have the data of their events."""

_COLUMNS = {
    "id": "uuid",
    "at_version": "integer",
    **dict.fromkeys(STEPS.values(), "jsonb"),
    **BUILD_COLUMNS,
    **CHARGE_COLUMNS,
}
_EVENTS = " UNION ALL ".join(
    f"SELECT id, version - {len(STEPS) - place}, '{status}', attempt, updated_at, {data} FROM o"
    for place, (status, data) in enumerate(STEPS.items(), start=1)
)

# It has the fences of all the moves that it makes. The end of the quotes is compared with the
# clock, since the statement may have waited for a row. No order has a transaction before this. For
# a literal status the planner may read all orders that wait, by their index.
START_PREPARED = Statement(
    f"""
WITH o AS (
    UPDATE orders
    SET status = '{OrderStatus.BUILDING}', version = version + {len(STEPS)}, redispatched = 0,
        updated_at = now(), tx_hash = NULL, held_because = NULL{DUE}{NEW_BUDGET}{BUILT}
    FROM {unnest(_COLUMNS, "m")}
    WHERE orders.id = ANY({array_parameter("id", "uuid")}) AND orders.id = m.id AND {AT_VERSION}
      AND status = ANY(:sources){NOT_EXPIRED} AND {NOT_HALTED} AND {IS_HERE}
      AND clock_timestamp() < m.expires_at
    RETURNING orders.*, {", ".join(f"m.{data}" for data in STEPS.values())}{CHARGE_KEPT}
), event AS (
    INSERT INTO order_events ({EVENT_COLUMNS}) {_EVENTS}
){CHARGE_STARTED}
SELECT {ORDER_COLUMNS}, o.version AS seq, o.updated_at AS occurred_at,
       {", ".join(f"o.{data}" for data in STEPS.values())}
FROM o CROSS JOIN (SELECT {UNSIGNED}) AS t""",
    BY_KEY,
)


def start_values(
    prepared: Sequence[PreparedStart], delays: RecoveryDelays, home: Home
) -> dict[str, Any]:
    """The parameters of `START_PREPARED` for at least one order; rows are locked by their ids."""
    ordered = sorted(prepared, key=lambda each: each.order_id)
    return {
        "home": home.network,
        "sources": STATUSES[MoveKind.TRIGGER],
        "id": array([each.order_id for each in ordered]),
        "at_version": array([each.version for each in ordered]),
        **{
            data: [json_text(dict(each.moves[place].data)) for each in ordered]
            for place, data in enumerate(STEPS.values())
        },
        **columns_of([values_of(each.build, delays) for each in ordered]),
        **columns_of([charge_values(each.trigger.daily) for each in ordered]),
    }


def steps_of(row: Row, built: Moved) -> list[Moved]:
    """The steps of a row that this has moved, whose last one is `built`."""
    last, event = built.order, built.event
    before = replace(last, route=None, limit_amount=None)
    found = [
        Moved(
            replace(before, status=status, version=last.version - back),
            replace(event, status=status, seq=event.seq - back, data=getattr(row, STEPS[status])),
        )
        for status, back in ((OrderStatus.PENDING, 2), (OrderStatus.ROUTING, 1))
    ]
    return [*found, built]
