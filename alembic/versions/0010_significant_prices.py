"""Prices with significant digits: twelve places are too few for the cheapest tokens.

Without a fixed scale no row is rewritten. The statements of the previous release still work: they
write twelve decimal places.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

COLUMNS = ("quoted_price", "executed_price")


def upgrade() -> None:
    for column in COLUMNS:
        op.alter_column("orders", column, type_=sa.Numeric(), existing_type=sa.Numeric(38, 12))


def downgrade() -> None:
    for column in COLUMNS:
        op.alter_column("orders", column, type_=sa.Numeric(38, 12), existing_type=sa.Numeric())
