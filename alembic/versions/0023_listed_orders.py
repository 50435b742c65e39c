"""The index of a client's list serves statements that name the client, and no others.

It has the id of each order. PostgreSQL took it for statements that move orders by their ids, when
the table was nearly empty, and locked their rows in the order of the list instead of their ids.
"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

NAME = "ix_orders_client_created"
COLUMNS = ["client_id", sa.text("created_at DESC"), sa.text("id DESC")]


def upgrade() -> None:
    replace(sa.text("client_id IS NOT NULL"))


def downgrade() -> None:
    replace(None)


def replace(where: sa.TextClause | None) -> None:
    """Make the index anew beside the old one, which serves until then; writers go on meanwhile."""
    made = f"{NAME}_new"
    with op.get_context().autocommit_block():
        drop(made)
        op.create_index(
            made, "orders", COLUMNS, postgresql_where=where, postgresql_concurrently=True
        )
        drop(NAME)
        op.execute(f"ALTER INDEX {made} RENAME TO {NAME}")


def drop(name: str) -> None:
    op.drop_index(name, "orders", postgresql_concurrently=True, if_exists=True)
