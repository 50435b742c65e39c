"""The statements that cancel orders and let them expire, whatever message is under way.

They lock rows in the order of their ids, as the moves do, or skip those that are locked.
"""

# ruff: noqa: S608 - statements are composed of constants

from collections.abc import Callable, Mapping
from typing import Any

import structlog
from sqlalchemy.exc import IntegrityError

from orderengine.domain.json_text import json_text
from orderengine.domain.moves import Cancel, Expire, RequestCancel
from orderengine.domain.order import OrderStatus
from orderengine.postgres.arrays import BY_KEY
from orderengine.postgres.database import Row, Statement
from orderengine.storage.daily import GIVE_BACK
from orderengine.storage.moves import WRITE_AND_RETURN, WRITE_EVENTS
from orderengine.storage.sql import ORDER_COLUMNS, SIGNED
from orderengine.storage.statuses import IS_EXPIRABLE

log = structlog.get_logger(__name__)

# One statement for both outcomes: between two, a submitted order may become pending again.
_CANCELED = f"""
    SET status = CASE WHEN status = '{OrderStatus.SUBMITTED}' THEN status
            ELSE '{OrderStatus.CANCELED}' END,
        cancel_requested_at = clock_timestamp(),
        due_at = CASE WHEN status = '{OrderStatus.SUBMITTED}' THEN due_at END,
        version = version + 1, redispatched = 0, updated_at = now()"""
_CANCELABLE = f"""({IS_EXPIRABLE}
           OR status = '{OrderStatus.SUBMITTED}' AND cancel_requested_at IS NULL)"""
_TOLD = f"""CASE status WHEN '{OrderStatus.SUBMITTED}' THEN CAST(:requested AS jsonb)
            ELSE CAST(:canceled AS jsonb) END AS data"""

CANCEL = Statement(
    f"""
WITH o AS (
    UPDATE orders{_CANCELED}
    WHERE id = :id AND client_id = :client_id AND {_CANCELABLE}
    RETURNING *, {_TOLD}
), {WRITE_AND_RETURN.format(effects=GIVE_BACK)}""",
    BY_KEY,
)


def _cancel_all(where: str = "") -> Statement:
    # `seen` is a snapshot of what is open; `mine` locks what still is when its turn has come.
    return Statement(
        f"""
WITH seen AS MATERIALIZED (
    SELECT id AS seen_id, cancel_requested_at IS NOT NULL AS was_requested FROM orders
    WHERE client_id = :client_id AND due_at IS NOT NULL AND id > :after{where}
    ORDER BY id LIMIT :limit
), mine AS MATERIALIZED (
    SELECT id FROM orders WHERE id = ANY(ARRAY(SELECT seen_id FROM seen)) AND {_CANCELABLE}
    ORDER BY id FOR NO KEY UPDATE
), o AS (
    UPDATE orders{_CANCELED}
    WHERE id = ANY(ARRAY(SELECT id FROM mine))
    RETURNING *, {_TOLD}
), {WRITE_EVENTS}{GIVE_BACK}
SELECT seen.seen_id, seen.was_requested, {ORDER_COLUMNS}, o.version AS seq,
       o.updated_at AS occurred_at, o.data
FROM seen LEFT JOIN o ON o.id = seen.seen_id LEFT JOIN LATERAL (
    SELECT {SIGNED} FROM transactions WHERE signature = o.tx_hash LIMIT 1
) AS t ON true
ORDER BY seen.seen_id""",
        {"enable_seqscan": "off"},
    )


CANCEL_ALL = _cancel_all()
CANCEL_SYMBOL = _cancel_all(" AND symbol = :symbol")

# `now()` is not after the clock, so an order that may still be signed is not found here.
_IS_DUE = f"expires_at <= now() AND {IS_EXPIRABLE}"


def _expire(which: str) -> Statement:
    return Statement(
        f"""
WITH due AS (
    SELECT id FROM orders WHERE {_IS_DUE} {which} FOR NO KEY UPDATE SKIP LOCKED
), o AS (
    UPDATE orders
    SET status = '{OrderStatus.EXPIRED}', due_at = NULL, version = version + 1,
        redispatched = 0, updated_at = now()
    WHERE id = ANY(ARRAY(SELECT id FROM due))
    RETURNING *, CAST(:data AS jsonb) AS data
), {WRITE_AND_RETURN.format(effects=GIVE_BACK)}""",
        {"enable_seqscan": "off", "enable_sort": "off"},
    )


EXPIRE_DUE = _expire("ORDER BY expires_at LIMIT :limit")
_EXPIRE_ONE = _expire("AND id = :id")
_FIND_DUE = Statement(
    f"SELECT id FROM orders WHERE {_IS_DUE} ORDER BY expires_at LIMIT :limit",
    {"enable_seqscan": "off", "enable_sort": "off"},
)


def expire_due(run: Callable[[Statement, Mapping[str, Any]], list[Row]], limit: int) -> list[Row]:
    """Run `EXPIRE_DUE`; if a constraint refuses a row, expire one order after the other.

    So a damaged row stays alone. Returns the rows of the orders that have expired.
    """
    data = {"data": json_text(dict(Expire().data))}
    try:
        return run(EXPIRE_DUE, data | {"limit": limit})
    except IntegrityError:
        found = run(_FIND_DUE, {"limit": limit})
    rows: list[Row] = []
    for each in found:
        try:
            rows += run(_EXPIRE_ONE, data | {"id": each.id})
        except IntegrityError:
            log.exception("order_not_expired", order_id=str(each.id))
    return rows


def cancel_values() -> dict[str, Any]:
    """The data of the events that a cancel writes."""
    return {
        "requested": json_text(dict(RequestCancel().data)),
        "canceled": json_text(dict(Cancel().data)),
    }
