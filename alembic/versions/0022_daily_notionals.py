"""The limit per client and day, and the mint of the token that a waiting order was placed for.

The release before works on: it charges nothing, and gives nothing back. Orders that it lets rest
stay charged until they end, and are not charged again.
"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

CHARGE = sa.Numeric(38, 6)


def upgrade() -> None:
    op.add_column("orders", sa.Column("base_mint", sa.Text()))
    op.create_table(
        "daily_notionals",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("charged", CHARGE, nullable=False),
        sa.Column("most", CHARGE, nullable=False),
        sa.CheckConstraint(
            "charged >= 0 AND charged <= most", name=op.f("ck_daily_notionals_within")
        ),
        sa.PrimaryKeyConstraint("day", "client_id", name=op.f("pk_daily_notionals")),
    )
    op.create_table(
        "daily_charges",
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("charged", CHARGE, nullable=False),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.id"], name=op.f("fk_daily_charges_order_id_orders")
        ),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_daily_charges")),
    )
    op.create_index("ix_daily_charges_day", "daily_charges", ["day"])


def downgrade() -> None:
    op.drop_table("daily_charges")
    op.drop_table("daily_notionals")
    op.drop_column("orders", "base_mint")
