"""What a simulation before the signature means: nothing was sent, and no fee was paid."""

from orderengine.domain.errors import (
    AttemptFailed,
    FailureReason,
    NetworkUnavailable,
    OrderUnfillable,
)
from orderengine.domain.side import Side
from orderengine.settlement.solana.errors import ChainError, Meaning
from orderengine.solana.accounts import Account, decode_token_account
from orderengine.solana.requests import Simulated
from orderengine.solana.transactions import Plan

_NEEDS_MORE = "raydium-amm-v4:40"
"""The AMM v4 needs more than the wallet's account holds.

It looks at the account before the limit. Funds for the limit were counted a moment ago, and an
account of wrapped SOL holds just those, so that more is beyond the limit.
"""


def failure_of(error: ChainError) -> AttemptFailed:
    """How the attempt ends; raises NetworkUnavailable if the node does not know the block."""
    match error.meaning:
        case Meaning.STALE:
            raise NetworkUnavailable("the node does not know the block that was signed for")
        case Meaning.LIMIT:
            return AttemptFailed(FailureReason.SLIPPAGE_EXCEEDED, error.detail)
        case Meaning.FUNDS if error.label == _NEEDS_MORE:
            return AttemptFailed(FailureReason.SLIPPAGE_EXCEEDED, error.detail)
        case Meaning.FUNDS:
            return OrderUnfillable(FailureReason.INSUFFICIENT_FUNDS, error.detail)
        case Meaning.OTHER:
            return AttemptFailed(FailureReason.CHAIN_ERROR, error.detail)


def dry_run_of(plan: Plan, found: Simulated) -> OrderUnfillable:
    """The end of a dry run, with the amounts from the pools' vaults before and after.

    `found` has the accounts of both vaults of each leg, the base asset's first.
    """
    base = usdc = 0
    after = iter(found.accounts)
    for leg in plan.legs:
        base += abs(_amount(next(after, None)) - leg.pool.base.amount)
        usdc += abs(_amount(next(after, None)) - leg.pool.usdc.amount)
    verb = "buy" if plan.side is Side.BUY else "sell"
    preposition = "for" if plan.side is Side.BUY else "and get"
    told = f"it would {verb} {base} base units {preposition} {usdc} base units of USDC"
    return OrderUnfillable(FailureReason.DRY_RUN, told)


def _amount(account: Account | None) -> int:
    return decode_token_account(account, "the vault").amount
