"""A network that settles swaps on the simulated market as Solana would: late, once, or never."""

import random
import secrets

from sqlalchemy import Engine

from orderengine.domain.errors import NetworkUnavailable
from orderengine.domain.instruments import Instruments
from orderengine.domain.order import SignedTransaction
from orderengine.execution.network import InFlight, NotFound, Outcome, Swap
from orderengine.market.simulation import Simulation
from orderengine.settlement import wire
from orderengine.settlement.ledger import Entry, Ledger
from orderengine.settlement.outcomes import Landing


class SimulatedNetwork:
    """Implements `execution.ports.SettlementNetwork`; its blocks follow the database's clock.

    It has no forks: the current block is final.
    """

    def __init__(
        self,
        engine: Engine,
        instruments: Instruments,
        simulation: Simulation,
        *,
        rng: random.Random | None = None,
    ) -> None:
        self._simulation = simulation
        self._ledger = Ledger(engine, simulation.block_ms)
        self._landing = Landing(simulation, instruments)
        self._rng = rng or random.Random()  # noqa: S311 - faults, not secrets

    @property
    def typical_confirmation_s(self) -> float:
        """The average time from sending to landing, in seconds."""
        settlement = self._simulation.settlement_ms
        return (settlement.low + settlement.high) / 2000

    def sign(self, swap: Swap) -> SignedTransaction:
        """Sign a swap that may land for SIM_VALIDITY_MS from the current block; nothing is sent."""
        blocks = -(-self._simulation.validity_ms // self._simulation.block_ms)
        return wire.sign(swap, self._ledger.height() + blocks, nonce=secrets.token_hex(16))

    def send(self, transaction: SignedTransaction) -> None:
        """Send signed bytes; silently drops those that would land too late.

        Raises InvalidTransaction if the signature does not belong to the bytes.
        """
        signed = wire.read(transaction)
        if self._rng.random() < self._simulation.send_loss_rate:
            raise NetworkUnavailable("the transaction was lost on its way")
        self._ledger.store(signed, self._landing.delay_ms(signed.signature))
        if self._rng.random() < self._simulation.answer_loss_rate:
            raise NetworkUnavailable("the answer was lost on its way")

    def look_up(self, signature: str) -> Outcome:
        """The outcome of a signature; the first look after the landing settles it for good."""
        entry = self._ledger.find(signature)
        return NotFound() if entry is None else self._outcome(entry)

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
        entry = self._ledger.find(signed.signature)
        if entry is None:
            if self._ledger.prove_expiry(signed):
                return NotFound()
            entry = self._ledger.find(signed.signature)
        if entry is None:
            message = f"no proof of expiry yet: block {signed.last_valid_height} is not past"
            raise NetworkUnavailable(message)
        return self._outcome(entry)

    def switch(self, *, up: bool) -> None:
        """Turn the network off or on for every process; off, it answers nothing."""
        self._ledger.switch(up=up)

    def _outcome(self, entry: Entry) -> Outcome:
        if entry.outcome is not None:
            return entry.outcome
        if entry.landed_at is None:
            return InFlight()
        signature = entry.signed.signature
        outcome = self._landing.outcome(entry.signed, entry.landed_at)
        if self._ledger.settle(signature, outcome):
            return outcome
        # A concurrent look stored its outcome first, and that one counts.
        return self.look_up(signature)
