"""The statements that accept, read and claim orders; each one is a transaction of its own."""

from collections.abc import Mapping

from orderengine.domain.events import OrderEvent
from orderengine.domain.home import SIMULATED
from orderengine.domain.order import IDLE_STATUSES, NewOrder, Order, OrderStatus
from orderengine.postgres.arrays import BY_KEY
from orderengine.postgres.database import BY_INDEX, Statement
from orderengine.storage.columns import column_list, parameter_list
from orderengine.storage.daily import charges
from orderengine.storage.statuses import IS_HERE

SIGNED_TYPES: Mapping[str, str] = {
    "payload": "bytea",
    "last_valid_height": "bigint",
    "network": "text",
    "wallet": "text",
    "slot": "bigint",
}
"""The columns of a stored transaction besides its signature, with their types."""

SIGNED = ", ".join(SIGNED_TYPES)
SIGNED_ON = f""", tx_hash = m.signature,
        placed_on = coalesce(orders.placed_on, m.network, '{SIMULATED}')"""
"""Binds an order whose network was not known when it was accepted to that of its transaction."""
_OF_T = ", ".join(f"t.{name}" for name in SIGNED_TYPES)
UNSIGNED = ", ".join(f"CAST(NULL AS {kind}) AS {name}" for name, kind in SIGNED_TYPES.items())

ORDER_COLUMNS = f"{column_list(Order, 'o.')}, o.tx_hash, {_OF_T}"

# `t` is the latest stored transaction: a statement does not see the one that it writes itself.
LATEST_TRANSACTION = "LEFT JOIN transactions t ON t.signature = o.tx_hash"

LOOKED_UP_BY_KEY: Mapping[str, str | int] = {
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}
"""Makes the planner look each row of a short list up by its key, whatever its statistics say."""

EVENT_COLUMNS = column_list(OrderEvent)

WRITE_EVENT = f"""
    INSERT INTO order_events ({EVENT_COLUMNS})
    SELECT id, version, status, attempt, updated_at, CAST(:data AS jsonb) FROM o
    RETURNING {EVENT_COLUMNS}"""

RETURN_MOVED = f"""
SELECT {ORDER_COLUMNS}, event.seq, event.occurred_at, event.data
FROM o JOIN event ON event.order_id = o.id {LATEST_TRANSACTION}"""


_BEGUN = "status, watch_price, version, attempt, due_at"


def _due(waits: str) -> str:
    """When recovery looks at a new order: never at one that waits for its condition."""
    return (
        f"CASE WHEN {waits} THEN CAST('infinity' AS timestamptz)"
        " ELSE now() + make_interval(secs => :due_s) END"
    )


_CHARGE = charges("""
    SELECT id AS order_id, client_id, CAST(:charge AS numeric) AS charged,
           CAST(:most AS numeric) AS most FROM o""")


def _accept(before: str = "", source: str = "", effects: str = "") -> Statement:
    return Statement(
        f"""
WITH {before}o AS (
    INSERT INTO orders ({column_list(NewOrder)}, {_BEGUN})
    SELECT {parameter_list(NewOrder)}, :status, :watch_price, 1, 1, {_due(":waits")}{source}
    ON CONFLICT (client_id, client_order_id) WHERE client_order_id IS NOT NULL DO NOTHING
    RETURNING *
), event AS ({WRITE_EVENT}){effects}
{RETURN_MOVED}"""
    )


ACCEPT = _accept()
ACCEPT_CHARGED = _accept(effects=_CHARGE)

# Order and event select from the claimed key: if the key is taken, nothing is written. The
# statement waits for another one that stores the same key, up to `lock_timeout`, which is set for
# this transaction only. It claims no key if the clientOrderId is taken. If that is taken
# concurrently, the key would have no order, and its foreign key refuses it.
_CLAIMED = """claimed AS (
    INSERT INTO idempotency_keys (client_id, key, order_id, fingerprint)
    SELECT :client_id, :key, :id, :fingerprint
    FROM set_config('lock_timeout', :wait_ms, true)
    WHERE NOT EXISTS (SELECT FROM orders WHERE client_id = :client_id
                      AND client_order_id = CAST(:client_order_id AS text))
    ON CONFLICT (client_id, key) DO NOTHING
    RETURNING order_id
), """
ACCEPT_ONCE = _accept(_CLAIMED, " FROM claimed")
ACCEPT_ONCE_CHARGED = _accept(_CLAIMED, " FROM claimed", _CHARGE)

_CHARGE_ALL = charges("""
    SELECT o.id AS order_id, o.client_id, new.charge AS charged, new.most
    FROM o JOIN new ON new.id = o.id WHERE new.charge IS NOT NULL""")


def _accept_all(claimed: str = "", source: str = "") -> Statement:
    # In the order of their names, for which statements wait: no two wait for each other. Of two
    # orders with one name the first is stored: their ids rise in the order of the request.
    return Statement(
        f"""
WITH new AS (
    SELECT new.*, given.said -> 'data' AS data, CAST(given.said ->> 'charge' AS numeric) AS charge,
           CAST(given.said ->> 'most' AS numeric) AS most
    FROM jsonb_array_elements(CAST(:orders AS jsonb)) AS given (said)
    CROSS JOIN LATERAL jsonb_populate_record(CAST(NULL AS orders), given.said) AS new
), {claimed}o AS (
    INSERT INTO orders ({column_list(NewOrder)}, {_BEGUN})
    SELECT {column_list(NewOrder, "new.")}, new.status, new.watch_price, 1, 1,
           {_due(f"new.status = '{OrderStatus.WAITING}'")}
    FROM new{source} ORDER BY new.client_order_id, new.id
    ON CONFLICT (client_id, client_order_id) WHERE client_order_id IS NOT NULL DO NOTHING
    RETURNING *
), event AS (
    INSERT INTO order_events ({EVENT_COLUMNS})
    SELECT o.id, o.version, o.status, o.attempt, o.updated_at, new.data
    FROM o JOIN new ON new.id = o.id
    RETURNING {EVENT_COLUMNS}
){_CHARGE_ALL}
SELECT {ORDER_COLUMNS}, event.seq, event.occurred_at, event.data
FROM o JOIN event ON event.order_id = o.id
CROSS JOIN (SELECT {UNSIGNED}) AS t
ORDER BY o.id"""
    )


ACCEPT_ALL = _accept_all()

# The key names the first order whose name is free; it is not claimed if there is none. A scalar
# query looks each name up in the index: for NOT EXISTS the planner may read all names of a client.
ACCEPT_ALL_ONCE = _accept_all(
    """claimed AS (
    INSERT INTO idempotency_keys (client_id, key, order_id, fingerprint, batch)
    SELECT :client_id, :key, new.id, :fingerprint, CAST(:batch AS jsonb)
    FROM new, set_config('lock_timeout', :wait_ms, true)
    WHERE (SELECT taken.id FROM orders taken WHERE taken.client_id = :client_id
           AND taken.client_order_id = new.client_order_id LIMIT 1) IS NULL
    ORDER BY new.id LIMIT 1
    ON CONFLICT (client_id, key) DO NOTHING
    RETURNING order_id
), """,
    " CROSS JOIN claimed",
)

BATCH_BEFORE = Statement(
    f"""
SELECT k.fingerprint, kept.said, kept.place, {ORDER_COLUMNS}
FROM idempotency_keys k
LEFT JOIN LATERAL jsonb_array_elements(k.batch) WITH ORDINALITY AS kept (said, place) ON true
LEFT JOIN orders o ON o.id = CAST(kept.said ->> 'orderId' AS uuid)
{LATEST_TRANSACTION}
WHERE k.client_id = :client_id AND k.key = :key""",
    LOOKED_UP_BY_KEY,
)

HOLDERS = Statement(
    """
SELECT o.client_order_id, o.id
FROM unnest(CAST(:names AS text[])) AS wanted (name)
JOIN orders o ON o.client_id = :client_id AND o.client_order_id = wanted.name""",
    LOOKED_UP_BY_KEY,
)

ACCEPTED_BEFORE = Statement(
    """
SELECT k.order_id, k.fingerprint, o.created_at AS accepted_at
FROM idempotency_keys k JOIN orders o ON o.id = k.order_id
WHERE k.client_id = :client_id AND k.key = :key"""
)

FORGET_KEYS = Statement(
    """
WITH old AS (
    SELECT client_id, key FROM idempotency_keys
    WHERE created_at < now() - make_interval(secs => :age_s)
    ORDER BY created_at LIMIT :limit FOR UPDATE SKIP LOCKED
)
DELETE FROM idempotency_keys k USING old
WHERE k.client_id = old.client_id AND k.key = old.key
RETURNING k.key"""
)


GET = Statement(f"SELECT {ORDER_COLUMNS} FROM orders o {LATEST_TRANSACTION} WHERE o.id = :id")

NAMED = Statement(
    f"""
SELECT {ORDER_COLUMNS} FROM orders o {LATEST_TRANSACTION}
WHERE o.client_id = :client_id AND o.client_order_id = :client_order_id"""
)

# Ordered like the index of open orders, so that the planner uses it whatever their number. Idle
# orders are not counted: their statuses are the last open ones in the order of the index.
COUNT_OPEN = Statement(
    f"""
SELECT count(*) AS total FROM (
    SELECT FROM orders WHERE client_id = :client_id AND due_at IS NOT NULL
      AND status < '{min(IDLE_STATUSES)}'
    ORDER BY status, created_at, id LIMIT :limit
) AS open_orders""",
    BY_INDEX,
)

COUNT_WAITING = Statement(
    f"""
SELECT count(*) AS total FROM (
    SELECT FROM orders WHERE client_id = :client_id AND due_at IS NOT NULL
      AND status = '{OrderStatus.WAITING}'
    LIMIT :limit
) AS waiting""",
    BY_INDEX,
)

EVENTS = Statement(
    f"""
SELECT {EVENT_COLUMNS} FROM order_events
WHERE order_id = :id AND seq > :after ORDER BY seq"""
)

EVENTS_AFTER = Statement(
    f"""
SELECT {column_list(OrderEvent, "e.")}
FROM unnest(CAST(:ids AS uuid[]), CAST(:seqs AS integer[])) AS seen (id, seq)
JOIN order_events e ON e.order_id = seen.id AND e.seq > seen.seq
ORDER BY e.order_id, e.seq""",
    LOOKED_UP_BY_KEY,
)

STEPS_OF = Statement(
    """
SELECT e.order_id, e.status, e.occurred_at
FROM unnest(CAST(:ids AS uuid[])) AS wanted (id)
JOIN order_events e ON e.order_id = wanted.id
ORDER BY e.order_id, e.seq""",
    LOOKED_UP_BY_KEY,
)

# A snapshot names the transactions that it sees. Only a transaction that writes has a number.
MARK = Statement("SELECT CAST(pg_current_snapshot() AS text) AS mark")

# Runs before the first move, which may crash a worker; adds no event and no version.
COUNT_RECOVERY = Statement(
    f"""
UPDATE orders SET recoveries = recoveries + 1
WHERE id = :id AND version = :version AND status = '{OrderStatus.PENDING}' AND {IS_HERE}
RETURNING recoveries"""
)

HOLD_SUBMITTED = Statement(
    f"""
UPDATE orders SET held_because = :because
WHERE id = ANY(CAST(CAST(:ids AS text[]) AS uuid[])) AND status = '{OrderStatus.SUBMITTED}'
  AND held_because IS DISTINCT FROM :because
RETURNING id""",
    BY_KEY,
)

# Orders of another network or wallet are left as they are: they stay due, and their own worker
# finds them so. The wallet of one that has no transaction does not matter.
CLAIM_DUE = Statement(
    f"""
WITH due AS (
    SELECT id FROM orders
    WHERE due_at <= now() AND {IS_HERE}
      AND (status <> '{OrderStatus.SUBMITTED}' OR CAST(:wallet AS text) IS NULL OR coalesce((
          SELECT coalesce(t.wallet, '') = :wallet FROM transactions t
          WHERE t.signature = orders.tx_hash
      ), true))
    ORDER BY due_at, created_at LIMIT :limit FOR UPDATE SKIP LOCKED
), o AS (
    UPDATE orders
    SET redispatched = redispatched + 1,
        due_at = now() + make_interval(secs => CASE status
            WHEN '{OrderStatus.SUBMITTED}' THEN :submitted_s
            ELSE least(:submitted_s, :stage_s * power(2, least(redispatched, 8))) END)
    FROM due WHERE orders.id = due.id
    RETURNING orders.*
)
SELECT {ORDER_COLUMNS} FROM o {LATEST_TRANSACTION} ORDER BY o.created_at, o.id"""
)
