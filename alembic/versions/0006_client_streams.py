"""The index for a client's stream, which finds the orders that ended since a given time."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_orders_client_ended",
        "orders",
        ["client_id", "updated_at"],
        postgresql_where=sa.text("due_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_orders_client_ended", "orders")
