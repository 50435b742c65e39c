"""The indexes for orders that wait or expire, and for the events of their steps.

It also checks the rows that were there before the constraints of 0014. Writers go on meanwhile.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

CHECKED = (
    *("status", "due_at", "limit_amount", "type", "time_in_force", "expires_at", "limit_price"),
    *("stop_price", "trigger", "bound", "limit_price_limit", "waits", "rests", "cancel_requested"),
)
ENDED = "status IN ('confirmed', 'failed')"
ENDED_NOW = "status IN ('confirmed', 'failed', 'canceled', 'expired')"
RECOVERIES = "(data ->> 'cause') IN ('recovery', 'quoteExpired')"
COUNTED = " OR (status = 'pending' AND seq > 1) OR (status = 'routing' AND " + RECOVERIES + ")"
RESTS = " OR (status = 'waiting' AND seq > 1)"

ADDED = {
    "ix_orders_waiting": (
        ["symbol", "type", "side", "watch_price", "created_at", "id"],
        "status = 'waiting'",
    ),
    "ix_orders_expires_at": (
        ["expires_at"],
        "expires_at IS NOT NULL AND status IN ('waiting', 'pending', 'routing', 'building')",
    ),
}
# The conditions imply those of the release before, so that its statements use these indexes, too.
REPLACED = {
    "ix_order_events_one_terminal": (["order_id"], ENDED_NOW, True),
    "ix_order_events_counted": (["occurred_at"], ENDED_NOW + COUNTED + RESTS, False),
}
BEFORE = {
    "ix_order_events_one_terminal": (["order_id"], ENDED, True),
    "ix_order_events_counted": (["occurred_at"], ENDED + COUNTED, False),
}


def upgrade() -> None:
    for name in CHECKED:
        op.execute(f"ALTER TABLE orders VALIDATE CONSTRAINT ck_orders_{name}")
    with op.get_context().autocommit_block():
        for name, (columns, where) in ADDED.items():
            drop(name, "orders")
            op.create_index(
                name,
                "orders",
                columns,
                postgresql_where=sa.text(where),
                postgresql_concurrently=True,
            )
        replace(REPLACED)


def downgrade() -> None:
    with op.get_context().autocommit_block():
        for name in ADDED:
            drop(name, "orders")
        replace(BEFORE)


def replace(indexes: dict) -> None:
    """Make each index anew beside the old one, which serves until then."""
    for name, (columns, where, unique) in indexes.items():
        made = f"{name}_new"
        drop(made, "order_events")
        op.create_index(
            made,
            "order_events",
            columns,
            unique=unique,
            postgresql_where=sa.text(where),
            postgresql_concurrently=True,
        )
        drop(name, "order_events")
        op.execute(f"ALTER INDEX {made} RENAME TO {name}")


def drop(name: str, table: str) -> None:
    op.drop_index(name, table, postgresql_concurrently=True, if_exists=True)
