"""What a swap comes to with the pools of now: a pool, an amount and a limit for each leg."""

from collections.abc import Mapping, Sequence

from orderengine.amm.errors import AmmError
from orderengine.domain.errors import AttemptFailed, FailureReason
from orderengine.domain.pricing import is_beyond
from orderengine.domain.side import Asset
from orderengine.execution.network import Swap, SwapLeg
from orderengine.solana.pools.pool import Pool
from orderengine.solana.refusals import AccountRefused
from orderengine.solana.transactions import Leg, Plan


def plan_of(swap: Swap, found: Mapping[str, Pool | AccountRefused]) -> Plan:
    """The plan of a swap with these pools, by venue; raises AttemptFailed."""
    pools = [_usable(found, leg) for leg in swap.legs]
    limits = leg_limits(swap, pools)
    amounts = (leg.amount for leg in swap.legs)
    legs = [Leg(*each) for each in zip(pools, amounts, limits, strict=True)]
    return Plan(swap.order_id, swap.attempt, swap.side, swap.exact, legs, swap.prepared)


def leg_limits(swap: Swap, pools: Sequence[Pool]) -> list[int]:
    """The limit of each leg; together they are the swap's.

    No program checks a total. Each leg gets the share of the limit that it has in the price of now,
    which is stricter than one limit for all. Raises AttemptFailed if the price of now is beyond it.
    """
    quoted = [
        _other_amount(swap, leg.amount, pool) for leg, pool in zip(swap.legs, pools, strict=True)
    ]
    total, limit = sum(quoted), swap.limit_amount
    if is_beyond(swap.exact_side, total, limit):
        detail = f"the pools' price has moved: {total} base units against a limit of {limit}"
        raise AttemptFailed(FailureReason.SLIPPAGE_EXCEEDED, detail)
    shares = [limit * each // total if total else limit // len(quoted) for each in quoted]
    shares[0] += limit - sum(shares)
    return shares


def _other_amount(swap: Swap, amount: int, pool: Pool) -> int:
    """What a pool asks, or gives, for exactly this amount now."""
    try:
        liquidity = pool.liquidity(swap.side)
        if swap.exact is Asset.QUOTE:
            return liquidity.in_usdc().price(amount).base_amount
        return liquidity.price(amount).quote_amount
    except AmmError as error:
        detail = f"the pool {pool.address} cannot trade this amount now: {error}"
        raise AttemptFailed(FailureReason.SLIPPAGE_EXCEEDED, detail) from error


def _usable(found: Mapping[str, Pool | AccountRefused], leg: SwapLeg) -> Pool:
    pool = found.get(leg.venue)
    if isinstance(pool, AccountRefused):
        raise AttemptFailed(FailureReason.NO_QUOTE, str(pool))
    if pool is None or str(pool.address) != leg.pool:
        raise AttemptFailed(FailureReason.NO_QUOTE, f"{leg.venue} has another pool now")
    return pool
