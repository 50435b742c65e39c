"""The statements that cancel orders and let them expire, whatever message is under way.

They lock rows in the order of their ids, as the moves do, or skip those that are locked.
"""

# ruff: noqa: S608 - statements are composed of constants

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.exc import IntegrityError

from orderengine.domain.json_text import json_text
from orderengine.domain.moves import Cancel, Expire, RequestCancel
from orderengine.domain.order import OrderStatus
from orderengine.execution.waiting.endings import CanceledPart
from orderengine.postgres.arrays import BY_KEY
from orderengine.postgres.database import Row, Statement
from orderengine.storage.daily import GIVE_BACK
from orderengine.storage.move_statement import WRITE_AND_RETURN, WRITE_EVENTS
from orderengine.storage.rows import RowReader
from orderengine.storage.sql import ORDER_COLUMNS, SIGNED
from orderengine.storage.statuses import IS_EXPIRABLE

log = structlog.get_logger(__name__)

Run = Callable[[Statement, Mapping[str, Any]], list[Row]]

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


# A bitmap scan would lock in the order of the table: rows of orders, or of what they were charged.
_BY_ID: Mapping[str, str | int] = {"enable_seqscan": "off", "enable_bitmapscan": "off"}


def _open_ones(where: str) -> str:
    return f"""FROM orders
    WHERE client_id = :client_id AND due_at IS NOT NULL{where}"""


def _cancel_all(where: str) -> Statement:
    # `seen` is a snapshot of what is open; `mine` locks what still is when its turn has come.
    return Statement(
        f"""
WITH seen AS MATERIALIZED (
    SELECT id AS seen_id, cancel_requested_at IS NOT NULL AS was_requested {_open_ones(where)}
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
        _BY_ID,
    )


_NEXT = " AND id > :after ORDER BY id LIMIT :limit"
_NEXT_OF_SYMBOL = f" AND symbol = :symbol{_NEXT}"
CANCEL_ALL, CANCEL_SYMBOL = _cancel_all(_NEXT), _cancel_all(_NEXT_OF_SYMBOL)
_CANCEL_ONE = _cancel_all(" AND id = :id")
_FIND_ALL, _FIND_SYMBOL = (
    Statement(f"SELECT id {_open_ones(where)}", _BY_ID) for where in (_NEXT, _NEXT_OF_SYMBOL)
)


def cancel_all(
    run: Run, reader: RowReader, client_id: str, symbol: str | None, after: UUID, limit: int
) -> CanceledPart:
    """Run `CANCEL_ALL` or `CANCEL_SYMBOL`; implements `Endings.cancel_all`.

    If a constraint refuses a row, one order is canceled after the other.
    """
    wanted = {"client_id": client_id, "after": after, "limit": limit, "symbol": symbol}
    told = cancel_values()
    try:
        rows = run(CANCEL_ALL if symbol is None else CANCEL_SYMBOL, wanted | told)
    except IntegrityError:
        found = run(_FIND_ALL if symbol is None else _FIND_SYMBOL, wanted)
    else:
        return _part(reader, rows, [row.seen_id for row in rows], limit)
    rows, refused = [], 0
    for each in found:
        try:
            rows += run(_CANCEL_ONE, told | {"client_id": client_id, "id": each.id})
        except IntegrityError:
            log.exception("order_not_canceled", order_id=str(each.id))
            refused += 1
    return _part(reader, rows, [each.id for each in found], limit, refused)


def _part(
    reader: RowReader, rows: list[Row], seen: list[UUID], limit: int, refused: int = 0
) -> CanceledPart:
    moved = [reader.moved(row) for row in rows if row.id is not None]
    asked_before = sum(row.id is None and row.was_requested for row in rows)
    return CanceledPart(
        moved=[each for each in moved if each is not None],
        requested_before=asked_before,
        too_late=len(seen) - len(moved) - asked_before - refused,
        refused=refused,
        last=seen[-1] if len(seen) == limit else None,
    )


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
        {**_BY_ID, "enable_sort": "off"},
    )


EXPIRE_DUE = _expire("ORDER BY expires_at LIMIT :limit")
_EXPIRE_ONE = _expire("AND id = :id")
_FIND_DUE = Statement(
    f"SELECT id FROM orders WHERE {_IS_DUE} ORDER BY expires_at LIMIT :limit",
    {**_BY_ID, "enable_sort": "off"},
)


def expire_due(run: Run, limit: int) -> list[Row]:
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
