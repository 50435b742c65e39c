"""A network that settles swaps on the simulated market as Solana would: late, once, or never."""

import random
import secrets
import time
from collections.abc import Callable, Collection, Mapping, Sequence

from sqlalchemy import Engine

from orderengine.domain.errors import AttemptFailed, NetworkUnavailable
from orderengine.domain.fill import SignedTransaction
from orderengine.domain.instruments import Instruments
from orderengine.execution.network import InFlight, NotFound, Outcome, Swap
from orderengine.market.simulation import Simulation
from orderengine.settlement import wire
from orderengine.settlement.ledger import Entry, Ledger
from orderengine.settlement.outcomes import Landing
from orderengine.settlement.recent_height import RecentHeight
from orderengine.settlement.wire import SignedSwap

SHARE_OF_VALIDITY = 10


class SimulatedNetwork:
    """Implements `execution.network.SettlementNetwork`; its blocks follow the database's clock.

    It has no forks: the current block is final. `clock` counts seconds.
    """

    def __init__(
        self,
        engine: Engine,
        instruments: Instruments,
        simulation: Simulation,
        *,
        rng: random.Random | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._simulation = simulation
        self._ledger = Ledger(engine, simulation.block_ms)
        self._landing = Landing(simulation, instruments)
        self._recent = RecentHeight(self._ledger.height, _kept_s(simulation), clock)
        self._rng = rng or random.Random()  # noqa: S311 - faults, not secrets

    @property
    def typical_confirmation_s(self) -> float:
        """The average time from sending to landing, in seconds."""
        settlement = self._simulation.settlement_ms
        return (settlement.low + settlement.high) / 2000

    @property
    def outage_s(self) -> float:
        """Always 0: an outage of the simulated network is one of PostgreSQL, or a test's."""
        return 0.0

    def owns(self, transaction: SignedTransaction) -> bool:
        """Whether a transaction is the simulated network's, as older releases' all are."""
        return transaction.network is None

    def sign(self, swap: Swap) -> SignedTransaction:
        """Sign a swap that may land for SIM_VALIDITY_MS from a block that is current, or was last.

        Nothing is sent.
        """
        (signed,) = self._sign_all([swap])
        return signed

    def sign_all(self, swaps: Sequence[Swap]) -> list[SignedTransaction | AttemptFailed]:
        """Sign swaps as `sign` does, against one block; it refuses none."""
        return [*self._sign_all(swaps)]

    def _sign_all(self, swaps: Sequence[Swap]) -> list[SignedTransaction]:
        blocks = -(-self._simulation.validity_ms // self._simulation.block_ms)
        last_valid = self._recent.height() + blocks
        return [wire.sign(swap, last_valid, nonce=secrets.token_hex(16)) for swap in swaps]

    def send(self, transaction: SignedTransaction) -> None:
        """Send signed bytes; silently drops those that would land too late.

        Raises InvalidTransaction if the signature does not belong to the bytes.
        """
        (error,) = self.send_all([transaction])
        if error is not None:
            raise error

    def send_all(
        self, transactions: Sequence[SignedTransaction]
    ) -> list[NetworkUnavailable | None]:
        """Send each as `send` does, and return its error instead of raising it.

        Raises InvalidTransaction, sending nothing, if a signature does not belong to its bytes.
        """
        signed = [wire.read(transaction) for transaction in transactions]
        errors: list[NetworkUnavailable | None] = [
            self._loss(self._simulation.send_loss_rate, "transaction") for _ in signed
        ]
        arriving = [each for each, lost in zip(signed, errors, strict=True) if lost is None]
        unanswered = self._store(arriving)
        return [
            lost or unanswered or self._loss(self._simulation.answer_loss_rate, "answer")
            for lost in errors
        ]

    def _loss(self, rate: float, what: str) -> NetworkUnavailable | None:
        if self._rng.random() < rate:
            return NetworkUnavailable(f"the {what} was lost on its way")
        return None

    def _store(self, arriving: Sequence[SignedSwap]) -> NetworkUnavailable | None:
        if not arriving:
            return None
        try:
            self._ledger.store({each: self._landing.delay_ms(each.signature) for each in arriving})
        except NetworkUnavailable as error:
            return error
        return None

    def look_up(self, signature: str) -> Outcome:
        """The outcome of a signature; the first look after the landing settles it for good."""
        (outcome,) = self.look_up_all([signature])
        return outcome

    def look_up_all(self, signatures: Sequence[str]) -> list[Outcome]:
        """The outcomes of signatures, from one look; it settles for good those that landed."""
        found = self._outcomes(signatures)
        return [found.get(signature, NotFound()) for signature in signatures]

    def final_height(self) -> int:
        """The current block height."""
        return self._ledger.height()

    def look_up_expired(self, transaction: SignedTransaction) -> Outcome:
        """The outcome of a transaction; NotFound proves that it cannot land any more.

        For a transaction that never arrived it stores a tombstone, which keeps the bytes from being
        stored later. Raises NetworkUnavailable while its last valid height is not past,
        InvalidTransaction if the signature does not belong to the bytes.
        """
        signed = wire.read(transaction)
        signature = signed.signature
        found = self._outcomes([signature])
        if not found:
            if self._ledger.prove_expiry(signed):
                return NotFound()
            found = self._outcomes([signature])
        if not found:
            message = f"no proof of expiry yet: block {signed.last_valid_height} is not past"
            raise NetworkUnavailable(message)
        return found[signature]

    def look_up_expired_all(
        self, transactions: Sequence[SignedTransaction]
    ) -> list[Outcome | NetworkUnavailable]:
        """The outcomes of many: each proof is a row of its own."""
        return [_or_error(self.look_up_expired, each) for each in transactions]

    def switch(self, *, up: bool) -> None:
        """Turn the network off or on for every process; off, it answers nothing."""
        self._ledger.switch(up=up)
        self._recent.forget()

    def _outcomes(self, signatures: Collection[str]) -> dict[str, Outcome]:
        """The outcomes of the known ones among these signatures."""
        return self._concluded(self._ledger.find(signatures))

    def _concluded(self, entries: Mapping[str, Entry]) -> dict[str, Outcome]:
        """The outcomes of these records; those that landed get theirs now."""
        outcomes = {signature: _settled(entry) for signature, entry in entries.items()}
        landed = {
            signature: self._landing.outcome(entry.signed, entry.landed_at)
            for signature, entry in entries.items()
            if entry.outcome is None and entry.landed_at is not None
        }
        if not landed:
            return outcomes
        settled = self._ledger.settle(landed)
        outcomes |= {signature: landed[signature] for signature in settled}
        # Concurrent looks stored the other outcomes first, and those count.
        overtaken = landed.keys() - settled
        return outcomes | self._outcomes(overtaken) if overtaken else outcomes


def _or_error(
    look_up: Callable[[SignedTransaction], Outcome], transaction: SignedTransaction
) -> Outcome | NetworkUnavailable:
    try:
        return look_up(transaction)
    except NetworkUnavailable as error:
        return error


def _kept_s(simulation: Simulation) -> float:
    """How long a height is kept for signing: a block, but never most of a short validity."""
    return min(simulation.block_ms, simulation.validity_ms / SHARE_OF_VALIDITY) / 1000


def _settled(entry: Entry) -> Outcome:
    return InFlight() if entry.outcome is None else entry.outcome
