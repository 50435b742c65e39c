"""The id of the request that placed an order; its log lines carry it, even after a recovery."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("orders", sa.Column("request_id", sa.Text()))


def downgrade() -> None:
    op.drop_column("orders", "request_id")
