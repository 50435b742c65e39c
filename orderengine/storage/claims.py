"""The statement by which a worker claims orders that start: new ones, and triggered ones."""

# ruff: noqa: S608 - statements are composed of constants

from typing import Any
from uuid import UUID

from orderengine.domain.delays import RecoveryDelays
from orderengine.domain.home import Home
from orderengine.domain.json_text import json_text
from orderengine.domain.moves import RoutingCause, StartRouting
from orderengine.domain.order import TARGETS
from orderengine.postgres.arrays import BY_KEY
from orderengine.postgres.database import Statement
from orderengine.storage.move_statement import CLEARED, WRITE_AND_RETURN
from orderengine.storage.moves import STATUSES
from orderengine.storage.statuses import IS_HERE, IS_NEW, IS_TRIGGERED

_A_START = StartRouting(RoutingCause.ORDER)

# The own order is waited for; the others are not, so that no two claims wait for each other. New
# ones come first: a market order is quick, and thousands may have been triggered by one price. None
# of these starves, since each has a message of its own, which takes it.
CLAIM_PENDING = Statement(
    f"""
WITH own AS (
    SELECT id FROM orders WHERE id = :id AND version = :version AND status = ANY(:sources)
      AND {IS_HERE}
    FOR NO KEY UPDATE
), new AS (
    SELECT id FROM orders WHERE {IS_NEW} AND recoveries = 0 AND id <> :id AND {IS_HERE}
    ORDER BY created_at, id LIMIT :others FOR NO KEY UPDATE SKIP LOCKED
), triggered AS (
    SELECT id FROM orders WHERE {IS_TRIGGERED} AND recoveries = 0 AND id <> :id AND {IS_HERE}
    ORDER BY updated_at, id LIMIT :others - (SELECT count(*) FROM new)
    FOR NO KEY UPDATE SKIP LOCKED
), o AS (
    UPDATE orders
    SET status = :target, version = version + 1, redispatched = 0, updated_at = now(),
        due_at = now() + make_interval(secs => :due_s){CLEARED.format(recovery="0")}
    WHERE id = ANY(ARRAY(
        SELECT id FROM own UNION ALL SELECT id FROM new UNION ALL SELECT id FROM triggered
    ))
    RETURNING *, CAST(:data AS jsonb) AS data
), {WRITE_AND_RETURN.format(effects="")}""",
    {**BY_KEY, "enable_sort": "off"},
)


def claim_values(
    order_id: UUID, version: int, others: int, delays: RecoveryDelays, home: Home
) -> dict[str, Any]:
    """The parameters of `CLAIM_PENDING`."""
    return {
        "id": order_id,
        "version": version,
        "others": others,
        "home": home.network,
        "sources": STATUSES[_A_START.kind],
        "target": TARGETS[_A_START.kind].value,
        "due_s": delays.after(_A_START),
        "data": json_text(dict(_A_START.data)),
    }
