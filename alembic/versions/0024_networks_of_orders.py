"""The network that an order is for, and what the workers of a live network have looked at.

The release before needs none of them: its orders are of any network until they are signed.
"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("orders", sa.Column("placed_on", sa.Text()))
    op.add_column("wallets", sa.Column("final_until", TIME))
    op.add_column("wallets", sa.Column("final_looked_at", TIME))
    op.add_column("wallets", sa.Column("strangers", sa.Integer()))
    op.add_column("wallets", sa.Column("strangers_looked_at", TIME))


def downgrade() -> None:
    for name in ("strangers_looked_at", "strangers", "final_looked_at", "final_until"):
        op.drop_column("wallets", name)
    op.drop_column("orders", "placed_on")
