"""Tables of what the workers share about trading; their metadata is that of the other tables."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Integer,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)

from orderengine.storage.tables import Amount, Time, metadata

# Which worker's watcher looks at a symbol's prices, and how many of its orders waited lately.
price_watches = Table(
    "price_watches",
    metadata,
    Column("symbol", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("until", Time, nullable=False),
    Column("waiting", Integer, nullable=False, server_default="0"),
)

# The kill switch: while its row is there, nothing triggers and no attempt is signed.
trading_halts = Table(
    "trading_halts",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("halted_at", Time, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)

# The wallet that workers sign with on each live network, when one of them last said so, and when a
# node last told what it holds. Then up to when all settlements were seen to be final, how many of
# the wallet's latest transactions are not of this database, and when a worker began the latest look
# at either.
wallets = Table(
    "wallets",
    metadata,
    Column("network", Text, primary_key=True),
    Column("wallet", Text, nullable=False),
    Column("lamports", Amount),
    Column("usdc", Amount),
    Column("slots_behind", Integer),
    Column("seen_at", Time, nullable=False, server_default=text("now()")),
    Column("told_at", Time),
    Column("final_until", Time),
    Column("final_looked_at", Time),
    Column("strangers", Integer),
    Column("strangers_looked_at", Time),
)

# What swaps may take from a wallet, from just before they are signed: base units of what they pay,
# and lamports for fees, and for wrapped SOL. `promise_funds` (migration 0025) writes it. No foreign
# key: it would lock each order's row.
wallet_promises = Table(
    "wallet_promises",
    metadata,
    Column("network", Text, primary_key=True),
    Column("wallet", Text, primary_key=True),
    Column("order_id", Uuid, primary_key=True),
    Column("mint", Text, nullable=False),
    Column("units", Amount, nullable=False),
    Column("lamports", Amount, nullable=False),
    Column("promised_at", Time, nullable=False, server_default=text("clock_timestamp()")),
)

# Transactions that landed with an error, until they are seen to be final. The slot is that of the
# landing.
failed_landings = Table(
    "failed_landings",
    metadata,
    Column("signature", Text, primary_key=True),
    Column("network", Text, nullable=False),
    Column("slot", BigInteger, nullable=False),
    Column("seen_at", Time, nullable=False, server_default=text("now()")),
)
