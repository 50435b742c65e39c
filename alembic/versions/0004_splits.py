"""Orders with a worst price and several legs, and a ledger of swaps with legs."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# Earlier routes and fills have one leg: the quote of their venue.
ROUTES = """
UPDATE orders SET route = route || jsonb_build_object(
    'routeReason', 'BEST_PRICE',
    'routeDetail', 'chosen before reasons were kept',
    'quotes', (SELECT jsonb_agg(q || {limit}) FROM jsonb_array_elements(route->'quotes') q),
    'legs', (SELECT jsonb_agg(q || {limit}) FROM jsonb_array_elements(route->'quotes') q
             WHERE q->>'dex' = route->>'dex'))
WHERE route IS NOT NULL"""
LIMIT = """jsonb_build_object(
    CASE side WHEN 'buy' THEN 'maxIn' ELSE 'minOut' END,
    div(CAST(q->>'quoteAmount' AS numeric) * (10000 + CASE side WHEN 'buy'
        THEN slippage_tolerance_bps ELSE -slippage_tolerance_bps END), 10000)::text)"""
FILLS = """
UPDATE orders SET fill = fill || jsonb_build_object('executedLegs', jsonb_build_array(
    jsonb_build_object(
        'dex', dex, 'pool', route->'legs'->0->'pool', 'baseAmount', fill->'baseAmount',
        'quoteAmount', fill->'quoteAmount', 'fee', fill->'fee',
        'marketImpactBps', fill->'marketImpactBps')))
WHERE fill IS NOT NULL"""
LEDGER = """
UPDATE sim_transactions SET
    legs = jsonb_build_array(jsonb_build_object(
        'venue', venue, 'pool', pool, 'baseAmount', base_amount::text)),
    executed_legs = CASE outcome WHEN 'executed' THEN jsonb_build_array(jsonb_build_object(
        'dex', venue, 'pool', pool, 'baseAmount', executed_base_amount::text,
        'quoteAmount', executed_quote_amount::text, 'fee', fee::text,
        'marketImpactBps', market_impact_bps::text)) END"""
EXECUTED = (
    "(executed_base_amount IS NOT NULL AND executed_quote_amount IS NOT NULL"
    " AND fee IS NOT NULL AND market_impact_bps IS NOT NULL{more})"
    " = (outcome IS NOT NULL AND outcome = 'executed')"
)
FEE_COMMENTS = ("the pool's fee, in USDC", "the pools' fees, in USDC")


def upgrade() -> None:
    _extend_orders()
    _extend_ledger()


def _extend_orders() -> None:
    op.add_column("orders", sa.Column("worst_price", sa.Numeric(56, 28)))
    op.add_column("orders", sa.Column("max_legs", sa.Integer(), server_default="1", nullable=False))
    op.create_check_constraint(
        "ck_orders_worst_price", "orders", "worst_price > 0 AND worst_price < 1e28"
    )
    op.create_check_constraint("ck_orders_max_legs", "orders", "max_legs > 0")
    op.create_check_constraint(
        "ck_orders_worst_price_limit",
        "orders",
        "limit_amount IS NULL OR worst_price IS NULL OR CASE side"
        " WHEN 'buy' THEN limit_amount <= worst_price * quantity * 1000000"
        " ELSE limit_amount >= worst_price * quantity * 1000000 END",
    )
    op.execute(ROUTES.format(limit=LIMIT))
    op.execute(FILLS)


def _extend_ledger() -> None:
    for name, comment in (
        ("legs", "the pools the swap names: venue, pool and baseAmount of each"),
        (
            "executed_legs",
            "what each pool executed: dex, pool, baseAmount, quoteAmount, fee, marketImpactBps",
        ),
    ):
        op.add_column("sim_transactions", sa.Column(name, JSONB(), comment=comment))
    op.execute(LEDGER)
    op.alter_column("sim_transactions", "legs", nullable=False)
    op.drop_column("sim_transactions", "venue")
    op.drop_column("sim_transactions", "pool")
    op.create_check_constraint(
        "ck_sim_transactions_legs", "sim_transactions", "jsonb_array_length(legs) > 0"
    )
    _replace_executed_check(" AND executed_legs IS NOT NULL")
    _comment_fee(*FEE_COMMENTS)


def downgrade() -> None:
    for name, comment in (
        ("venue", "whose pool the swap trades in"),
        ("pool", "the pool the swap names"),
    ):
        op.add_column("sim_transactions", sa.Column(name, sa.Text(), comment=comment))
    # A split has no single pool: its first leg's pool stands for it.
    op.execute("UPDATE sim_transactions SET venue = legs->0->>'venue', pool = legs->0->>'pool'")
    op.alter_column("sim_transactions", "venue", nullable=False)
    op.alter_column("sim_transactions", "pool", nullable=False)
    _replace_executed_check("")
    _comment_fee(*reversed(FEE_COMMENTS))
    op.drop_column("sim_transactions", "executed_legs")
    op.drop_column("sim_transactions", "legs")
    op.drop_column("orders", "max_legs")
    op.drop_column("orders", "worst_price")


def _replace_executed_check(more: str) -> None:
    op.drop_constraint("ck_sim_transactions_executed", "sim_transactions")
    op.create_check_constraint(
        "ck_sim_transactions_executed", "sim_transactions", EXECUTED.format(more=more)
    )


def _comment_fee(before: str, after: str) -> None:
    op.alter_column(
        "sim_transactions",
        "fee",
        comment=after,
        existing_comment=before,
        existing_type=sa.Numeric(38, 12),
    )
