"""Orders, their events, transactions and settlements."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

PRICE = sa.Numeric(38, 12)
AMOUNT = sa.Numeric(20, 0)
TIME = sa.DateTime(timezone=True)
NOW = sa.text("now()")


def upgrade() -> None:
    create_orders()
    create_order_indexes()
    create_order_events()
    create_transactions()


def create_orders() -> None:
    op.create_table(
        "orders",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(38, 18), nullable=False),
        sa.Column("slippage_tolerance_bps", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("recoveries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("redispatched", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due_at", TIME),
        sa.Column("route", postgresql.JSONB()),
        sa.Column("dex", sa.Text()),
        sa.Column("quoted_price", PRICE),
        sa.Column("quote_amount", AMOUNT),
        sa.Column("limit_amount", AMOUNT),
        sa.Column("tx_hash", sa.Text()),
        sa.Column("executed_price", PRICE),
        sa.Column("slippage_bps", sa.Numeric(20, 4)),
        sa.Column("fill", postgresql.JSONB()),
        sa.Column("failure_reason", sa.Text()),
        sa.Column(
            "failed_attempts",
            postgresql.JSONB(),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.Column("updated_at", TIME, server_default=NOW, nullable=False),
        *order_checks(),
        sa.PrimaryKeyConstraint("id", name="pk_orders"),
    )


def create_order_indexes() -> None:
    op.create_index(
        "ix_orders_due_at", "orders", ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL")
    )
    op.create_index(
        "ix_orders_client_created",
        "orders",
        ["client_id", sa.text("created_at DESC"), sa.text("id DESC")],
    )


def order_checks() -> list[sa.CheckConstraint]:
    return [
        sa.CheckConstraint("side IN ('buy', 'sell')", name="ck_orders_side"),
        sa.CheckConstraint("quantity > 0 AND quantity < 1e18", name="ck_orders_quantity"),
        sa.CheckConstraint(
            "slippage_tolerance_bps BETWEEN 0 AND 10000", name="ck_orders_slippage_tolerance_bps"
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'routing', 'building', 'submitted', 'confirmed', 'failed')",
            name="ck_orders_status",
        ),
        sa.CheckConstraint(
            "version > 0 AND attempt > 0 AND recoveries >= 0", name="ck_orders_counters"
        ),
        sa.CheckConstraint(
            "(due_at IS NULL) = (status IN ('confirmed', 'failed'))", name="ck_orders_due_at"
        ),
        sa.CheckConstraint(
            "limit_amount IS NULL OR CASE side WHEN 'buy'"
            " THEN limit_amount * 10000 <= quote_amount * (10000 + slippage_tolerance_bps)"
            " ELSE (limit_amount + 1) * 10000 > quote_amount * (10000 - slippage_tolerance_bps)"
            " END",
            name="ck_orders_limit_amount",
        ),
    ]


def create_order_events() -> None:
    op.create_table(
        "order_events",
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("occurred_at", TIME, server_default=NOW, nullable=False),
        sa.Column("data", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name="fk_order_events_order_id"),
        sa.PrimaryKeyConstraint("order_id", "seq", name="pk_order_events"),
    )
    op.create_index(
        "ix_order_events_one_terminal",
        "order_events",
        ["order_id"],
        unique=True,
        postgresql_where=sa.text("status IN ('confirmed', 'failed')"),
    )


def create_transactions() -> None:
    op.create_table(
        "transactions",
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("last_valid_height", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("signed_at", TIME, server_default=NOW, nullable=False),
        sa.CheckConstraint("state IN ('live', 'landed', 'dead')", name="ck_transactions_state"),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name="fk_transactions_order_id"),
        sa.PrimaryKeyConstraint("signature", name="pk_transactions"),
    )
    op.create_index(
        "ix_transactions_one_live",
        "transactions",
        ["order_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('live', 'landed')"),
    )
    op.create_table(
        "settlements",
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("base_amount", AMOUNT, nullable=False),
        sa.Column("quote_amount", AMOUNT, nullable=False),
        sa.Column("fee", PRICE, nullable=False),
        sa.Column("landed_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["signature"], ["transactions.signature"], name="fk_settlements_signature"
        ),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name="fk_settlements_order_id"),
        sa.PrimaryKeyConstraint("signature", name="pk_settlements"),
        sa.UniqueConstraint("order_id", name="uq_settlements_order_id"),
    )


def downgrade() -> None:
    op.drop_table("settlements")
    op.drop_table("transactions")
    op.drop_table("order_events")
    op.drop_table("orders")
