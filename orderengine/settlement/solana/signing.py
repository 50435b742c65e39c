"""Signing: limits per leg, funds and a simulation, and only then a signature.

Nothing leaves the process with a signature here: what is simulated has an empty one, so that a node
could not land it before its bytes are stored.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from uuid import UUID

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
from orderengine.execution.network import Swap
from orderengine.settlement.solana.blocks import RecentBlocks
from orderengine.settlement.solana.errors import chain_error
from orderengine.settlement.solana.funds import Funds
from orderengine.settlement.solana.parallel import Parallel
from orderengine.settlement.solana.plans import plan_of
from orderengine.settlement.solana.simulation import dry_run_of, failure_of
from orderengine.settlement.solana.watch import WalletGuard
from orderengine.solana import requests
from orderengine.solana.cluster import Cluster
from orderengine.solana.keys import Wallet
from orderengine.solana.reader import PoolReader
from orderengine.solana.requests import Block
from orderengine.solana.rpc import Node
from orderengine.solana.transactions import (
    Budget,
    Plan,
    TransactionTooLarge,
    message_of,
    signed,
    unsigned,
)

log = structlog.get_logger(__name__)

Answer = SignedTransaction | AttemptFailed

SIGNED_WITHIN_S = 8.0
"""How old a promise of funds may be when its swap is signed: it ends after 15 s, by when the signed
bytes must be stored."""


@dataclass(frozen=True, slots=True)
class _Draft:
    """A swap with its message, which is neither simulated nor signed."""

    plan: Plan
    message: MessageV0


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs swaps with the wallet, many against one block.

    A group waits for two answers in a row, however many swaps it has: its block and its pools,
    unless they were read a moment ago, then its funds beside its simulations.
    """

    cluster: Cluster
    wallet: Wallet
    pools: PoolReader
    instruments: Instruments
    funds: Funds
    budget: Budget
    parallel: Parallel
    dry_run: bool
    blocks: RecentBlocks
    guard: WalletGuard

    def sign_all(self, swaps: Sequence[Swap]) -> list[Answer]:
        """A signed transaction for each swap, or why it cannot be signed.

        Raises NetworkUnavailable or StorageUnavailable without an answer.
        """
        network = self.cluster.network()
        self.guard.require()
        came = self.blocks.clock()
        self._read_ahead(swaps, came)
        plans = [self._plan(swap) for swap in swaps]
        planned = [each for each in plans if isinstance(each, Plan)]
        if not planned:
            return [each for each in plans if isinstance(each, AttemptFailed)]
        signed_ones = iter(
            self.cluster.ask(lambda node: self._signed(node, network, came, planned))
        )
        return [next(signed_ones) if isinstance(each, Plan) else each for each in plans]

    def _read_ahead(self, swaps: Sequence[Swap], came: float) -> None:
        """Read the block and all pools side by side; afterwards each swap finds them read."""
        reads: list[Callable[[], object]] = [
            partial(self._read, symbol) for symbol in dict.fromkeys(swap.symbol for swap in swaps)
        ]
        reads.append(lambda: self.cluster.ask(lambda node: self.blocks.block(node, came)))
        self.parallel.each(lambda read: read(), reads)

    def _read(self, symbol: str) -> None:
        instrument = self.instruments.find(symbol)
        if instrument is not None:
            with suppress(VenueUnavailable):
                self.pools.read(instrument)

    def _plan(self, swap: Swap) -> Plan | AttemptFailed:
        try:
            instrument = self.instruments.get(swap.symbol)
            return plan_of(swap, self.pools.read(instrument).pools)
        except AttemptFailed as failure:
            return failure
        except VenueUnavailable as error:
            raise NetworkUnavailable(str(error)) from error

    def _signed(self, node: Node, network: str, came: float, plans: Sequence[Plan]) -> list[Answer]:
        block = self.blocks.block(node, came)
        made = [self._draft(plan, block) for plan in plans]
        drafts = [each for each in made if isinstance(each, _Draft)]
        simulated = self.parallel.begin(partial(self._simulate, node, block), drafts)
        reserved: Sequence[AttemptFailed | None] = ()
        began = self.blocks.clock()
        try:
            if drafts:
                reserved = self.funds.reserve(node, network, [each.plan for each in drafts])
        finally:
            found = simulated()
        if self.blocks.clock() - began > SIGNED_WITHIN_S:
            raise NetworkUnavailable("the node took too long to tell of funds and simulations")
        failures = self._failures(network, drafts, reserved, found)
        answers = iter(
            self._sign(draft, network, block) if failure is None else failure
            for draft, failure in zip(drafts, failures, strict=True)
        )
        return [next(answers) if isinstance(each, _Draft) else each for each in made]

    def _draft(self, plan: Plan, block: Block) -> _Draft | AttemptFailed:
        try:
            return _Draft(plan, message_of(plan, self.wallet.address, block.hash, self.budget))
        except TransactionTooLarge as error:
            # The next attempt has fewer legs (`execution.chain.requests`); one leg has no other.
            kind = AttemptFailed if len(plan.legs) > 1 else OrderUnfillable
            return kind(FailureReason.TRANSACTION_TOO_LARGE, str(error))
        except AmmError as error:
            return AttemptFailed(FailureReason.SLIPPAGE_EXCEEDED, str(error))

    def _failures(
        self,
        network: str,
        drafts: Sequence[_Draft],
        reserved: Sequence[AttemptFailed | None],
        simulated: Sequence[AttemptFailed | NetworkUnavailable | None],
    ) -> list[AttemptFailed | None]:
        """Why each draft is not to be signed, funds first; what it has reserved is given back.

        Raises NetworkUnavailable, and gives all back, if the node has not simulated one of those
        that the wallet can pay.
        """
        failures: list[AttemptFailed | None] = []
        vain: list[UUID] = []
        for draft, short, failure in zip(drafts, reserved, simulated, strict=True):
            if short is not None:
                failures.append(short)
            elif isinstance(failure, NetworkUnavailable):
                self.funds.withdraw(network, [each.plan.order_id for each in drafts])
                self.blocks.forget()
                raise failure
            else:
                failures.append(failure)
                vain += [] if failure is None else [draft.plan.order_id]
        self.funds.withdraw(network, vain)
        return failures

    def _simulate(self, node: Node, block: Block, draft: _Draft) -> AttemptFailed | None:
        """Why a swap would fail; in a dry run also the end of one that would not.

        A prepared swap is in a race, and bounded by its worst price: it is only simulated where it
        is not sent. Raises NetworkUnavailable if the node does not know the block.
        """
        plan = draft.plan
        if plan.prepared and not self.dry_run:
            return None
        vaults = [token.vault for leg in plan.legs for token in (leg.pool.base, leg.pool.usdc)]
        watched = vaults if self.dry_run else []
        found = requests.simulate(node, bytes(unsigned(draft.message)), block.slot, watched)
        if found.error is not None:
            return failure_of(chain_error(found.error, found.logs))
        return dry_run_of(plan, found) if self.dry_run else None

    def _sign(self, draft: _Draft, network: str, block: Block) -> SignedTransaction:
        order_id = draft.plan.order_id
        transaction = signed(draft.message, self.wallet)
        signature = str(transaction.signatures[0])
        log.info("swap_signed", order_id=str(order_id), signature=signature, slot=block.slot)
        return SignedTransaction(
            signature=signature,
            payload=bytes(transaction),
            last_valid_height=block.last_valid_height,
            network=network,
            wallet=str(self.wallet.address),
            slot=block.slot,
        )
