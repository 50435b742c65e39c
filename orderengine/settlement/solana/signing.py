"""Signing: limits per leg, funds, a simulation, and only then a signature.

Nothing leaves the process with a signature here: what is simulated has an empty one, so that a node
could not land it before its bytes are stored.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from threading import Lock

import structlog
from solders.message import MessageV0

from orderengine.amm.errors import AmmError
from orderengine.domain.errors import (
    AttemptFailed,
    FailureReason,
    NetworkUnavailable,
    OrderUnfillable,
    VenueUnavailable,
)
from orderengine.domain.fill import SignedTransaction
from orderengine.domain.instruments import Instruments
from orderengine.domain.pricing import is_beyond
from orderengine.domain.side import Asset, Side
from orderengine.execution.network import Swap, SwapLeg
from orderengine.settlement.solana.errors import ChainError, Meaning, chain_error
from orderengine.settlement.solana.funds import Funds
from orderengine.settlement.solana.parallel import Parallel
from orderengine.settlement.solana.watch import WalletGuard
from orderengine.solana import requests
from orderengine.solana.accounts import Account, decode_token_account
from orderengine.solana.cluster import Cluster
from orderengine.solana.keys import Wallet
from orderengine.solana.pools.pool import Pool
from orderengine.solana.reader import PoolReader
from orderengine.solana.refusals import AccountRefused
from orderengine.solana.requests import Block, Simulated
from orderengine.solana.rpc import Node
from orderengine.solana.transactions import (
    Budget,
    Leg,
    Plan,
    TransactionTooLarge,
    message_of,
    signed,
    unsigned,
)

BLOCK_KEPT_S = 1.0
"""How long a block is signed for; it only shortens the time in which a swap may land."""

log = structlog.get_logger(__name__)

Answer = SignedTransaction | AttemptFailed


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs swaps with the wallet, many against one block."""

    cluster: Cluster
    wallet: Wallet
    pools: PoolReader
    instruments: Instruments
    funds: Funds
    budget: Budget
    parallel: Parallel
    dry_run: bool
    blocks: "RecentBlocks"
    guard: WalletGuard

    def sign_all(self, swaps: Sequence[Swap]) -> list[Answer]:
        """A signed transaction for each swap, or why it cannot be signed.

        Raises NetworkUnavailable or StorageUnavailable without an answer.
        """
        network = self.cluster.network()
        self.guard.require()
        # Side by side: afterwards each swap finds its symbol's pools read.
        self.parallel.each(self._read, list(dict.fromkeys(swap.symbol for swap in swaps)))
        plans = [self._plan(swap) for swap in swaps]
        planned = [each for each in plans if isinstance(each, Plan)]
        if not planned:
            return [each for each in plans if isinstance(each, AttemptFailed)]
        signed_ones = iter(self.cluster.ask(lambda node: self._signed(node, network, planned)))
        return [next(signed_ones) if isinstance(each, Plan) else each for each in plans]

    def _read(self, symbol: str) -> None:
        instrument = self.instruments.find(symbol)
        if instrument is not None:
            with suppress(VenueUnavailable):
                self.pools.read(instrument)

    def _plan(self, swap: Swap) -> Plan | AttemptFailed:
        try:
            instrument = self.instruments.get(swap.symbol)
            found = self.pools.read(instrument).pools
            pools = [_usable(found, leg) for leg in swap.legs]
            limits = leg_limits(swap, pools)
        except AttemptFailed as failure:
            return failure
        except VenueUnavailable as error:
            raise NetworkUnavailable(str(error)) from error
        amounts = (leg.amount for leg in swap.legs)
        legs = [Leg(*each) for each in zip(pools, amounts, limits, strict=True)]
        return Plan(swap.order_id, swap.attempt, swap.side, swap.exact, legs)

    def _signed(self, node: Node, network: str, plans: Sequence[Plan]) -> list[Answer]:
        block = self.blocks.block(node)
        errors = self.funds.reserve(node, plans)
        ready = [plan for plan, error in zip(plans, errors, strict=True) if error is None]
        try:
            results = self.parallel.each(partial(self._sign, node, network, block), ready)
            for result in results:
                if isinstance(result, NetworkUnavailable):
                    raise result
        except NetworkUnavailable:
            for plan in ready:
                self.funds.release(plan.order_id)
            self.blocks.forget()
            raise
        answers = iter(each for each in results if not isinstance(each, NetworkUnavailable))
        return [next(answers) if error is None else error for error in errors]

    def _sign(self, node: Node, network: str, block: Block, plan: Plan) -> Answer:
        try:
            message = message_of(plan, self.wallet.address, block.hash, self.budget)
            self._simulate(node, block, plan, message)
        except AttemptFailed as failure:
            self.funds.release(plan.order_id)
            return failure
        except TransactionTooLarge as error:
            self.funds.release(plan.order_id)
            return OrderUnfillable(FailureReason.TRANSACTION_TOO_LARGE, str(error))
        except AmmError as error:
            self.funds.release(plan.order_id)
            return AttemptFailed(FailureReason.SLIPPAGE_EXCEEDED, str(error))
        transaction = signed(message, self.wallet)
        signature = str(transaction.signatures[0])
        self.funds.signed(plan.order_id, signature)
        log.info("swap_signed", order_id=str(plan.order_id), signature=signature, slot=block.slot)
        return SignedTransaction(
            signature=signature,
            payload=bytes(transaction),
            last_valid_height=block.last_valid_height,
            network=network,
            wallet=str(self.wallet.address),
            slot=block.slot,
        )

    def _simulate(self, node: Node, block: Block, plan: Plan, message: MessageV0) -> None:
        """Raise AttemptFailed for a swap that would fail, and in a dry run for one that would not.

        Raises NetworkUnavailable if the node does not know the block.
        """
        vaults = [token.vault for leg in plan.legs for token in (leg.pool.base, leg.pool.usdc)]
        watched = vaults if self.dry_run else []
        found = requests.simulate(node, bytes(unsigned(message)), block.slot, watched)
        if found.error is not None:
            raise _failure(chain_error(found.error, found.logs))
        if self.dry_run:
            raise OrderUnfillable(FailureReason.DRY_RUN, _would_be(plan, found))


class RecentBlocks:
    """A block to sign for, from the node that simulates: another one may not know it yet."""

    def __init__(
        self, kept_s: float = BLOCK_KEPT_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._kept_s = kept_s
        self._clock = clock
        self._lock = Lock()
        self._known: tuple[Node, float, Block] | None = None

    def block(self, node: Node) -> Block:
        """A block that was the latest less than `kept_s` seconds ago."""
        with self._lock:
            known, now = self._known, self._clock()
            if known is not None and known[0] is node and now - known[1] < self._kept_s:
                return known[2]
            block = requests.latest_block(node)
            self._known = node, now, block
            return block

    def forget(self) -> None:
        """Ask again next time."""
        with self._lock:
            self._known = None


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


_NEEDS_MORE = "raydium-amm-v4:40"
"""The AMM v4 needs more than the wallet's account holds.

It looks at the account before the limit. Funds for the limit were counted a moment ago, and an
account of wrapped SOL holds just those, so that more is beyond the limit.
"""


def _failure(error: ChainError) -> AttemptFailed:
    """What a failed simulation means: nothing was sent, and no fee was paid."""
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


def _would_be(plan: Plan, found: Simulated) -> str:
    """The amounts of a simulated swap, from the pools' vaults before and after."""
    base = usdc = 0
    after = iter(found.accounts)
    for leg in plan.legs:
        base += abs(_amount(next(after, None)) - leg.pool.base.amount)
        usdc += abs(_amount(next(after, None)) - leg.pool.usdc.amount)
    verb = "buy" if plan.side is Side.BUY else "sell"
    preposition = "for" if plan.side is Side.BUY else "and get"
    return f"it would {verb} {base} base units {preposition} {usdc} base units of USDC"


def _amount(account: Account | None) -> int:
    return decode_token_account(account, "the vault").amount
