"""The indexes of the lists by status and symbol; each ended order enters its own once."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

ENDED = sa.text("due_at IS NULL")
OPEN = sa.text("due_at IS NOT NULL")
INDEXES = {
    "ix_orders_client_ended_status": (["client_id", "status", "created_at", "id"], ENDED),
    "ix_orders_client_ended_symbol": (["client_id", "symbol", "status", "created_at", "id"], ENDED),
    # Also serves the queries of the previous index, for a release that knows only that one.
    "ix_orders_client_standing": (["client_id", "status", "created_at", "id", "symbol"], OPEN),
}
BEFORE = {"ix_orders_client_open": (["client_id"], OPEN)}


def upgrade() -> None:
    replace(old=BEFORE, new=INDEXES)


def downgrade() -> None:
    replace(old=INDEXES, new=BEFORE)


def replace(old: dict, new: dict) -> None:
    """Writers go on meanwhile; what an interrupted run left behind is dropped and made again."""
    with op.get_context().autocommit_block():
        for name, (columns, where) in new.items():
            drop(name)
            op.create_index(
                name, "orders", columns, postgresql_where=where, postgresql_concurrently=True
            )
        for name in old:
            drop(name)


def drop(name: str) -> None:
    op.drop_index(name, "orders", postgresql_concurrently=True, if_exists=True)
