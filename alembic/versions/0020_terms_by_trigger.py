"""Triggers keep the rules of an order's terms, in place of constraints.

PostgreSQL parses each CHECK of a table anew for every statement that writes to it; a trigger on a
list of columns costs the other statements nothing. The same rules hold at every moment, also for
the release before.
"""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

# The base units that the order's exact USDC is worth at a price of 1.
WORTH = (
    "NEW.quote_quantity * power(CAST(10 AS numeric),"
    " CAST(NEW.route #>> '{legs,0,baseDecimals}' AS integer))"
)


def price(column: str) -> str:
    return f"(NEW.{column} IS NULL OR NEW.{column} > 0 AND NEW.{column} < 1e28)"


def within(price: str) -> str:
    return (
        f"NEW.limit_amount IS NULL OR NEW.{price} IS NULL OR CASE"
        " WHEN NEW.quote_quantity IS NULL AND NEW.side = 'buy'"
        f" THEN NEW.limit_amount <= NEW.{price} * NEW.quantity * 1000000"
        " WHEN NEW.quote_quantity IS NULL"
        f" THEN NEW.limit_amount >= NEW.{price} * NEW.quantity * 1000000"
        " WHEN NEW.side = 'buy'"
        f" THEN coalesce(NEW.limit_amount * NEW.{price} >= {WORTH}, false)"
        f" ELSE coalesce(NEW.limit_amount * NEW.{price} <= {WORTH}, false) END"
    )


TERMS: dict[str, str] = {
    "side": "NEW.side IN ('buy', 'sell')",
    "one_amount": "num_nonnulls(NEW.quantity, NEW.quote_quantity) = 1",
    "quantity": "NEW.quantity > 0 AND NEW.quantity < 1e18",
    "quote_quantity": "NEW.quote_quantity > 0 AND NEW.quote_quantity < 1e14",
    "slippage_tolerance_bps": "NEW.slippage_tolerance_bps BETWEEN 0 AND 10000",
    "worst_price": price("worst_price"),
    "max_legs": "NEW.max_legs > 0",
    "type": "NEW.type IN ('market', 'limit', 'stop', 'sniper')",
    "time_in_force": "NEW.time_in_force IN ('IOC', 'GTC', 'GTD')",
    "expires_at": "(NEW.time_in_force = 'GTD') = (NEW.expires_at IS NOT NULL)",
    # Something bounds every swap: the tolerance, or else a price.
    "bound": "NEW.slippage_tolerance_bps IS NOT NULL OR NEW.limit_price IS NOT NULL"
    " OR NEW.type = 'sniper' AND NEW.worst_price IS NOT NULL",
    "limit_price": "(NEW.type = 'limit') = (NEW.limit_price IS NOT NULL)"
    f" AND {price('limit_price')}",
    "stop_price": f"(NEW.type = 'stop') = (NEW.stop_price IS NOT NULL) AND {price('stop_price')}",
    "trigger": "(NEW.type = 'sniper') = (NEW.trigger_on IS NOT NULL)"
    " AND (NEW.trigger_on IS NULL OR NEW.trigger_on IN ('poolOpened', 'liquidityAdded'))"
    " AND (NEW.trigger_on IS NULL) = (NEW.min_liquidity IS NULL)"
    " AND (NEW.min_liquidity IS NULL OR NEW.min_liquidity >= 0 AND NEW.min_liquidity < 1e28)",
    "rests": "NEW.rests >= 0 AND NEW.paid_rests >= 0 AND NEW.first_attempt > 0"
    " AND NEW.first_attempt <= NEW.attempt",
}

LIMITS: dict[str, str] = {
    "worst_price_limit": within("worst_price"),
    "limit_price_limit": within("limit_price"),
    # No message can make the engine sign a transaction beyond the client's tolerance, or for other
    # USDC than the client's. A limit is for the other asset than the one whose amount is exact.
    "exact_usdc": "NEW.limit_amount IS NULL OR NEW.quote_quantity IS NULL"
    " OR NEW.base_amount IS NOT NULL AND NEW.quote_amount IS NOT NULL"
    " AND NEW.quote_amount = NEW.quote_quantity * 1000000",
    "limit_amount": "NEW.limit_amount IS NULL OR NEW.slippage_tolerance_bps IS NULL OR CASE"
    " WHEN NEW.quote_quantity IS NULL AND NEW.side = 'buy' THEN NEW.limit_amount * 10000"
    " <= NEW.quote_amount * (10000 + NEW.slippage_tolerance_bps)"
    " WHEN NEW.quote_quantity IS NULL THEN (NEW.limit_amount + 1) * 10000"
    " > NEW.quote_amount * (10000 - NEW.slippage_tolerance_bps)"
    " WHEN NEW.side = 'buy' THEN (NEW.limit_amount + 1) * 10000"
    " > NEW.base_amount * (10000 - NEW.slippage_tolerance_bps)"
    " ELSE NEW.limit_amount * 10000"
    " <= NEW.base_amount * (10000 + NEW.slippage_tolerance_bps) END",
}

FROM_THE_CLIENT = (
    *("side", "quantity", "quote_quantity", "slippage_tolerance_bps", "worst_price", "max_legs"),
    *("type", "time_in_force", "expires_at", "limit_price", "stop_price", "trigger_on"),
    "min_liquidity",
)
TERMS_COLUMNS = (*FROM_THE_CLIENT, "attempt", "first_attempt", "rests", "paid_rests")
LIMITS_COLUMNS = (*FROM_THE_CLIENT, "route", "quote_amount", "base_amount", "limit_amount")


def guard(rules: dict[str, str]) -> str:
    cases = "\n".join(f"        WHEN NOT ({rule}) THEN '{name}'" for name, rule in rules.items())
    return f"""
DECLARE
    broken text := CASE
{cases}
    END;
BEGIN
    IF broken IS NOT NULL THEN
        RAISE EXCEPTION 'order % breaks ck_orders_%', NEW.id, broken
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_orders_' || broken;
    END IF;
    RETURN NULL;
END """


def trigger(name: str, rules: dict[str, str], columns: tuple[str, ...]) -> None:
    op.execute(
        f"CREATE FUNCTION refuse_wrong_{name}() RETURNS trigger"
        f" LANGUAGE plpgsql AS $${guard(rules)}$$"
    )
    op.execute(
        f"CREATE CONSTRAINT TRIGGER orders_{name} AFTER INSERT OR UPDATE OF {', '.join(columns)}"
        f" ON orders FOR EACH ROW EXECUTE FUNCTION refuse_wrong_{name}()"
    )


def upgrade() -> None:
    trigger("terms", TERMS, TERMS_COLUMNS)
    trigger("limits", LIMITS, LIMITS_COLUMNS)
    for name in (*TERMS, *LIMITS):
        op.drop_constraint(f"ck_orders_{name}", "orders")


def downgrade() -> None:
    for name, rule in {**TERMS, **LIMITS}.items():
        condition = rule.replace("NEW.", "")
        op.create_check_constraint(f"ck_orders_{name}", "orders", condition)
    for name in ("limits", "terms"):
        op.execute(f"DROP TRIGGER orders_{name} ON orders")
        op.execute(f"DROP FUNCTION refuse_wrong_{name}()")
