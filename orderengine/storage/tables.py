"""The engine's tables; `alembic check` compares them with the migrations."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from orderengine.storage.statuses import (
    IS_COUNTED_AT_MOST,
    IS_EXPIRABLE,
    IS_IDLE,
    IS_NEW,
    IS_STATUS,
    IS_TERMINAL,
    IS_TRIGGERED,
    IS_WAITING,
    MAY_HAVE_REQUEST,
)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
    }
)

Price = Numeric()  # as many digits as the engine computes, however small the price
Usdc = Numeric(38, 12)
WorstPrice = Numeric(56, 28)  # exact for every price that a client may send
Amount = Numeric(20, 0)
Time = DateTime(timezone=True)


orders = Table(
    "orders",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("client_id", Text, nullable=False),
    Column("symbol", Text, nullable=False),
    Column("side", Text, nullable=False),
    Column("quantity", Numeric(38, 18)),
    Column("quote_quantity", Numeric(20, 6)),
    Column("slippage_tolerance_bps", Integer),
    Column("worst_price", WorstPrice),
    Column("max_legs", Integer, nullable=False, server_default="1"),
    Column("type", Text, nullable=False, server_default="market"),
    Column("limit_price", WorstPrice),
    Column("stop_price", WorstPrice),
    Column("trigger_on", Text),
    Column("min_liquidity", WorstPrice),
    Column("time_in_force", Text, nullable=False, server_default="IOC"),
    Column("expires_at", Time),
    Column("base_decimals", Integer),
    Column("base_mint", Text),
    # The network that it was accepted for; null if that was not known, or by an earlier release.
    Column("placed_on", Text),
    # The price at which the watcher is to look at the order, and from when on.
    Column("watch_price", Price),
    Column("rearm_at", Time),
    Column("client_order_id", Text),
    Column("request_id", Text),
    Column("status", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("first_attempt", Integer, nullable=False, server_default="1"),
    Column("recoveries", Integer, nullable=False, server_default="0"),
    Column("rests", Integer, nullable=False, server_default="0"),
    Column("paid_rests", Integer, nullable=False, server_default="0"),
    Column("cancel_requested_at", Time),
    Column("held_because", Text),
    Column("redispatched", Integer, nullable=False, server_default="0"),
    Column("due_at", Time),
    Column("route", JSONB),
    Column("dex", Text),
    Column("quoted_price", Price),
    Column("quote_amount", Amount),
    Column("base_amount", Amount),
    Column("limit_amount", Amount),
    Column("tx_hash", Text),
    Column("executed_price", Price),
    Column("slippage_bps", Numeric(20, 4)),
    Column("fill", JSONB),
    Column("failure_reason", Text),
    Column("failed_attempts", JSONB, nullable=False, server_default=text("'[]'::jsonb")),
    Column("created_at", Time, nullable=False, server_default=text("now()")),
    Column("updated_at", Time, nullable=False, server_default=text("now()")),
    # These are about columns that every move writes; triggers keep the rules of `storage.terms`.
    CheckConstraint(IS_STATUS, name="status"),
    CheckConstraint("version > 0 AND attempt > 0 AND recoveries >= 0", name="counters"),
    CheckConstraint(f"(due_at IS NULL) = ({IS_TERMINAL})", name="due_at"),
    CheckConstraint(f"({IS_IDLE}) = (due_at = 'infinity')", name="waits"),
    # A release that does not know requests can neither fail such an order nor try it again.
    CheckConstraint(f"cancel_requested_at IS NULL OR {MAY_HAVE_REQUEST}", name="cancel_requested"),
    Index("ix_orders_due_at", "due_at", postgresql_where=text("due_at IS NOT NULL")),
    # For the watcher: the orders of a symbol whose price has come, the most aggressive first.
    Index(
        "ix_orders_waiting",
        *("symbol", "type", "side", "watch_price", "created_at", "id"),
        postgresql_where=text(IS_WAITING),
    ),
    Index(
        "ix_orders_expires_at",
        "expires_at",
        postgresql_where=text(f"expires_at IS NOT NULL AND {IS_EXPIRABLE}"),
    ),
    # For claims of the oldest new orders: an order leaves at its first step.
    Index("ix_orders_new", "created_at", "id", postgresql_where=text(IS_NEW)),
    # For the same claims: those that a trigger has started, which new orders do not enter.
    Index("ix_orders_triggered", "updated_at", "id", postgresql_where=text(IS_TRIGGERED)),
    Index(
        "ix_orders_client_order_id",
        "client_id",
        "client_order_id",
        unique=True,
        postgresql_where=text("client_order_id IS NOT NULL"),
    ),
    # The condition keeps it from statements that name ids and no client. These lock rows as they
    # find them, which must be in the order of ids. Any other index with ids needs a condition.
    Index(
        "ix_orders_client_created",
        *("client_id", text("created_at DESC"), text("id DESC")),
        postgresql_where=text("client_id IS NOT NULL"),
    ),
    # An order enters this index once, at its last step.
    Index(
        "ix_orders_client_ended",
        "client_id",
        "updated_at",
        postgresql_where=text("due_at IS NULL"),
    ),
    # For clients' streams: a look finds what has begun to wait without reading all that waits.
    Index(
        "ix_orders_client_waiting",
        "client_id",
        "updated_at",
        postgresql_where=text(IS_WAITING),
    ),
    # For the lists of ended orders by status and symbol: an order enters once.
    Index(
        "ix_orders_client_ended_status",
        *("client_id", "status", "created_at", "id"),
        postgresql_where=text("due_at IS NULL"),
    ),
    Index(
        "ix_orders_client_ended_symbol",
        "client_id",
        "symbol",
        "status",
        "created_at",
        "id",
        postgresql_where=text("due_at IS NULL"),
    ),
    # For all lists of open orders.
    Index(
        "ix_orders_client_standing",
        "client_id",
        "status",
        "created_at",
        "id",
        "symbol",
        postgresql_where=text("due_at IS NOT NULL"),
    ),
)

order_events = Table(
    "order_events",
    metadata,
    Column("order_id", Uuid, ForeignKey("orders.id"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("status", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("occurred_at", Time, nullable=False, server_default=text("now()")),
    Column("data", JSONB, nullable=False),
    Index(
        "ix_order_events_one_terminal",
        "order_id",
        unique=True,
        postgresql_where=text(IS_TERMINAL),
    ),
    # The steps that the metrics count: one of five for an order without trouble.
    Index(
        "ix_order_events_counted",
        "occurred_at",
        postgresql_where=text(IS_COUNTED_AT_MOST),
    ),
)

transactions = Table(
    "transactions",
    metadata,
    Column("signature", Text, primary_key=True),
    Column("order_id", Uuid, ForeignKey("orders.id"), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("last_valid_height", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    # Where it can land, who pays, and the slot of its blockhash; null on the simulated network.
    Column("network", Text),
    Column("wallet", Text),
    Column("slot", BigInteger),
    Column("signed_at", Time, nullable=False, server_default=text("now()")),
    CheckConstraint("state IN ('live', 'landed', 'dead')", name="state"),
    Index(
        "ix_transactions_one_live",
        "order_id",
        unique=True,
        postgresql_where=text("state IN ('live', 'landed')"),
    ),
)

settlements = Table(
    "settlements",
    metadata,
    Column("signature", Text, ForeignKey("transactions.signature"), primary_key=True),
    Column("order_id", Uuid, ForeignKey("orders.id"), nullable=False, unique=True),
    Column("base_amount", Amount, nullable=False),
    Column("quote_amount", Amount, nullable=False),
    Column("fee", Usdc, nullable=False),
    Column("landed_at", Time, nullable=False),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("client_id", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("order_id", Uuid, ForeignKey("orders.id"), nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("created_at", Time, nullable=False, server_default=text("now()")),
    Column("batch", JSONB),
    Index("ix_idempotency_keys_created_at", "created_at"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("client_id", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("created_at", Time, nullable=False, server_default=text("now()")),
    Column("last_used_at", Time),
    Column("revoked_at", Time),
    CheckConstraint("octet_length(digest) = 32", name="digest"),
)

socket_tickets = Table(
    "socket_tickets",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("client_id", Text, nullable=False),
    Column("key_id", Text, ForeignKey("api_keys.id")),
    Column("expires_at", Time, nullable=False),
    CheckConstraint("octet_length(digest) = 32", name="digest"),
    Index("ix_socket_tickets_expires_at", "expires_at"),
)

# How often each kind of rare step happened, up to the mark; later ones are counted from the events.
step_totals = Table(
    "step_totals",
    metadata,
    Column("status", Text, primary_key=True),
    Column("cause", Text, primary_key=True),
    Column("total", BigInteger, nullable=False),
)

step_totals_mark = Table(
    "step_totals_mark",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("counted_until", Time, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)
