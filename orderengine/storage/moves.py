"""The moves of orders: one statement for each class of moves, for one order or for many.

`move_statement.py` has the parts of which they are made.
"""

# ruff: noqa: S608 - statements are composed of constants of this file

from collections.abc import Mapping, Sequence
from typing import Any

from orderengine.domain.delays import RecoveryDelays
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
    Rest,
    StartRouting,
    Submit,
    Trigger,
)
from orderengine.domain.order import SOURCES, TARGETS, MoveKind, OrderStatus
from orderengine.execution.ports import PlannedMove
from orderengine.postgres.arrays import array, columns_of
from orderengine.postgres.database import Statement
from orderengine.storage.daily import CHARGE_COLUMNS, CHARGE_KEPT, CHARGE_STARTED
from orderengine.storage.halts import NOT_HALTED
from orderengine.storage.move_statement import (
    AT_ANY_VERSION,
    AT_SIGNATURE,
    BUILD_COLUMNS,
    BUILT,
    CLEARED,
    DUE,
    END,
    FAILURE_COLUMNS,
    GOES_ON,
    NEVER_DUE,
    NEW_BUDGET,
    NOT_DUE,
    NOT_EXPIRED,
    REMEMBER_FAILURE,
    RETIRE_TRANSACTION,
    move_statement,
)
from orderengine.storage.move_values import values_of
from orderengine.storage.sql import SIGNED, SIGNED_ON, SIGNED_TYPES

_AT_SIGNATURES = {
    kind for kind, statuses in SOURCES.items() if OrderStatus.SUBMITTED in statuses
} - {MoveKind.CONFIRM, MoveKind.REQUEST_CANCEL}
"""The moves out of `submitted` that may name the order's transaction instead of its version."""

STATUSES: Mapping[MoveKind, list[str]] = {
    kind: sorted(status.value for status in statuses) for kind, statuses in SOURCES.items()
}

# The longest rest is 30 s. The row forgets why attempts failed, or it would grow for weeks.
_REST = """, attempt = attempt + 1, recoveries = 0, failed_attempts = '[]',
        rests = rests + 1, paid_rests = paid_rests + m.paid, rearm_at = clock_timestamp()
            + make_interval(secs => least(30, 0.5 * power(2, least(rests, 6))))"""

_TELL_LATE = """CASE WHEN cancel_requested_at IS NULL THEN m.data
            ELSE m.data || '{"cancelTooLate": true}' END"""

_END_BY_FAILURE = move_statement(
    FAILURE_COLUMNS,
    NEVER_DUE + ", failure_reason = m.reason" + REMEMBER_FAILURE,
    at=AT_SIGNATURE,
    fence=GOES_ON,
    effects=END,
)

MOVES: Mapping[type[Move], Statement] = {
    StartRouting: move_statement(
        {"due_s": "double precision", "recovery": "integer"},
        DUE + CLEARED.format(recovery="m.recovery"),
    ),
    Build: move_statement(BUILD_COLUMNS, DUE + BUILT, fence=" AND now() < m.expires_at"),
    Submit: move_statement(
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
    Confirm: move_statement(
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
        NEVER_DUE
        + """, fill = m.fill, executed_price = m.executed_price,
        slippage_bps = m.slippage_bps""",
        at=AT_ANY_VERSION,
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
    FailAttempt: move_statement(
        {"due_s": "double precision", **FAILURE_COLUMNS},
        DUE + ", attempt = attempt + 1, recoveries = 0" + REMEMBER_FAILURE,
        at=AT_SIGNATURE,
        fence=GOES_ON,
        effects=RETIRE_TRANSACTION,
    ),
    Fail: _END_BY_FAILURE,
    NotFilled: _END_BY_FAILURE,
    Rest: move_statement(
        {"paid": "integer"},
        NOT_DUE + _REST,
        at=AT_SIGNATURE,
        fence=GOES_ON,
        effects=END,
    ),
    EndCanceled: move_statement(
        {}, NEVER_DUE, at=AT_SIGNATURE, fence=" AND cancel_requested_at IS NOT NULL", effects=END
    ),
    EndExpired: move_statement(
        {},
        NEVER_DUE,
        at=AT_SIGNATURE,
        fence=" AND cancel_requested_at IS NULL AND clock_timestamp() >= orders.expires_at",
        effects=END,
    ),
    Trigger: move_statement(
        {"due_s": "double precision", **CHARGE_COLUMNS},
        DUE + NEW_BUDGET,
        fence=f"{NOT_EXPIRED} AND {NOT_HALTED}",
        kept=CHARGE_KEPT,
        effects=CHARGE_STARTED,
    ),
    Amend: move_statement(
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
        NOT_DUE
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
