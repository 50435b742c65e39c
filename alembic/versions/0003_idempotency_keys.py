"""Idempotency keys, and the running totals of rare steps."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
NOW = sa.text("now()")

COUNTED = (
    "status IN ('confirmed', 'failed') OR (status = 'pending' AND seq > 1)"
    " OR (status = 'routing' AND (data ->> 'cause') IN ('recovery', 'quoteExpired'))"
)


def upgrade() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name="fk_idempotency_keys_order_id"),
        sa.PrimaryKeyConstraint("client_id", "key", name="pk_idempotency_keys"),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"])
    create_step_totals()


def create_step_totals() -> None:
    op.create_index(
        "ix_order_events_counted",
        "order_events",
        ["occurred_at"],
        postgresql_where=sa.text(COUNTED),
    )
    op.create_table(
        "step_totals",
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("status", "cause", name="pk_step_totals"),
    )
    mark = op.create_table(
        "step_totals_mark",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("counted_until", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_step_totals_mark"),
        sa.CheckConstraint("id = 1", name="ck_step_totals_mark_one_row"),
    )
    op.execute(sa.insert(mark).values(id=1, counted_until=sa.text("'-infinity'")))


def downgrade() -> None:
    op.drop_table("step_totals_mark")
    op.drop_table("step_totals")
    op.drop_index("ix_order_events_counted", "order_events")
    op.drop_table("idempotency_keys")
