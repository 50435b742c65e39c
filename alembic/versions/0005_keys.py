"""The keys of clients, tickets for their sockets, and their own names for orders."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
NOW = sa.text("now()")


def upgrade() -> None:
    op.add_column("orders", sa.Column("client_order_id", sa.Text()))
    op.create_index(
        "ix_orders_client_order_id",
        "orders",
        ["client_id", "client_order_id"],
        unique=True,
        postgresql_where=sa.text("client_order_id IS NOT NULL"),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.Column("last_used_at", TIME),
        sa.Column("revoked_at", TIME),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.CheckConstraint("octet_length(digest) = 32", name="ck_api_keys_digest"),
    )
    op.create_table(
        "socket_tickets",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text()),
        sa.Column("expires_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_socket_tickets"),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name="fk_socket_tickets_key_id"),
        sa.CheckConstraint("octet_length(digest) = 32", name="ck_socket_tickets_digest"),
    )
    op.create_index("ix_socket_tickets_expires_at", "socket_tickets", ["expires_at"])


def downgrade() -> None:
    op.drop_table("socket_tickets")
    op.drop_table("api_keys")
    op.drop_index("ix_orders_client_order_id", "orders")
    op.drop_column("orders", "client_order_id")
