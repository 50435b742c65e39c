"""The contract of every network: in memory, simulated on PostgreSQL, and a live one."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Protocol

import pytest
from solders.transaction import VersionedTransaction
from sqlalchemy import Engine, text

from orderengine.domain.errors import NetworkUnavailable
from orderengine.domain.fill import SignedTransaction
from orderengine.domain.instruments import Instruments
from orderengine.domain.side import Side
from orderengine.execution.network import (
    Execution,
    InFlight,
    InvalidTransaction,
    NotFound,
    Outcome,
    Reverted,
    SettlementNetwork,
    Swap,
)
from orderengine.localnet.node import FINALIZED_BEHIND
from orderengine.settlement.simulated import SimulatedNetwork
from orderengine.settlement.solana.expiry import VALIDITY
from tests.fake_network import FakeNetwork
from tests.live_network import LiveWorld
from tests.simulations import a_simulation, a_split_swap, a_swap, expired, in_usdc, sent


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


@pytest.fixture
def network(subject: Subject) -> SettlementNetwork:
    return subject.network


def test_what_is_signed_is_not_sent(subject: Subject) -> None:
    transaction = subject.network.sign(subject.adapted(a_swap()))
    assert subject.network.look_up(transaction.signature) == NotFound()


def test_each_signature_is_new_and_valid_for_a_while(subject: Subject) -> None:
    network, swap = subject.network, subject.adapted(a_swap())
    first, second = network.sign(swap), network.sign(swap)
    assert first.signature != second.signature
    assert first.last_valid_height > network.final_height()


@pytest.mark.parametrize("side", Side)
def test_what_is_sent_is_in_flight_until_it_lands(subject: Subject, side: Side) -> None:
    network, swap = subject.network, subject.adapted(a_swap(side=side))
    transaction = sent(network, swap)
    assert network.look_up(transaction.signature) == subject.on_its_way
    subject.land(transaction.signature)
    outcome = network.look_up(transaction.signature)
    assert isinstance(outcome, Execution)
    assert outcome.base_amount == swap.amount
    assert outcome.quote_amount > 0
    assert outcome.fee > 0
    assert outcome.landed_at.utcoffset() is not None


@pytest.mark.parametrize("side", Side)
def test_a_swap_of_exactly_so_much_usdc_trades_it_to_the_unit(subject: Subject, side: Side) -> None:
    network = subject.network
    swap = subject.adapted(in_usdc(a_split_swap(side)))
    transaction = sent(network, swap)
    assert network.look_up(transaction.signature) == subject.on_its_way
    subject.land(transaction.signature)
    outcome = network.look_up(transaction.signature)
    assert isinstance(outcome, Execution)
    assert outcome.quote_amount == swap.amount == 1_000_000_000
    assert outcome.base_amount > 0
    assert network.look_up(transaction.signature) == outcome


@pytest.mark.parametrize("side", Side)
def test_the_expiry_of_a_swap_of_usdc_is_proved(subject: Subject, side: Side) -> None:
    network = subject.network
    transaction = subject.expired(subject.adapted(in_usdc(a_swap(side=side))))
    assert network.look_up_expired(transaction) == NotFound()
    network.send(transaction)
    assert network.look_up(transaction.signature) == NotFound()


def test_an_outcome_stays_as_it_is(subject: Subject) -> None:
    transaction = sent(subject.network, subject.adapted(a_swap()))
    subject.land(transaction.signature)
    outcome = subject.network.look_up(transaction.signature)
    subject.network.send(transaction)
    assert subject.network.look_up(transaction.signature) == outcome
    assert subject.network.look_up_expired(transaction) == outcome


def test_a_swap_may_land_with_an_error(subject: Subject) -> None:
    transaction = sent(subject.network, subject.adapted(a_swap()))
    subject.revert(transaction.signature)
    outcome = subject.network.look_up(transaction.signature)
    assert isinstance(outcome, Reverted)
    assert not outcome.slippage_exceeded
    assert outcome.detail


def test_a_lost_send_leaves_nothing_and_can_be_repeated(subject: Subject) -> None:
    transaction = subject.network.sign(subject.adapted(a_swap()))
    with pytest.raises(NetworkUnavailable):
        subject.lose_send(transaction)
    assert subject.network.look_up(transaction.signature) == NotFound()
    subject.network.send(transaction)
    assert subject.network.look_up(transaction.signature) == subject.on_its_way


def test_a_lost_answer_hides_a_send_that_arrived(subject: Subject) -> None:
    transaction = subject.network.sign(subject.adapted(a_swap()))
    with pytest.raises(NetworkUnavailable):
        subject.lose_answer(transaction)
    assert subject.network.look_up(transaction.signature) == subject.on_its_way


def test_bytes_sent_past_their_last_valid_height_are_dropped(subject: Subject) -> None:
    network, transaction = subject.network, subject.expired(subject.adapted(a_swap()))
    network.send(transaction)
    assert network.look_up(transaction.signature) == NotFound()


def test_there_is_no_proof_while_it_could_still_land(subject: Subject) -> None:
    network = subject.network
    transaction = network.sign(subject.adapted(a_swap()))
    with pytest.raises(NetworkUnavailable):
        network.look_up_expired(transaction)
    network.send(transaction)
    assert network.look_up(transaction.signature) == subject.on_its_way


def test_a_proof_of_expiry_stands(subject: Subject) -> None:
    network, transaction = subject.network, subject.expired(subject.adapted(a_swap()))
    assert network.look_up_expired(transaction) == NotFound()
    network.send(transaction)
    assert network.look_up(transaction.signature) == NotFound()
    assert network.look_up_expired(transaction) == NotFound()


def test_a_dark_network_answers_nothing_and_comes_back(subject: Subject) -> None:
    network = subject.network
    transaction = sent(network, subject.adapted(a_swap()))
    questions: list[Callable[[], object]] = [
        lambda: network.sign(subject.adapted(a_swap())),
        lambda: network.send(transaction),
        lambda: network.look_up(transaction.signature),
        network.final_height,
        lambda: network.look_up_expired(transaction),
    ]
    subject.go_dark()
    for ask in questions:
        with pytest.raises(NetworkUnavailable):
            ask()
    subject.come_back()
    assert network.look_up(transaction.signature) == subject.on_its_way


def test_what_is_sent_into_the_dark_is_lost(subject: Subject) -> None:
    transaction = subject.network.sign(subject.adapted(a_swap()))
    subject.go_dark()
    with pytest.raises(NetworkUnavailable):
        subject.network.send(transaction)
    subject.come_back()
    assert subject.network.look_up(transaction.signature) == NotFound()


def test_bytes_that_were_not_signed_are_refused(subject: Subject) -> None:
    network = subject.network
    transaction = network.sign(subject.adapted(a_swap()))
    forged = subject.forged(transaction)
    for ask in (network.send, network.look_up_expired):
        with pytest.raises(InvalidTransaction):
            ask(forged)
    assert network.look_up(transaction.signature) == NotFound()


def test_a_network_owns_what_it_signs_and_nothing_of_another_one(subject: Subject) -> None:
    transaction = subject.network.sign(subject.adapted(a_swap()))
    assert subject.network.owns(transaction)
    foreign = replace(transaction, network="solana:other", wallet="w")
    assert not subject.network.owns(foreign)


def test_a_first_look_pays_after_some_time(network: SettlementNetwork) -> None:
    assert network.typical_confirmation_s > 0
