"""The live network behind the engine's port."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction

from orderengine.domain.errors import AttemptFailed, HistoryMissing, NetworkUnavailable
from orderengine.domain.fill import SignedTransaction
from orderengine.domain.home import Home, live_network
from orderengine.execution.network import (
    Execution,
    InFlight,
    InvalidTransaction,
    NotFound,
    Outcome,
    Reverted,
    Swap,
)
from orderengine.settlement.solana.errors import Meaning
from orderengine.settlement.solana.expiry import Found, proofs_from
from orderengine.settlement.solana.fills import FillLegs
from orderengine.settlement.solana.finality import Finality
from orderengine.settlement.solana.landing import Landed, read_landed
from orderengine.settlement.solana.parallel import Parallel
from orderengine.settlement.solana.signing import Signer
from orderengine.settlement.solana.statuses import StatusBoard
from orderengine.settlement.solana.watch import Watch
from orderengine.solana import requests
from orderengine.solana.cluster import Cluster
from orderengine.solana.requests import CONFIRMED, FINALIZED, Status
from orderengine.solana.rpc import Node
from orderengine.solana.rpc_errors import RpcUnavailable

log = structlog.get_logger(__name__)

CONFIRMED_S = 0.8
"""Two blocks: one until the landing, one until it is confirmed."""
FINALIZED_S = 13.0
"""32 blocks."""


@dataclass(frozen=True, slots=True)
class SolanaNetwork:
    """Implements `execution.network.SettlementNetwork` on a Solana cluster.

    A landing counts at `commitment`, `confirmed` or `finalized`. Nothing is asked about, sent or
    proved that another cluster or wallet signed for.
    """

    cluster: Cluster
    signer: Signer
    statuses: StatusBoard
    finality: Finality
    fills: FillLegs
    parallel: Parallel
    commitment: str
    now: Callable[[], datetime]
    watch: Watch

    @property
    def typical_confirmation_s(self) -> float:
        """About how long a transaction takes to count as landed, in seconds."""
        return CONFIRMED_S if self.commitment == CONFIRMED else FINALIZED_S

    @property
    def outage_s(self) -> float:
        """For how long no node has given an answer, or another wallet has signed.

        So an order that a worker of a second wallet has taken costs no attempt.
        """
        return max(self.cluster.outage_s, self.signer.guard.refused_s)

    def owns(self, transaction: SignedTransaction) -> bool:
        """Whether this cluster and this wallet are those that the transaction was signed for."""
        return (transaction.network, transaction.wallet) == (
            live_network(self.cluster.genesis_hash),
            str(self._wallet),
        )

    def home(self) -> Home:
        """The cluster and the wallet; any cluster until a node has told its own."""
        return Home(live_network(self.cluster.genesis_hash), str(self._wallet))

    @property
    def _wallet(self) -> Pubkey:
        return self.signer.wallet.address

    def sign(self, swap: Swap) -> SignedTransaction:
        """Sign a swap as `sign_all` does; raises AttemptFailed if it cannot be signed."""
        (answer,) = self.sign_all([swap])
        if isinstance(answer, AttemptFailed):
            raise answer
        return answer

    def sign_all(self, swaps: Sequence[Swap]) -> list[SignedTransaction | AttemptFailed]:
        """Sign swaps against one block, after a simulation of each; nothing is sent."""
        return self.signer.sign_all(swaps)

    def send(self, transaction: SignedTransaction) -> None:
        """Send signed bytes as `send_all` does."""
        (error,) = self.send_all([transaction])
        if error is not None:
            raise error

    def send_all(
        self, transactions: Sequence[SignedTransaction]
    ) -> list[NetworkUnavailable | None]:
        """Send each; a node that takes bytes too late, or loses them, says nothing of it.

        Raises InvalidTransaction, sending nothing, if a signature does not belong to its bytes.
        """
        for each in transactions:
            _verify(each)
        return self.parallel.each(self._send, transactions)

    def _send(self, transaction: SignedTransaction) -> None:
        if not self.owns(transaction):
            raise NetworkUnavailable("the transaction was signed for another network or wallet")
        self.cluster.ask(lambda node: requests.send(node, transaction.payload))
        log.debug("swap_sent", signature=transaction.signature)

    def look_up(self, signature: str) -> Outcome:
        """The outcome of a signature, as far as the network knows now."""
        (outcome,) = self.look_up_all([signature])
        return outcome

    def look_up_all(self, signatures: Sequence[str]) -> list[Outcome]:
        """The outcomes of signatures, from one look; one more request for each that has landed."""
        asked = [each for each in signatures if _is_signature(each)]
        found = dict(zip(asked, self.statuses.look(asked), strict=True)) if asked else {}
        return self._outcomes(signatures, found)

    def final_height(self) -> int:
        """The height of the latest final block."""
        return self.cluster.ask(lambda node: requests.block_height(node, FINALIZED))

    def look_up_expired(self, transaction: SignedTransaction) -> Outcome:
        """The outcome of one transaction as `look_up_expired_all` finds it."""
        (outcome,) = self.look_up_expired_all([transaction])
        if isinstance(outcome, NetworkUnavailable):
            raise outcome
        return outcome

    def look_up_expired_all(
        self, transactions: Sequence[SignedTransaction]
    ) -> list[Outcome | NetworkUnavailable]:
        """The outcomes of transactions whose last valid heights are final, from one node.

        NotFound is the proof that one can land no more; an error is no proof yet. Raises
        InvalidTransaction if a signature does not belong to its bytes.
        """
        for each in transactions:
            _verify(each)
        found = self._proved(transactions)
        statuses = {
            name: None if isinstance(one, NetworkUnavailable) else one
            for name, one in found.items()
        }
        outcomes = self._outcomes([each.signature for each in transactions], statuses)
        doubts = {name: one for name, one in found.items() if isinstance(one, NetworkUnavailable)}
        return [
            doubts.get(each.signature, outcome)
            for each, outcome in zip(transactions, outcomes, strict=True)
        ]

    def _proved(self, transactions: Sequence[SignedTransaction]) -> dict[str, Found]:
        """What one node can tell of each; another node is asked about all that it cannot prove."""
        left = {each.signature: each for each in transactions}
        found: dict[str, Found] = {}
        for answer in self.cluster.ask_each(lambda node: proofs_from(node, [*left.values()])):
            told = [answer] * len(left) if isinstance(answer, NetworkUnavailable) else answer
            for name, one in zip([*left], told, strict=True):
                if not isinstance(one, NetworkUnavailable):
                    del left[name]
                elif isinstance(found.get(name), HistoryMissing):
                    continue  # it says more than that another node gives no answer
                found[name] = one
            if not left:
                break
        return found

    def _outcomes(
        self, signatures: Sequence[str], found: Mapping[str, Status | None]
    ) -> list[Outcome]:
        """The outcomes by status; a landed transaction that cannot be read is still in flight."""
        landed = [each for each in dict.fromkeys(signatures) if self._has_landed(found.get(each))]
        read = self.parallel.each(self._landed, landed)
        outcomes = dict(zip(landed, read, strict=True))
        return [self._outcome(each, found.get(each), outcomes.get(each)) for each in signatures]

    def _outcome(
        self, signature: str, status: Status | None, read: Outcome | NetworkUnavailable | None
    ) -> Outcome:
        if isinstance(read, NetworkUnavailable):
            log.warning("landing_not_read", signature=signature, error=str(read))
            return InFlight()
        if read is not None:
            return read
        return NotFound() if status is None else InFlight()

    def _has_landed(self, status: Status | None) -> bool:
        if status is None:
            return False
        return status.confirmation in {FINALIZED, self.commitment}

    def _landed(self, signature: str) -> Outcome:
        document = self.cluster.ask(lambda node: _document(node, signature, self.commitment))
        usdc = self.fills.tokens.usdc_mint()
        landed = read_landed(document, self._wallet, usdc, self.now())
        self.finality.landed(signature, landed)
        outcome = self._execution(landed) if landed.error is None else _reverted(landed)
        self.statuses.forget(signature)
        return outcome

    def _execution(self, landed: Landed) -> Execution:
        return Execution(
            legs=self.fills.of(landed.legs),
            landed_at=landed.landed_at,
            network_fee_lamports=landed.fee,
            priority_fee_lamports=landed.priority_fee,
            rent_lamports=landed.rent,
        )


def _document(node: Node, signature: str, commitment: str) -> Mapping[str, Any]:
    found = requests.transaction(node, signature, commitment)
    if found is None:
        raise RpcUnavailable("getTransaction", "missing", f"{node.name} does not have it yet")
    try:
        told = found["transaction"]["signatures"][0]
    except (LookupError, TypeError):
        told = None
    if told != signature:
        raise RpcUnavailable("getTransaction", "useless", f"{node.name} tells another transaction")
    return found


def _reverted(landed: Landed) -> Reverted:
    error = landed.error
    if error is None:
        raise ValueError("the transaction landed without an error")
    return Reverted(slippage_exceeded=error.meaning is Meaning.LIMIT, detail=error.detail)


def _is_signature(text: str) -> bool:
    try:
        Signature.from_string(text)
    except ValueError:
        return False
    return True


def _verify(transaction: SignedTransaction) -> None:
    """Raise InvalidTransaction if the signature does not belong to the bytes."""
    try:
        read = VersionedTransaction.from_bytes(transaction.payload)
        is_valid = str(read.signatures[0]) == transaction.signature
        is_valid = is_valid and all(read.verify_with_results())
    except (ValueError, IndexError) as error:
        raise InvalidTransaction("the bytes are no transaction") from error
    if not is_valid:
        raise InvalidTransaction("the signature does not belong to the bytes")
