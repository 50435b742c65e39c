"""The parts of the statements of moves: fences, changed columns, events and other writes.

Every write selects from `o`, the rows just moved: any other write would happen even if the fence of
its row matched nothing. The fence compares columns of `orders`, because PostgreSQL checks those
again after it has waited for a row's lock.

Two statements that lock the same rows in different orders may deadlock, so each one locks its rows
in the order of their ids: it gets the ids sorted, and an index of ids returns them sorted as well.
"""

# ruff: noqa: S608 - statements are composed of constants of this file

from collections.abc import Mapping

from orderengine.postgres.arrays import BY_KEY, array_parameter, unnest
from orderengine.postgres.database import Statement
from orderengine.storage.daily import GIVE_BACK
from orderengine.storage.sql import EVENT_COLUMNS, ORDER_COLUMNS, SIGNED
from orderengine.storage.statuses import IS_HERE

# An order's row is locked by then, and its transactions belong to it: their order does not matter.
RETIRE_TRANSACTION = """, dead AS (
    UPDATE transactions SET state = 'dead'
    WHERE signature = ANY(ARRAY(SELECT tx_hash FROM o))
      AND order_id = ANY(ARRAY(SELECT id FROM o)) AND state = 'live'
)"""

END = RETIRE_TRANSACTION + GIVE_BACK

REMEMBER_FAILURE = """,
        failed_attempts = failed_attempts || jsonb_build_object(
            'attempt', attempt, 'reason', m.reason, 'detail', m.detail)"""

CLEARED = """, recoveries = recoveries + {recovery}, route = NULL, dex = NULL,
        quoted_price = NULL, quote_amount = NULL, base_amount = NULL, limit_amount = NULL,
        tx_hash = NULL"""

FAILURE_COLUMNS = {"reason": "text", "detail": "text"}

# Attempts count from the latest start.
NEW_BUDGET = ", recoveries = 0, first_attempt = attempt, rearm_at = NULL"

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


# A request to cancel raises the version of a submitted order, so a message may have the one before.
# Then the signature says about which transaction the network has answered.
AT_VERSION = "version = m.at_version"
AT_ANY_VERSION = "true"
AT_SIGNATURE = f"({AT_VERSION} OR status = 'submitted' AND tx_hash = m.live_signature)"

# By the clock, since the statement may have waited for the row.
NOT_EXPIRED = " AND (orders.expires_at IS NULL OR clock_timestamp() < orders.expires_at)"
GOES_ON = f" AND cancel_requested_at IS NULL{NOT_EXPIRED}"


def move_statement(
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
    if at is AT_SIGNATURE:
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
NEVER_DUE = ", due_at = NULL"
NOT_DUE = ", due_at = 'infinity'"
