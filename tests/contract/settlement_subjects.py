"""The networks under contract, each with the events that a test can cause in it."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

import pytest
from solders.transaction import VersionedTransaction
from sqlalchemy import Engine, text

from orderengine.domain.fill import SignedTransaction
from orderengine.domain.instruments import Instruments
from orderengine.execution.network import InFlight, NotFound, Outcome, SettlementNetwork, Swap
from orderengine.localnet.node import FINALIZED_BEHIND
from orderengine.settlement.simulated import SimulatedNetwork
from orderengine.settlement.solana.expiry import VALIDITY
from tests.fake_network import FakeNetwork
from tests.live_network import LiveWorld
from tests.simulations import a_simulation, a_swap, expired


class Subject(Protocol):
    """A network, and the events that a test can cause in it."""

    @property
    def network(self) -> SettlementNetwork: ...

    @property
    def on_its_way(self) -> Outcome:
        """What the network says of a transaction that it has, and that is in no block yet."""

    def adapted(self, swap: Swap) -> Swap:
        """The same swap in pools that this network has."""

    def expired(self, swap: Swap) -> SignedTransaction:
        """A transaction that was never sent, and whose last valid height is past."""

    def forged(self, transaction: SignedTransaction) -> SignedTransaction:
        """The same signature with bytes that trade at a better limit."""

    def land(self, signature: str) -> None:
        """Let a sent transaction land now, and execute."""

    def revert(self, signature: str) -> None:
        """Let a sent transaction land now, with an error other than its limit."""

    def lose_send(self, transaction: SignedTransaction) -> None:
        """Send a transaction that does not arrive."""

    def lose_answer(self, transaction: SignedTransaction) -> None:
        """Send a transaction that arrives, but whose answer does not."""

    def go_dark(self) -> None: ...

    def come_back(self) -> None: ...


class WiredSubject:
    """What the networks have in common whose bytes are those of `settlement.wire`."""

    network: SettlementNetwork
    on_its_way: Outcome = InFlight()

    def adapted(self, swap: Swap) -> Swap:
        return swap

    def expired(self, swap: Swap) -> SignedTransaction:
        return expired(self.network, swap)

    def forged(self, transaction: SignedTransaction) -> SignedTransaction:
        better = transaction.payload.replace(b'"limitAmount":"1', b'"limitAmount":"2')
        assert better != transaction.payload
        return replace(transaction, payload=better)


class FakeSubject(WiredSubject):
    network: FakeNetwork

    def __init__(self) -> None:
        self.network = FakeNetwork()
        self.land = self.network.land
        self.go_dark = self.network.go_dark
        self.come_back = self.network.come_back

    def revert(self, signature: str) -> None:
        self.network.revert(signature, slippage_exceeded=False)

    def lose_send(self, transaction: SignedTransaction) -> None:
        self.network.lose_next_send()
        self.network.send(transaction)

    def lose_answer(self, transaction: SignedTransaction) -> None:
        self.network.lose_next_answer()
        self.network.send(transaction)


class SimulatedSubject(WiredSubject):
    """A network where nothing lands for a minute; `land` changes the landing time in the ledger."""

    network: SimulatedNetwork

    def __init__(self, database: Engine, instruments: Instruments) -> None:
        self._database = database
        self._instruments = instruments
        self.network = self._variant()

    def _variant(self, **settings: str) -> SimulatedNetwork:
        simulation = a_simulation(
            SIM_SETTLEMENT_MS="60000-60000", SIM_VALIDITY_MS="120000", **settings
        )
        return SimulatedNetwork(self._database, self._instruments, simulation)

    def land(self, signature: str) -> None:
        with self._database.connect() as connection:
            connection.execute(
                text(
                    "UPDATE sim_transactions SET lands_at = clock_timestamp()"
                    " WHERE signature = :signature"
                ),
                {"signature": signature},
            )

    def revert(self, signature: str) -> None:
        self.land(signature)
        self._variant(SIM_CHAIN_ERROR_RATE="1").look_up(signature)

    def lose_send(self, transaction: SignedTransaction) -> None:
        self._variant(SIM_SEND_LOSS_RATE="1").send(transaction)

    def lose_answer(self, transaction: SignedTransaction) -> None:
        self._variant(SIM_ANSWER_LOSS_RATE="1").send(transaction)

    def go_dark(self) -> None:
        self.network.switch(up=False)

    def come_back(self) -> None:
        self.network.switch(up=True)


class SolanaSubject:
    """A chain on which each transaction waits until a test lets it land, and it alone."""

    on_its_way: Outcome = NotFound()  # a node knows of a transaction from a block on

    def __init__(self, instruments: Instruments) -> None:
        self.world = LiveWorld(instruments)
        self.world.node.traffic.held = True
        self.network = self.world.network

    def adapted(self, swap: Swap) -> Swap:
        pools = self.world.instrument(swap.symbol).pools
        legs = tuple(replace(leg, pool=pools[leg.venue]) for leg in swap.legs)
        # The wallet must have what a swap may take.
        return replace(swap, legs=legs, limit_amount=min(swap.limit_amount, 10**10))

    def expired(self, swap: Swap) -> SignedTransaction:
        transaction = self.network.sign(swap)
        self.world.node.tick(VALIDITY + FINALIZED_BEHIND + 1)
        return transaction

    def forged(self, transaction: SignedTransaction) -> SignedTransaction:
        read = VersionedTransaction.from_bytes(transaction.payload)
        other = VersionedTransaction.from_bytes(self.network.sign(self.adapted(a_swap())).payload)
        mixed = VersionedTransaction.populate(other.message, read.signatures)
        return replace(transaction, payload=bytes(mixed))

    def land(self, signature: str) -> None:
        self.world.land(signature)

    def revert(self, signature: str) -> None:
        with self.world.paused():
            self.world.land(signature)

    def lose_send(self, transaction: SignedTransaction) -> None:
        self._send_without("lose", transaction)

    def lose_answer(self, transaction: SignedTransaction) -> None:
        self._send_without("lose_answers", transaction)

    def _send_without(self, what: str, transaction: SignedTransaction) -> None:
        setattr(self.world.rpc_node, what, {"sendTransaction"})
        try:
            self.network.send(transaction)
        finally:
            setattr(self.world.rpc_node, what, set())

    def go_dark(self) -> None:
        self.world.rpc_node.dark = True

    def come_back(self) -> None:
        self.world.rpc_node.dark = False


@pytest.fixture(params=["fake", "simulated", "solana"])
def subject(request: pytest.FixtureRequest, instruments: Instruments) -> Iterator[Subject]:
    if request.param == "fake":
        yield FakeSubject()
        return
    if request.param == "solana":
        live = SolanaSubject(instruments)
        yield live
        live.world.close()
        return
    subject = SimulatedSubject(request.getfixturevalue("database"), instruments)
    yield subject
    subject.come_back()
