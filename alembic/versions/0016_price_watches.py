"""Who watches the prices of a symbol, the kill switch, and why an order is held.

The release before needs none of them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("orders", sa.Column("held_because", sa.Text()))
    op.create_table(
        "price_watches",
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("until", TIME, nullable=False),
        sa.Column("waiting", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("symbol", name="pk_price_watches"),
    )
    op.create_table(
        "trading_halts",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("halted_at", TIME, nullable=False),
        sa.CheckConstraint("id = 1", name="ck_trading_halts_one_row"),
        sa.PrimaryKeyConstraint("id", name="pk_trading_halts"),
    )


def downgrade() -> None:
    op.drop_table("trading_halts")
    op.drop_table("price_watches")
    op.drop_column("orders", "held_because")
