"""Orders that name exactly so much USDC, and a ledger of swaps of exactly so much USDC.

The statements of the previous release still work: they write amounts of the base asset.
"""

from collections.abc import Sequence

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

LIMITS = {
    "ck_orders_limit_amount": """limit_amount IS NULL OR CASE
 WHEN quote_quantity IS NULL AND side = 'buy'
 THEN limit_amount * 10000 <= quote_amount * (10000 + slippage_tolerance_bps)
 WHEN quote_quantity IS NULL
 THEN (limit_amount + 1) * 10000 > quote_amount * (10000 - slippage_tolerance_bps)
 WHEN side = 'buy'
 THEN (limit_amount + 1) * 10000 > base_amount * (10000 - slippage_tolerance_bps)
 ELSE limit_amount * 10000 <= base_amount * (10000 + slippage_tolerance_bps) END""",
    "ck_orders_worst_price_limit": """limit_amount IS NULL OR worst_price IS NULL OR CASE
 WHEN quote_quantity IS NULL AND side = 'buy'
 THEN limit_amount <= worst_price * quantity * 1000000
 WHEN quote_quantity IS NULL THEN limit_amount >= worst_price * quantity * 1000000
 WHEN side = 'buy' THEN coalesce(limit_amount * worst_price >= {worth}, false)
 ELSE coalesce(limit_amount * worst_price <= {worth}, false) END""".format(
        worth="quote_quantity * power(CAST(10 AS numeric),"
        " CAST(route #>> '{legs,0,baseDecimals}' AS integer))"
    ),
}
NEW = {
    "ck_orders_quote_quantity": "quote_quantity > 0 AND quote_quantity < 1e14",
    "ck_orders_one_amount": "num_nonnulls(quantity, quote_quantity) = 1",
    "ck_orders_exact_usdc": "limit_amount IS NULL OR quote_quantity IS NULL"
    " OR base_amount IS NOT NULL AND quote_amount IS NOT NULL"
    " AND quote_amount = quote_quantity * 1000000",
}
BEFORE = {
    "ck_orders_limit_amount": """limit_amount IS NULL OR CASE side
 WHEN 'buy' THEN limit_amount * 10000 <= quote_amount * (10000 + slippage_tolerance_bps)
 ELSE (limit_amount + 1) * 10000 > quote_amount * (10000 - slippage_tolerance_bps) END""",
    "ck_orders_worst_price_limit": """limit_amount IS NULL OR worst_price IS NULL OR CASE side
 WHEN 'buy' THEN limit_amount <= worst_price * quantity * 1000000
 ELSE limit_amount >= worst_price * quantity * 1000000 END""",
}
LEDGER = {
    "ck_sim_transactions_exact_amount": "(base_amount IS NULL)"
    " = jsonb_exists(legs -> 0, 'quoteAmount')",
}
COMMENTS = {
    "legs": (
        "the pools the swap names: venue, pool and baseAmount of each",
        "the pools the swap names: venue, pool and exact amount of each",
    ),
    "base_amount": (
        "to trade exactly, in base units",
        "to trade exactly, in base units; null if USDC is exact",
    ),
    "limit_amount": (
        "the most a buy pays, the least a sell gets; base units of USDC",
        "the most it pays, the least it gets; base units of the asset that is not exact",
    ),
}


def upgrade() -> None:
    """Rows are checked after the tables are free again; an interrupted run may be repeated."""
    op.execute(
        "ALTER TABLE orders ADD COLUMN IF NOT EXISTS quote_quantity numeric(20, 6),"
        " ADD COLUMN IF NOT EXISTS base_amount numeric(20, 0), ALTER COLUMN quantity DROP NOT NULL"
    )
    _replace_checks("orders", LIMITS | NEW, valid=False)
    op.execute("ALTER TABLE sim_transactions ALTER COLUMN base_amount DROP NOT NULL")
    _replace_checks("sim_transactions", LEDGER, valid=False)
    for column, (_, comment) in COMMENTS.items():
        op.execute(f"COMMENT ON COLUMN sim_transactions.{column} IS '{comment}'")
    with op.get_context().autocommit_block():
        _validate("orders", [*LIMITS, *NEW])
        _validate("sim_transactions", [*LEDGER])


def downgrade() -> None:
    """Fails while there are orders that name USDC: the earlier schema has no place for them."""
    for name in NEW:
        op.drop_constraint(name, "orders")
    _replace_checks("orders", BEFORE, valid=True)
    op.execute(
        "ALTER TABLE orders ALTER COLUMN quantity SET NOT NULL,"
        " DROP COLUMN quote_quantity, DROP COLUMN base_amount"
    )
    for name in LEDGER:
        op.drop_constraint(name, "sim_transactions")
    op.execute("ALTER TABLE sim_transactions ALTER COLUMN base_amount SET NOT NULL")
    for column, (comment, _) in COMMENTS.items():
        op.execute(f"COMMENT ON COLUMN sim_transactions.{column} IS '{comment}'")


def _replace_checks(table: str, checks: dict[str, str], *, valid: bool) -> None:
    """Put checks in place of those of the same names, in one statement.

    Unless `valid`, present rows are not looked at, which would keep others waiting.
    """
    changes = [
        f"DROP CONSTRAINT IF EXISTS {name}, ADD CONSTRAINT {name} CHECK ({check})"
        f"{'' if valid else ' NOT VALID'}"
        for name, check in checks.items()
    ]
    op.execute(f"ALTER TABLE {table} {', '.join(changes)}")


def _validate(table: str, names: Sequence[str]) -> None:
    for name in names:
        op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}")
