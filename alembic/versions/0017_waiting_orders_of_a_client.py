"""An index for the streams of clients with many waiting orders. Writers go on meanwhile."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

NAME = "ix_orders_client_waiting"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        drop()
        op.create_index(
            NAME,
            "orders",
            ["client_id", "updated_at"],
            postgresql_where=sa.text("status = 'waiting'"),
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        drop()


def drop() -> None:
    op.drop_index(NAME, "orders", postgresql_concurrently=True, if_exists=True)
