"""What swaps may take from their wallet, swaps that landed with an error, and when nodes told.

The release before promises nothing here and remembers no failed swap: while workers of both run,
each counts what those of its own release have promised.
"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

AMOUNT = sa.Numeric(20, 0)
TIME = sa.DateTime(timezone=True)

# One group after the other, so that none overlooks what another one has just been promised: each
# statement of such a function sees what was committed before it. What is older than `kept_s` has
# either become a submitted order, which goes on counting, or will never be signed.
PROMISE = """
CREATE FUNCTION promise_funds(
    of_network text, of_wallet text, kept_s double precision, landed uuid[], ids uuid[],
    mints text[], units numeric[], lamports numeric[], units_held numeric[],
    lamports_held numeric[], OUT is_promised boolean, OUT units_taken numeric,
    OUT lamports_taken numeric
) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(of_network || ' ' || of_wallet, 0));
    DELETE FROM wallet_promises p
    WHERE p.network = of_network AND p.wallet = of_wallet
      AND p.promised_at < clock_timestamp() - make_interval(secs => kept_s)
      AND (SELECT o.status FROM orders o WHERE o.id = p.order_id) IS DISTINCT FROM 'submitted';
    WITH taken AS (
        SELECT p.mint, sum(p.units) AS units, sum(p.lamports) AS lamports FROM wallet_promises p
        WHERE p.network = of_network AND p.wallet = of_wallet
          AND p.order_id <> ALL (ids) AND p.order_id <> ALL (landed)
        GROUP BY p.mint
    ), asked AS (
        SELECT a.mint, sum(a.units) AS units, sum(a.lamports) AS lamports,
               min(a.units_held) AS units_held, min(a.lamports_held) AS lamports_held
        FROM unnest(mints, units, lamports, units_held, lamports_held)
             AS a (mint, units, lamports, units_held, lamports_held)
        GROUP BY a.mint
    )
    SELECT bool_and(asked.units + coalesce(taken.units, 0) <= asked.units_held)
           AND sum(asked.lamports) + coalesce((SELECT sum(t.lamports) FROM taken t), 0)
               <= min(asked.lamports_held),
           max(coalesce(taken.units, 0)),
           coalesce((SELECT sum(t.lamports) FROM taken t), 0)
    INTO is_promised, units_taken, lamports_taken
    FROM asked LEFT JOIN taken ON taken.mint = asked.mint;
    IF is_promised THEN
        INSERT INTO wallet_promises AS p (network, wallet, order_id, mint, units, lamports)
        SELECT of_network, of_wallet, a.id, a.mint, a.units, a.lamports
        FROM unnest(ids, mints, units, lamports) AS a (id, mint, units, lamports)
        ORDER BY a.id
        ON CONFLICT (network, wallet, order_id) DO UPDATE
        SET mint = excluded.mint, units = excluded.units, lamports = excluded.lamports,
            promised_at = excluded.promised_at;
    END IF;
END $$"""


def upgrade() -> None:
    op.add_column("wallets", sa.Column("told_at", TIME))
    op.create_table(
        "wallet_promises",
        sa.Column("network", sa.Text(), nullable=False),
        sa.Column("wallet", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("mint", sa.Text(), nullable=False),
        sa.Column("units", AMOUNT, nullable=False),
        sa.Column("lamports", AMOUNT, nullable=False),
        sa.Column("promised_at", TIME, server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.PrimaryKeyConstraint("network", "wallet", "order_id", name="pk_wallet_promises"),
    )
    op.execute(PROMISE)
    op.create_table(
        "failed_landings",
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("network", sa.Text(), nullable=False),
        sa.Column("slot", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("signature", name="pk_failed_landings"),
    )


def downgrade() -> None:
    op.drop_table("failed_landings")
    op.execute("DROP FUNCTION promise_funds")
    op.drop_table("wallet_promises")
    op.drop_column("wallets", "told_at")
