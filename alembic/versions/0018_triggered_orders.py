"""The index of triggered orders, from which a worker takes the oldest ones along."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

NAME = "ix_orders_triggered"


def upgrade() -> None:
    """Writers go on meanwhile; what an interrupted run left behind is dropped and made again."""
    with op.get_context().autocommit_block():
        drop()
        op.create_index(
            NAME,
            "orders",
            ["updated_at", "id"],
            postgresql_where=sa.text(
                "status = 'pending' AND version > 1 AND attempt = first_attempt"
            ),
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        drop()


def drop() -> None:
    op.drop_index(NAME, "orders", postgresql_concurrently=True, if_exists=True)
