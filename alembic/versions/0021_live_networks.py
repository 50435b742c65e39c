"""Where a signed transaction can land, whose it is, and which wallet signs on a live network.

The release before needs none of them. Null is the simulated network.
"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("transactions", sa.Column("network", sa.Text()))
    op.add_column("transactions", sa.Column("wallet", sa.Text()))
    op.add_column("transactions", sa.Column("slot", sa.BigInteger()))
    op.create_table(
        "wallets",
        sa.Column("network", sa.Text(), nullable=False),
        sa.Column("wallet", sa.Text(), nullable=False),
        sa.Column("lamports", sa.Numeric(20, 0)),
        sa.Column("usdc", sa.Numeric(20, 0)),
        sa.Column("slots_behind", sa.Integer()),
        sa.Column(
            "seen_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("network", name="pk_wallets"),
    )


def downgrade() -> None:
    op.drop_table("wallets")
    op.drop_column("transactions", "slot")
    op.drop_column("transactions", "wallet")
    op.drop_column("transactions", "network")
