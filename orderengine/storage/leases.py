"""The statements of the leases: who watches a symbol, and which of its orders comes first."""

# ruff: noqa: S608 - statements are composed of constants

from itertools import product

from orderengine.domain.side import Side
from orderengine.domain.terms import OrderType
from orderengine.execution.waiting.prices import starts_below
from orderengine.postgres.database import BY_INDEX, Statement
from orderengine.storage.statuses import IS_WAITING

_WAITING_KINDS = list(product((OrderType.LIMIT, OrderType.STOP, OrderType.SNIPER), Side))


def _nearest(*, below: bool) -> str:
    """The first order in the index, for each kind that starts at or below its price, or above."""
    kinds = [kind for kind in _WAITING_KINDS if starts_below(*kind) is below]
    values = ", ".join(f"('{kind}', '{side}')" for kind, side in kinds)
    return f"""
SELECT mine.symbol, kind.type, kind.side, nearest.watch_price
FROM mine CROSS JOIN (VALUES {values}) AS kind (type, side)
CROSS JOIN LATERAL (
    SELECT o.watch_price FROM orders o
    WHERE o.symbol = mine.symbol AND o.type = kind.type AND o.side = kind.side AND o.{IS_WAITING}
    ORDER BY o.watch_price{" DESC" if below else ""} LIMIT 1
) AS nearest"""


# Each question is a query with LIMIT, which is one look at the index. For EXISTS the planner may
# read all orders that wait. A lease with more than half of its time left is not written again.
HOLD = Statement(
    f"""
WITH watched AS MATERIALIZED (
    SELECT asked.symbol FROM unnest(CAST(:symbols AS text[])) AS asked (symbol)
    WHERE NOT EXISTS (SELECT FROM trading_halts)
      AND (SELECT 1 FROM orders o WHERE o.symbol = asked.symbol AND o.{IS_WAITING} LIMIT 1)
          IS NOT NULL
), leases AS (
    SELECT w.symbol, w.holder,
           w.until > clock_timestamp() + make_interval(secs => :lease_s / 2) AS is_long,
           w.until > clock_timestamp() AS is_held
    FROM price_watches w WHERE w.symbol IN (SELECT symbol FROM watched)
), kept AS (
    SELECT symbol FROM leases WHERE holder = :holder AND is_long
), taken AS (
    INSERT INTO price_watches AS w (symbol, holder, until)
    SELECT symbol, :holder, clock_timestamp() + make_interval(secs => :lease_s) FROM watched
    WHERE symbol NOT IN (SELECT symbol FROM kept)
      AND symbol NOT IN (SELECT symbol FROM leases WHERE holder <> :holder AND is_held)
    ORDER BY symbol
    ON CONFLICT (symbol) DO UPDATE SET holder = excluded.holder, until = excluded.until
    WHERE w.holder = excluded.holder OR w.until <= clock_timestamp()
    RETURNING symbol
), mine AS MATERIALIZED (
    SELECT symbol FROM kept UNION ALL SELECT symbol FROM taken
){_nearest(below=True)}
UNION ALL{_nearest(below=False)}""",
    {**BY_INDEX, "enable_sort": "on"},
)

# Other watchers take leases in the order of the symbols.
RELEASE = Statement(
    """
WITH mine AS MATERIALIZED (
    SELECT symbol FROM price_watches WHERE holder = :holder ORDER BY symbol FOR NO KEY UPDATE
)
UPDATE price_watches SET until = '-infinity' WHERE symbol IN (SELECT symbol FROM mine)
RETURNING symbol"""
)
