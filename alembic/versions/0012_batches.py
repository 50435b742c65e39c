"""What the orders of a batch became, beside the batch's idempotency key.

The previous release leaves the column empty. To it the key of a batch is that of another request.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("idempotency_keys", sa.Column("batch", JSONB(), nullable=True))


def downgrade() -> None:
    op.drop_column("idempotency_keys", "batch")
