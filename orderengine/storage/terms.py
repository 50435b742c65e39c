"""The conditions of an order's terms as SQL text, for constraints.

Each is right with NULL: a condition that PostgreSQL cannot decide counts as met.
"""

from collections.abc import Mapping

from orderengine.storage.statuses import IS_WAITING, MAY_HAVE_REQUEST

# The base units that the order's exact USDC is worth at a price of 1.
_WORTH = (
    "quote_quantity * power(CAST(10 AS numeric),"
    " CAST(route #>> '{legs,0,baseDecimals}' AS integer))"
)


def _within(price: str) -> str:
    """No limit is beyond a price; it is for the asset whose amount is not exact."""
    return (
        f"limit_amount IS NULL OR {price} IS NULL OR CASE"
        " WHEN quote_quantity IS NULL AND side = 'buy'"
        f" THEN limit_amount <= {price} * quantity * 1000000"
        f" WHEN quote_quantity IS NULL THEN limit_amount >= {price} * quantity * 1000000"
        f" WHEN side = 'buy' THEN coalesce(limit_amount * {price} >= {_WORTH}, false)"
        f" ELSE coalesce(limit_amount * {price} <= {_WORTH}, false) END"
    )


TERMS: Mapping[str, str] = {
    "type": "type IN ('market', 'limit', 'stop', 'sniper')",
    "time_in_force": "time_in_force IN ('IOC', 'GTC', 'GTD')",
    "expires_at": "(time_in_force = 'GTD') = (expires_at IS NOT NULL)",
    "limit_price": "(type = 'limit') = (limit_price IS NOT NULL)"
    " AND (limit_price IS NULL OR limit_price > 0 AND limit_price < 1e28)",
    "stop_price": "(type = 'stop') = (stop_price IS NOT NULL)"
    " AND (stop_price IS NULL OR stop_price > 0 AND stop_price < 1e28)",
    "trigger": "(type = 'sniper') = (trigger_on IS NOT NULL)"
    " AND (trigger_on IS NULL OR trigger_on IN ('poolOpened', 'liquidityAdded'))"
    " AND (trigger_on IS NULL) = (min_liquidity IS NULL)"
    " AND (min_liquidity IS NULL OR min_liquidity >= 0 AND min_liquidity < 1e28)",
    # Something bounds every swap: the tolerance, or else a price.
    "bound": "slippage_tolerance_bps IS NOT NULL OR limit_price IS NOT NULL"
    " OR type = 'sniper' AND worst_price IS NOT NULL",
    "worst_price_limit": _within("worst_price"),
    "limit_price_limit": _within("limit_price"),
    # No message can make the engine sign a transaction beyond the client's tolerance, or for other
    # USDC than the client's. A limit is for the other asset than the one whose amount is exact.
    "exact_usdc": "limit_amount IS NULL OR quote_quantity IS NULL OR base_amount IS NOT NULL"
    " AND quote_amount IS NOT NULL AND quote_amount = quote_quantity * 1000000",
    "limit_amount": "limit_amount IS NULL OR slippage_tolerance_bps IS NULL OR CASE"
    " WHEN quote_quantity IS NULL AND side = 'buy'"
    " THEN limit_amount * 10000 <= quote_amount * (10000 + slippage_tolerance_bps)"
    " WHEN quote_quantity IS NULL"
    " THEN (limit_amount + 1) * 10000 > quote_amount * (10000 - slippage_tolerance_bps)"
    " WHEN side = 'buy'"
    " THEN (limit_amount + 1) * 10000 > base_amount * (10000 - slippage_tolerance_bps)"
    " ELSE limit_amount * 10000 <= base_amount * (10000 + slippage_tolerance_bps) END",
    "waits": f"({IS_WAITING}) = (due_at = 'infinity')",
    "rests": "rests >= 0 AND paid_rests >= 0 AND first_attempt > 0 AND first_attempt <= attempt",
    # A release that does not know requests can neither fail such an order nor try it again.
    "cancel_requested": f"cancel_requested_at IS NULL OR {MAY_HAVE_REQUEST}",
}
"""By the names of the constraints, without `ck_orders_`."""
