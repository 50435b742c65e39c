"""The moves of orders: one statement for each class of moves, for one order or for many.

Every write selects from `o`, the rows just moved: any other write would happen even if the fence of
its row matched nothing. The fence compares columns of `orders`, because PostgreSQL checks those
again after it has waited for a row's lock.

Two statements that lock the same rows in different orders may deadlock, so each one locks its rows
in the order of their ids: it gets the ids sorted, and an index of ids returns them sorted as well.
"""

# ruff: noqa: S608 - statements are composed of constants of this file

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from orderengine.domain.documents import fill_document, route_document
from orderengine.domain.json_text import json_text
from orderengine.domain.moves import (
    Build,
    Confirm,
    Fail,
    FailAttempt,
    Move,
    RecoveryDelays,
    RoutingCause,
    StartRouting,
    Submit,
)
from orderengine.domain.order import SOURCES, TARGETS, MoveKind
from orderengine.execution.ports import PlannedMove
from orderengine.postgres.arrays import BY_KEY, array, array_parameter, columns_of, unnest
from orderengine.postgres.database import Statement
from orderengine.storage.sql import EVENT_COLUMNS, ORDER_COLUMNS
from orderengine.storage.statuses import IS_NEW

_SOURCES: Mapping[MoveKind, list[str]] = {
    kind: sorted(status.value for status in statuses) for kind, statuses in SOURCES.items()
}

# An order's row is locked by then, and its transactions belong to it: their order does not matter.
_RETIRE_TRANSACTION = """, dead AS (
    UPDATE transactions SET state = 'dead'
    WHERE signature = ANY(ARRAY(SELECT tx_hash FROM o))
      AND order_id = ANY(ARRAY(SELECT id FROM o)) AND state = 'live'
)"""

_REMEMBER_FAILURE = """,
        failed_attempts = failed_attempts || jsonb_build_object(
            'attempt', attempt, 'reason', m.reason, 'detail', m.detail)"""

_START = """, recoveries = recoveries + {recovery}, route = NULL, dex = NULL,
        quoted_price = NULL, quote_amount = NULL, base_amount = NULL, limit_amount = NULL,
        tx_hash = NULL"""

_FAILURE = {"reason": "text", "detail": "text"}

# `t` is the latest stored transaction: a statement does not see the one that it writes itself.
# LATERAL looks up one per order: a join may read them all.
_WRITE_AND_RETURN = f"""event AS (
    INSERT INTO order_events ({EVENT_COLUMNS})
    SELECT id, version, status, attempt, updated_at, data FROM o
){{effects}}
SELECT {ORDER_COLUMNS}, o.version AS seq, o.updated_at AS occurred_at, o.data
FROM o LEFT JOIN LATERAL (
    SELECT payload, last_valid_height FROM transactions WHERE signature = o.tx_hash LIMIT 1
) AS t ON true"""


def _move(
    columns: Mapping[str, str], changes: str, *, fence: str = "", kept: str = "", effects: str = ""
) -> Statement:
    """The statement of a move whose parameters have these columns.

    `kept` are the parameters that its effects need.
    """
    typed = {"id": "uuid", "at_version": "integer", "data": "jsonb", **columns}
    return Statement(
        f"""
WITH o AS (
    UPDATE orders
    SET status = :target, version = version + 1, redispatched = 0, updated_at = now(){changes}
    FROM {unnest(typed, "m")}
    WHERE orders.id = ANY({array_parameter("id", "uuid")}) AND orders.id = m.id
      AND version = m.at_version AND status = ANY(:sources){fence}
    RETURNING orders.*, m.data{kept}
), {_WRITE_AND_RETURN.format(effects=effects)}""",
        BY_KEY,
    )


_DUE = ", due_at = now() + make_interval(secs => m.due_s)"
_NEVER_DUE = ", due_at = NULL"

MOVES: Mapping[type[Move], Statement] = {
    StartRouting: _move(
        {"due_s": "double precision", "recovery": "integer"},
        _DUE + _START.format(recovery="m.recovery"),
    ),
    Build: _move(
        {
            "due_s": "double precision",
            "route": "jsonb",
            "dex": "text",
            "quoted_price": "numeric",
            "quote_amount": "numeric",
            "base_amount": "numeric",
            "limit_amount": "numeric",
            "expires_at": "timestamptz",
        },
        _DUE
        + """, route = m.route, dex = m.dex, quoted_price = m.quoted_price,
        quote_amount = m.quote_amount, base_amount = m.base_amount,
        limit_amount = m.limit_amount""",
        fence=" AND now() < m.expires_at",
    ),
    Submit: _move(
        {
            "due_s": "double precision",
            "signature": "text",
            "payload": "bytea",
            "last_valid_height": "bigint",
        },
        _DUE + ", tx_hash = m.signature",
        kept=", m.payload, m.last_valid_height",
        effects=""", signed AS (
    INSERT INTO transactions (signature, order_id, attempt, payload, last_valid_height, state)
    SELECT tx_hash, id, attempt, payload, last_valid_height, 'live' FROM o
)""",
    ),
    Confirm: _move(
        {
            "signature": "text",
            "quoted_price": "numeric",
            "fill": "jsonb",
            "executed_price": "numeric",
            "slippage_bps": "numeric",
            "base_amount": "numeric",
            "quote_amount": "numeric",
            "fee": "numeric",
            "landed_at": "timestamptz",
        },
        _NEVER_DUE
        + """, fill = m.fill, executed_price = m.executed_price,
        slippage_bps = m.slippage_bps""",
        # Another release may round the last digit of the same price differently.
        fence=""" AND tx_hash = m.signature AND abs(orders.quoted_price - m.quoted_price)
          <= greatest(1e-12, orders.quoted_price * 1e-11)""",
        kept=""", m.base_amount AS traded_amount, m.quote_amount AS paid_amount, m.fee,
        m.landed_at""",
        effects=""", landed AS (
    UPDATE transactions SET state = 'landed' WHERE signature = ANY(ARRAY(SELECT tx_hash FROM o))
), settled AS (
    INSERT INTO settlements (signature, order_id, base_amount, quote_amount, fee, landed_at)
    SELECT tx_hash, id, traded_amount, paid_amount, fee, landed_at FROM o
)""",
    ),
    FailAttempt: _move(
        {"due_s": "double precision", **_FAILURE},
        _DUE + ", attempt = attempt + 1, recoveries = 0" + _REMEMBER_FAILURE,
        effects=_RETIRE_TRANSACTION,
    ),
    Fail: _move(
        _FAILURE,
        _NEVER_DUE + ", failure_reason = m.reason" + _REMEMBER_FAILURE,
        effects=_RETIRE_TRANSACTION,
    ),
}

_A_START = StartRouting(RoutingCause.ORDER)

# The own order is waited for; the others are not, so that no two claims wait for each other.
CLAIM_PENDING = Statement(
    f"""
WITH own AS (
    SELECT id FROM orders WHERE id = :id AND version = :version AND status = ANY(:sources)
    FOR NO KEY UPDATE
), others AS (
    SELECT id FROM orders WHERE {IS_NEW} AND recoveries = 0 AND id <> :id
    ORDER BY created_at, id LIMIT :others FOR NO KEY UPDATE SKIP LOCKED
), o AS (
    UPDATE orders
    SET status = :target, version = version + 1, redispatched = 0, updated_at = now(),
        due_at = now() + make_interval(secs => :due_s){_START.format(recovery="0")}
    WHERE id = ANY(ARRAY(SELECT id FROM own UNION ALL SELECT id FROM others))
    RETURNING *, CAST(:data AS jsonb) AS data
), {_WRITE_AND_RETURN.format(effects="")}""",
    {**BY_KEY, "enable_sort": "off"},
)


def move_values(planned: Sequence[PlannedMove], delays: RecoveryDelays) -> dict[str, Any]:
    """The parameters of the statement in `MOVES` for at least one planned move.

    Raises ValueError for moves of several kinds, or for two moves of one order.
    """
    (kind, *others) = {each.move.kind for each in planned}
    if others:
        raise ValueError("moves of several kinds in one statement")
    if len({each.order_id for each in planned}) < len(planned):
        raise ValueError("two moves of one order in one statement")
    ordered = sorted(planned, key=lambda each: each.order_id)
    moves = [each.move for each in ordered]
    rows = [_values(move, delays) for move in moves]
    return {
        "sources": _SOURCES[kind],
        "target": TARGETS[kind].value,
        "id": array([each.order_id for each in ordered]),
        "at_version": array([each.version for each in ordered]),
        "data": [json_text(dict(move.data)) for move in moves],
        **columns_of(rows),
    }


def claim_values(
    order_id: UUID, version: int, others: int, delays: RecoveryDelays
) -> dict[str, Any]:
    """The parameters of `CLAIM_PENDING`."""
    return {
        "id": order_id,
        "version": version,
        "others": others,
        "sources": _SOURCES[_A_START.kind],
        "target": TARGETS[_A_START.kind].value,
        "due_s": delays.after(_A_START),
        "data": json_text(dict(_A_START.data)),
    }


def _values(move: Move, delays: RecoveryDelays) -> dict[str, Any]:
    match move:
        case StartRouting():
            return {"due_s": delays.after(move), "recovery": int(move.restarts_attempt)}
        case Build(route=route, limit_amount=limit_amount):
            return {
                "due_s": delays.after(move),
                "route": json_text(route_document(route)),
                "dex": route.venue,
                "quoted_price": route.price,
                "quote_amount": route.quote_amount,
                "base_amount": route.base_amount,
                "limit_amount": limit_amount,
                "expires_at": route.expires_at,
            }
        case Submit(transaction=transaction):
            return {
                "due_s": delays.after(move),
                "signature": transaction.signature,
                "payload": transaction.payload,
                "last_valid_height": transaction.last_valid_height,
            }
        case Confirm(fill=fill, signature=signature, quoted_price=quoted_price):
            return {
                "signature": signature,
                "quoted_price": quoted_price,
                "fill": json_text(fill_document(fill)),
                "executed_price": fill.executed_price,
                "slippage_bps": fill.slippage_bps,
                "base_amount": fill.base_amount,
                "quote_amount": fill.quote_amount,
                "fee": fill.fee,
                "landed_at": fill.landed_at,
            }
        case FailAttempt(reason=reason, detail=detail):
            return {"due_s": delays.after(move), "reason": reason.value, "detail": detail}
        case Fail(reason=reason, detail=detail):
            return {"reason": reason.value, "detail": detail}
