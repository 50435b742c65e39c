"""The simulated network's tables, with no link to the engine's tables."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    MetaData,
    Numeric,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

Amount = Numeric(20, 0)
Time = DateTime(timezone=True)

sim_transactions = Table(
    "sim_transactions",
    metadata,
    Column("signature", Text, primary_key=True, comment="base58; names the signed bytes"),
    Column("order_id", Uuid, nullable=False, comment="the order, as the signed bytes say"),
    Column("attempt", Integer, nullable=False, comment="the attempt, as the signed bytes say"),
    Column(
        "legs",
        JSONB,
        nullable=False,
        comment="the pools the swap names: venue, pool and exact amount of each",
    ),
    Column("symbol", Text, nullable=False, comment="the base asset"),
    Column("side", Text, nullable=False, comment="buy or sell, of the base asset"),
    Column("base_amount", Amount, comment="to trade exactly, in base units; null if USDC is exact"),
    Column(
        "limit_amount",
        Amount,
        nullable=False,
        comment="the most it pays, the least it gets; base units of the asset that is not exact",
    ),
    Column(
        "last_valid_height",
        BigInteger,
        nullable=False,
        comment="the last block in which it may land",
    ),
    Column(
        "received_at",
        Time,
        nullable=False,
        comment="when it arrived; if expired, when that was proved",
    ),
    Column("lands_at", Time, comment="when it lands, or landed; null if expired"),
    Column(
        "outcome",
        Text,
        comment="executed, reverted (landed with an error), expired (never came, and can not "
        "land any more); null until somebody looks after the landing",
    ),
    Column("executed_base_amount", Amount, comment="traded, in base units"),
    Column("executed_quote_amount", Amount, comment="paid or got, in base units of USDC"),
    Column("fee", Numeric(38, 12), comment="the pools' fees, in USDC"),
    Column("market_impact_bps", Numeric(20, 4), comment="how far the size moved the price"),
    Column(
        "executed_legs",
        JSONB,
        comment="what each pool executed: dex, pool, baseAmount, quoteAmount, fee, marketImpactBps",
    ),
    Column("slippage_exceeded", Boolean, comment="reverted: whether by its own limit_amount"),
    Column("error", Text, comment="reverted: the error, in the words of the venue's program"),
    CheckConstraint("jsonb_array_length(legs) > 0", name="legs"),
    CheckConstraint(
        "(base_amount IS NULL) = jsonb_exists(legs -> 0, 'quoteAmount')", name="exact_amount"
    ),
    CheckConstraint("side IN ('buy', 'sell')", name="side"),
    CheckConstraint("outcome IN ('executed', 'reverted', 'expired')", name="outcome"),
    CheckConstraint(
        "(lands_at IS NULL) = (outcome IS NOT NULL AND outcome = 'expired')", name="lands_at"
    ),
    CheckConstraint(
        "(executed_base_amount IS NOT NULL AND executed_quote_amount IS NOT NULL"
        " AND fee IS NOT NULL AND market_impact_bps IS NOT NULL AND executed_legs IS NOT NULL)"
        " = (outcome IS NOT NULL AND outcome = 'executed')",
        name="executed",
    ),
    CheckConstraint(
        "(slippage_exceeded IS NOT NULL AND error IS NOT NULL)"
        " = (outcome IS NOT NULL AND outcome = 'reverted')",
        name="reverted",
    ),
    Index("ix_sim_transactions_order_id", "order_id"),
    comment="The simulated network's ledger: an independent witness of what was executed, which "
    "therefore lets an order execute twice. Executions of an order: rows with outcome = "
    "'executed', and, at most, those with outcome IS NULL AND lands_at <= clock_timestamp(), "
    "which landed and were not looked at yet.",
)

sim_switch = Table(
    "sim_switch",
    metadata,
    Column(
        "id", SmallInteger, primary_key=True, server_default=text("1"), comment="there is one row"
    ),
    Column(
        "network_up",
        Boolean,
        nullable=False,
        comment="false: the network answers nobody, as if it were unreachable",
    ),
    CheckConstraint("id = 1", name="one_row"),
    comment="Turns the simulated network off and on at run time; without a row it is on.",
)
