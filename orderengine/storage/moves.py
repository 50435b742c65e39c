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

from orderengine.domain.json_text import json_text
from orderengine.domain.moves import (
    Amend,
    Build,
    Confirm,
    EndCanceled,
    EndExpired,
    Fail,
    FailAttempt,
    Move,
    NotFilled,
    RecoveryDelays,
    Rest,
    StartRouting,
    Submit,
    Trigger,
)
from orderengine.domain.order import SOURCES, TARGETS, MoveKind, OrderStatus
from orderengine.execution.ports import PlannedMove
from orderengine.postgres.arrays import BY_KEY, array, array_parameter, columns_of, unnest
from orderengine.postgres.database import Statement
from orderengine.storage.daily import CHARGE_COLUMNS, CHARGE_KEPT, CHARGE_STARTED, GIVE_BACK
from orderengine.storage.halts import NOT_HALTED
from orderengine.storage.move_values import values_of
from orderengine.storage.sql import EVENT_COLUMNS, ORDER_COLUMNS, SIGNED, SIGNED_ON, SIGNED_TYPES
from orderengine.storage.statuses import IS_HERE

_AT_SIGNATURES = {
    kind for kind, statuses in SOURCES.items() if OrderStatus.SUBMITTED in statuses
} - {MoveKind.CONFIRM, MoveKind.REQUEST_CANCEL}
"""The moves out of `submitted` that name the transaction of which the network has told."""

STATUSES: Mapping[MoveKind, list[str]] = {
    kind: sorted(status.value for status in statuses) for kind, statuses in SOURCES.items()
}

# An order's row is locked by then, and its transactions belong to it: their order does not matter.
_RETIRE_TRANSACTION = """, dead AS (
    UPDATE transactions SET state = 'dead'
    WHERE signature = ANY(ARRAY(SELECT tx_hash FROM o))
      AND order_id = ANY(ARRAY(SELECT id FROM o)) AND state = 'live'
)"""

_END = _RETIRE_TRANSACTION + GIVE_BACK

_REMEMBER_FAILURE = """,
        failed_attempts = failed_attempts || jsonb_build_object(
            'attempt', attempt, 'reason', m.reason, 'detail', m.detail)"""

CLEARED = """, recoveries = recoveries + {recovery}, route = NULL, dex = NULL,
        quoted_price = NULL, quote_amount = NULL, base_amount = NULL, limit_amount = NULL,
        tx_hash = NULL"""

_FAILURE = {"reason": "text", "detail": "text"}

TRIGGERED = ", recoveries = 0, first_attempt = attempt, rearm_at = NULL"

BUILD_COLUMNS = {
    "due_s": "double precision",
    "route": "jsonb",
    "dex": "text",
    "quoted_price": "numeric",
    "quote_amount": "numeric",
    "base_amount": "numeric",
    "limit_amount": "numeric",
    "expires_at": "timestamptz",
}
BUILT = """, route = m.route, dex = m.dex, quoted_price = m.quoted_price,
        quote_amount = m.quote_amount, base_amount = m.base_amount,
        limit_amount = m.limit_amount"""

# `t` is the latest stored transaction: a statement does not see the one that it writes itself.
# LATERAL looks up one per order: a join may read them all.
WRITE_EVENTS = f"""event AS (
    INSERT INTO order_events ({EVENT_COLUMNS})
    SELECT id, version, status, attempt, updated_at, data FROM o
)"""
WRITE_AND_RETURN = f"""{WRITE_EVENTS}{{effects}}
SELECT {ORDER_COLUMNS}, o.version AS seq, o.updated_at AS occurred_at, o.data
FROM o LEFT JOIN LATERAL (
    SELECT {SIGNED} FROM transactions WHERE signature = o.tx_hash LIMIT 1
) AS t ON true"""


# A client's request raises the version of a submitted order, while a message has the one before:
# there the signature says which transaction the network has told of.
AT_VERSION = "version = m.at_version"
_AT_ANY_VERSION = "true"
_AT_SIGNATURE = f"({AT_VERSION} OR status = 'submitted' AND tx_hash = m.live_signature)"

# By the clock, since the statement may have waited for the row.
NOT_EXPIRED = " AND (orders.expires_at IS NULL OR clock_timestamp() < orders.expires_at)"
_GOES_ON = f" AND cancel_requested_at IS NULL{NOT_EXPIRED}"


def _move(
    columns: Mapping[str, str],
    changes: str,
    *,
    at: str = AT_VERSION,
    fence: str = "",
    data: str = "m.data",
    kept: str = "",
    effects: str = "",
) -> Statement:
    """The statement of a move whose parameters have these columns.

    `at` says which state of the order is meant; `kept` are the parameters that its effects need.
    """
    typed = {"id": "uuid", "at_version": "integer", "data": "jsonb", **columns}
    if at is _AT_SIGNATURE:
        typed["live_signature"] = "text"
    return Statement(
        f"""
WITH o AS (
    UPDATE orders
    SET status = :target, version = version + 1, redispatched = 0, updated_at = now(),
        held_because = NULL{changes}
    FROM {unnest(typed, "m")}
    WHERE orders.id = ANY({array_parameter("id", "uuid")}) AND orders.id = m.id
      AND {at} AND status = ANY(:sources) AND {IS_HERE}{fence}
    RETURNING orders.*, {data} AS data{kept}
), {WRITE_AND_RETURN.format(effects=effects)}""",
        BY_KEY,
    )


DUE = ", due_at = now() + make_interval(secs => m.due_s)"
_NEVER_DUE = ", due_at = NULL"
_NOT_DUE = ", due_at = 'infinity'"

# The longest rest is 30 s. The row forgets why attempts failed, or it would grow for weeks.
_REST = """, attempt = attempt + 1, recoveries = 0, failed_attempts = '[]',
        rests = rests + 1, paid_rests = paid_rests + m.paid, rearm_at = clock_timestamp()
            + make_interval(secs => least(30, 0.5 * power(2, least(rests, 6))))"""

_TELL_LATE = """CASE WHEN cancel_requested_at IS NULL THEN m.data
            ELSE m.data || '{"cancelTooLate": true}' END"""

MOVES: Mapping[type[Move], Statement] = {
    StartRouting: _move(
        {"due_s": "double precision", "recovery": "integer"},
        DUE + CLEARED.format(recovery="m.recovery"),
    ),
    Build: _move(BUILD_COLUMNS, DUE + BUILT, fence=" AND now() < m.expires_at"),
    Submit: _move(
        {
            "due_s": "double precision",
            "signature": "text",
            **SIGNED_TYPES,
        },
        DUE + SIGNED_ON,
        fence=f"{NOT_EXPIRED} AND {NOT_HALTED}",
        kept="".join(f", m.{name}" for name in SIGNED_TYPES),
        effects=f""", signed AS (
    INSERT INTO transactions (signature, order_id, attempt, {SIGNED}, state)
    SELECT tx_hash, id, attempt, {SIGNED}, 'live' FROM o
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
        at=_AT_ANY_VERSION,
        # Another release may round the last digit of the same price differently.
        fence=""" AND tx_hash = m.signature AND abs(orders.quoted_price - m.quoted_price)
          <= greatest(1e-12, orders.quoted_price * 1e-11)""",
        data=_TELL_LATE,
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
        DUE + ", attempt = attempt + 1, recoveries = 0" + _REMEMBER_FAILURE,
        at=_AT_SIGNATURE,
        fence=_GOES_ON,
        effects=_RETIRE_TRANSACTION,
    ),
    Fail: _move(
        _FAILURE,
        _NEVER_DUE + ", failure_reason = m.reason" + _REMEMBER_FAILURE,
        at=_AT_SIGNATURE,
        fence=_GOES_ON,
        effects=_END,
    ),
    NotFilled: _move(
        _FAILURE,
        _NEVER_DUE + ", failure_reason = m.reason" + _REMEMBER_FAILURE,
        at=_AT_SIGNATURE,
        fence=_GOES_ON,
        effects=_END,
    ),
    Rest: _move(
        {"paid": "integer"},
        _NOT_DUE + _REST,
        at=_AT_SIGNATURE,
        fence=_GOES_ON,
        effects=_END,
    ),
    EndCanceled: _move(
        {}, _NEVER_DUE, at=_AT_SIGNATURE, fence=" AND cancel_requested_at IS NOT NULL", effects=_END
    ),
    EndExpired: _move(
        {},
        _NEVER_DUE,
        at=_AT_SIGNATURE,
        fence=" AND cancel_requested_at IS NULL AND clock_timestamp() >= orders.expires_at",
        effects=_END,
    ),
    Trigger: _move(
        {"due_s": "double precision", **CHARGE_COLUMNS},
        DUE + TRIGGERED,
        fence=f"{NOT_EXPIRED} AND {NOT_HALTED}",
        kept=CHARGE_KEPT,
        effects=CHARGE_STARTED,
    ),
    Amend: _move(
        {
            "quantity": "numeric",
            "quote_quantity": "numeric",
            "slippage_tolerance_bps": "integer",
            "worst_price": "numeric",
            "limit_price": "numeric",
            "stop_price": "numeric",
            "min_liquidity": "numeric",
            "time_in_force": "text",
            "expires_at": "timestamptz",
        },
        # An amount that an earlier attempt would have settled at may be beyond the new limit.
        _NOT_DUE
        + CLEARED.format(recovery="0")
        + """, quantity = m.quantity, quote_quantity = m.quote_quantity,
        slippage_tolerance_bps = m.slippage_tolerance_bps,
        worst_price = m.worst_price, limit_price = m.limit_price, stop_price = m.stop_price,
        min_liquidity = m.min_liquidity, time_in_force = m.time_in_force,
        expires_at = m.expires_at, watch_price = coalesce(m.limit_price, m.stop_price),
        rearm_at = NULL, rests = 0""",
        fence=NOT_EXPIRED,
    ),
}


def move_values(planned: Sequence[PlannedMove], delays: RecoveryDelays) -> dict[str, Any]:
    """The parameters of the statement in `MOVES` for at least one planned move, but for `home`.

    Raises ValueError for moves of several kinds, or for two moves of one order.
    """
    (kind, *others) = {each.move.kind for each in planned}
    if others:
        raise ValueError("moves of several kinds in one statement")
    if len({each.order_id for each in planned}) < len(planned):
        raise ValueError("two moves of one order in one statement")
    ordered = sorted(planned, key=lambda each: each.order_id)
    moves = [each.move for each in ordered]
    rows = [values_of(move, delays) for move in moves]
    signatures = [each.signature for each in ordered]
    live = {"live_signature": array(signatures)} if kind in _AT_SIGNATURES else {}
    return {
        **live,
        "sources": STATUSES[kind],
        "target": TARGETS[kind].value,
        "id": array([each.order_id for each in ordered]),
        "at_version": array([each.version for each in ordered]),
        "data": [json_text(dict(move.data)) for move in moves],
        **(columns_of(rows) if rows[0] else {}),
    }
