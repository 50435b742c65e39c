"""Orders that wait for a price or a pool, and orders that are canceled or expire.

The release before works on: its orders get the defaults, it takes no order that waits for a due
one, and it can not write what it does not know: an order whose cancel was requested neither fails
nor is tried again. New constraints hold for new rows at once; 0015 checks the old ones.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

PRICE = sa.Numeric(56, 28)
TIME = sa.DateTime(timezone=True)

ENDED = "'confirmed', 'failed'"
ENDED_NOW = f"{ENDED}, 'canceled', 'expired'"
STARTED = "'pending', 'routing', 'building', 'submitted'"
WITHIN_TOLERANCE = (
    " OR CASE WHEN quote_quantity IS NULL AND side = 'buy'"
    " THEN limit_amount * 10000 <= quote_amount * (10000 + slippage_tolerance_bps)"
    " WHEN quote_quantity IS NULL"
    " THEN (limit_amount + 1) * 10000 > quote_amount * (10000 - slippage_tolerance_bps)"
    " WHEN side = 'buy'"
    " THEN (limit_amount + 1) * 10000 > base_amount * (10000 - slippage_tolerance_bps)"
    " ELSE limit_amount * 10000 <= base_amount * (10000 + slippage_tolerance_bps) END"
)
WORTH = (
    "quote_quantity * power(CAST(10 AS numeric),"
    " CAST(route #>> '{legs,0,baseDecimals}' AS integer))"
)
BEFORE = {
    "status": f"status IN ({STARTED}, {ENDED})",
    "due_at": f"(due_at IS NULL) = (status IN ({ENDED}))",
    "limit_amount": f"limit_amount IS NULL{WITHIN_TOLERANCE}",
}
REPLACED = {
    "status": f"status IN ('waiting', {STARTED}, {ENDED_NOW})",
    "due_at": f"(due_at IS NULL) = (status IN ({ENDED_NOW}))",
    "limit_amount": f"limit_amount IS NULL OR slippage_tolerance_bps IS NULL{WITHIN_TOLERANCE}",
}
ADDED = {
    "type": "type IN ('market', 'limit', 'stop', 'sniper')",
    "time_in_force": "time_in_force IN ('IOC', 'GTC', 'GTD')",
    "expires_at": "(time_in_force = 'GTD') = (expires_at IS NOT NULL)",
    "limit_price": "(type = 'limit') = (limit_price IS NOT NULL)"
    " AND (limit_price IS NULL OR limit_price > 0 AND limit_price < 1e28)",
    "stop_price": "(type = 'stop') = (stop_price IS NOT NULL)"
    " AND (stop_price IS NULL OR stop_price > 0 AND stop_price < 1e28)",
    "trigger": "(type = 'sniper') = (trigger_on IS NOT NULL)"
    " AND (trigger_on IS NULL OR trigger_on IN ('poolOpened', 'liquidityAdded'))"
    " AND (trigger_on IS NULL) = (min_liquidity IS NULL)"
    " AND (min_liquidity IS NULL OR min_liquidity >= 0 AND min_liquidity < 1e28)",
    "bound": "slippage_tolerance_bps IS NOT NULL OR limit_price IS NOT NULL"
    " OR type = 'sniper' AND worst_price IS NOT NULL",
    "limit_price_limit": "limit_amount IS NULL OR limit_price IS NULL OR CASE"
    " WHEN quote_quantity IS NULL AND side = 'buy'"
    " THEN limit_amount <= limit_price * quantity * 1000000"
    " WHEN quote_quantity IS NULL THEN limit_amount >= limit_price * quantity * 1000000"
    f" WHEN side = 'buy' THEN coalesce(limit_amount * limit_price >= {WORTH}, false)"
    f" ELSE coalesce(limit_amount * limit_price <= {WORTH}, false) END",
    "waits": "(status = 'waiting') = (due_at = 'infinity')",
    "rests": "rests >= 0 AND paid_rests >= 0 AND first_attempt > 0 AND first_attempt <= attempt",
    "cancel_requested": "cancel_requested_at IS NULL"
    " OR status IN ('submitted', 'confirmed', 'canceled')",
}

# A CHECK can not look at another table. The trigger runs at the end of the statement, so it sees
# the transactions that the same statement has retired. Only the last step of such an order runs it.
REFUSE = """
CREATE FUNCTION refuse_an_end_beside_a_transaction() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM transactions
               WHERE order_id = NEW.id AND state IN ('live', 'landed')) THEN
        RAISE EXCEPTION 'order % has a transaction that may land, or has landed', NEW.id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$"""
TRIGGER = """
CREATE CONSTRAINT TRIGGER orders_end_without_transaction
AFTER INSERT OR UPDATE ON orders FOR EACH ROW WHEN (NEW.status IN ('canceled', 'expired'))
EXECUTE FUNCTION refuse_an_end_beside_a_transaction()"""


def columns() -> list[sa.Column]:
    return [
        sa.Column("type", sa.Text(), server_default="market", nullable=False),
        sa.Column("limit_price", PRICE),
        sa.Column("stop_price", PRICE),
        sa.Column("trigger_on", sa.Text()),
        sa.Column("min_liquidity", PRICE),
        sa.Column("time_in_force", sa.Text(), server_default="IOC", nullable=False),
        sa.Column("expires_at", TIME),
        sa.Column("base_decimals", sa.Integer()),
        sa.Column("watch_price", sa.Numeric()),
        sa.Column("rearm_at", TIME),
        sa.Column("first_attempt", sa.Integer(), server_default="1", nullable=False),
        sa.Column("rests", sa.Integer(), server_default="0", nullable=False),
        sa.Column("paid_rests", sa.Integer(), server_default="0", nullable=False),
        sa.Column("cancel_requested_at", TIME),
    ]


def upgrade() -> None:
    for column in columns():
        op.add_column("orders", column)
    op.alter_column("orders", "slippage_tolerance_bps", nullable=True)
    for name in BEFORE:
        op.drop_constraint(f"ck_orders_{name}", "orders")
    for name, condition in {**REPLACED, **ADDED}.items():
        add(name, condition)
    op.execute(REFUSE)
    op.execute(TRIGGER)


def downgrade() -> None:
    """Fails while there are orders that the release before does not know."""
    op.execute("DROP TRIGGER orders_end_without_transaction ON orders")
    op.execute("DROP FUNCTION refuse_an_end_beside_a_transaction()")
    for name in (*REPLACED, *ADDED):
        op.drop_constraint(f"ck_orders_{name}", "orders")
    for name, condition in BEFORE.items():
        op.create_check_constraint(f"ck_orders_{name}", "orders", condition)
    op.alter_column("orders", "slippage_tolerance_bps", nullable=False)
    for column in reversed(columns()):
        op.drop_column("orders", column.name)


def add(name: str, condition: str) -> None:
    """Without a look at the rows, which would hold up all statements meanwhile."""
    op.execute(f"ALTER TABLE orders ADD CONSTRAINT ck_orders_{name} CHECK ({condition}) NOT VALID")
