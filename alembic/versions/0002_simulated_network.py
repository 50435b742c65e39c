"""The simulated network: its ledger and its switch."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

LEDGER_COMMENT = (
    "The simulated network's ledger: an independent witness of what was executed, which "
    "therefore lets an order execute twice. Executions of an order: rows with outcome = "
    "'executed', and, at most, those with outcome IS NULL AND lands_at <= clock_timestamp(), "
    "which landed and were not looked at yet."
)


def upgrade() -> None:
    op.create_table(
        "sim_transactions",
        *_what_was_signed(),
        *_what_became_of_it(),
        sa.PrimaryKeyConstraint("signature", name="pk_sim_transactions"),
        *_checks(),
        comment=LEDGER_COMMENT,
    )
    op.create_index("ix_sim_transactions_order_id", "sim_transactions", ["order_id"])
    switch = op.create_table(
        "sim_switch",
        sa.Column(
            "id",
            sa.SmallInteger,
            server_default=sa.text("1"),
            autoincrement=False,
            nullable=False,
            comment="there is one row",
        ),
        sa.Column(
            "network_up",
            sa.Boolean,
            nullable=False,
            comment="false: the network answers nobody, as if it were unreachable",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_sim_switch"),
        sa.CheckConstraint("id = 1", name="ck_sim_switch_one_row"),
        comment="Turns the simulated network off and on at run time; without a row it is on.",
    )
    op.bulk_insert(switch, [{"id": 1, "network_up": True}])


def downgrade() -> None:
    op.drop_table("sim_switch")
    op.drop_table("sim_transactions")


def _text(name: str, comment: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, comment=comment)


def _what_was_signed() -> list[sa.Column]:
    return [
        _text("signature", "base58; names the signed bytes"),
        sa.Column(
            "order_id", sa.Uuid, nullable=False, comment="the order, as the signed bytes say"
        ),
        sa.Column(
            "attempt", sa.Integer, nullable=False, comment="the attempt, as the signed bytes say"
        ),
        _text("venue", "whose pool the swap trades in"),
        _text("pool", "the pool the swap names"),
        _text("symbol", "the base asset"),
        _text("side", "buy or sell, of the base asset"),
        sa.Column(
            "base_amount",
            sa.Numeric(20, 0),
            nullable=False,
            comment="to trade exactly, in base units",
        ),
        sa.Column(
            "limit_amount",
            sa.Numeric(20, 0),
            nullable=False,
            comment="the most a buy pays, the least a sell gets; base units of USDC",
        ),
        sa.Column(
            "last_valid_height",
            sa.BigInteger,
            nullable=False,
            comment="the last block in which it may land",
        ),
    ]


def _what_became_of_it() -> list[sa.Column]:
    time = sa.DateTime(timezone=True)
    amount = sa.Numeric(20, 0)
    return [
        sa.Column(
            "received_at",
            time,
            nullable=False,
            comment="when it arrived; if expired, when that was proved",
        ),
        sa.Column("lands_at", time, comment="when it lands, or landed; null if expired"),
        sa.Column(
            "outcome",
            sa.Text,
            comment="executed, reverted (landed with an error), expired (never came, and can not "
            "land any more); null until somebody looks after the landing",
        ),
        sa.Column("executed_base_amount", amount, comment="traded, in base units"),
        sa.Column("executed_quote_amount", amount, comment="paid or got, in base units of USDC"),
        sa.Column("fee", sa.Numeric(38, 12), comment="the pool's fee, in USDC"),
        sa.Column(
            "market_impact_bps", sa.Numeric(20, 4), comment="how far the size moved the price"
        ),
        sa.Column(
            "slippage_exceeded", sa.Boolean, comment="reverted: whether by its own limit_amount"
        ),
        sa.Column(
            "error", sa.Text, comment="reverted: the error, in the words of the venue's program"
        ),
    ]


def _checks() -> list[sa.CheckConstraint]:
    conditions = {
        "side": "side IN ('buy', 'sell')",
        "outcome": "outcome IN ('executed', 'reverted', 'expired')",
        "lands_at": "(lands_at IS NULL) = (outcome IS NOT NULL AND outcome = 'expired')",
        "executed": "(executed_base_amount IS NOT NULL AND executed_quote_amount IS NOT NULL"
        " AND fee IS NOT NULL AND market_impact_bps IS NOT NULL)"
        " = (outcome IS NOT NULL AND outcome = 'executed')",
        "reverted": "(slippage_exceeded IS NOT NULL AND error IS NOT NULL)"
        " = (outcome IS NOT NULL AND outcome = 'reverted')",
    }
    return [
        sa.CheckConstraint(condition, name=f"ck_sim_transactions_{name}")
        for name, condition in conditions.items()
    ]
