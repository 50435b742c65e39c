"""The contract of every network: in memory, and simulated on PostgreSQL."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Protocol

import pytest
from sqlalchemy import Engine, text

from orderengine.domain.errors import NetworkUnavailable
from orderengine.domain.fill import SignedTransaction
from orderengine.domain.instruments import Instruments
from orderengine.domain.side import Side
from orderengine.execution.network import Execution, InFlight, NotFound, Reverted, SettlementNetwork
from orderengine.settlement.simulated import SimulatedNetwork
from orderengine.settlement.wire import InvalidTransaction
from tests.fake_network import FakeNetwork
from tests.simulations import a_simulation, a_split_swap, a_swap, expired, in_usdc, sent


class Subject(Protocol):
    """A network, and the events that a test can cause in it."""

    @property
    def network(self) -> SettlementNetwork: ...

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


class FakeSubject:
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


class SimulatedSubject:
    """A network where nothing lands for a minute; `land` changes the landing time in the ledger."""

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


@pytest.fixture(params=["fake", "simulated"])
def subject(request: pytest.FixtureRequest, instruments: Instruments) -> Iterator[Subject]:
    if request.param == "fake":
        yield FakeSubject()
        return
    subject = SimulatedSubject(request.getfixturevalue("database"), instruments)
    yield subject
    subject.come_back()


@pytest.fixture
def network(subject: Subject) -> SettlementNetwork:
    return subject.network


def test_what_is_signed_is_not_sent(network: SettlementNetwork) -> None:
    transaction = network.sign(a_swap())
    assert network.look_up(transaction.signature) == NotFound()


def test_each_signature_is_new_and_valid_for_a_while(network: SettlementNetwork) -> None:
    swap = a_swap()
    first, second = network.sign(swap), network.sign(swap)
    assert first.signature != second.signature
    assert first.last_valid_height > network.final_height()


@pytest.mark.parametrize("side", Side)
def test_what_is_sent_is_in_flight_until_it_lands(subject: Subject, side: Side) -> None:
    network, swap = subject.network, a_swap(side=side)
    transaction = sent(network, swap)
    assert network.look_up(transaction.signature) == InFlight()
    subject.land(transaction.signature)
    outcome = network.look_up(transaction.signature)
    assert isinstance(outcome, Execution)
    assert outcome.base_amount == swap.amount
    assert outcome.quote_amount > 0
    assert outcome.fee > 0
    assert outcome.landed_at.utcoffset() is not None


@pytest.mark.parametrize("side", Side)
def test_a_swap_of_exactly_so_much_usdc_trades_it_to_the_unit(subject: Subject, side: Side) -> None:
    network, swap = subject.network, in_usdc(a_split_swap(side))
    transaction = sent(network, swap)
    assert network.look_up(transaction.signature) == InFlight()
    subject.land(transaction.signature)
    outcome = network.look_up(transaction.signature)
    assert isinstance(outcome, Execution)
    assert outcome.quote_amount == swap.amount == 1_000_000_000
    assert outcome.base_amount > 0
    assert network.look_up(transaction.signature) == outcome


@pytest.mark.parametrize("side", Side)
def test_the_expiry_of_a_swap_of_usdc_is_proved(network: SettlementNetwork, side: Side) -> None:
    transaction = expired(network, in_usdc(a_swap(side=side)))
    assert network.look_up_expired(transaction) == NotFound()
    network.send(transaction)
    assert network.look_up(transaction.signature) == NotFound()


def test_an_outcome_stays_as_it_is(subject: Subject) -> None:
    transaction = sent(subject.network)
    subject.land(transaction.signature)
    outcome = subject.network.look_up(transaction.signature)
    subject.network.send(transaction)
    assert subject.network.look_up(transaction.signature) == outcome
    assert subject.network.look_up_expired(transaction) == outcome


def test_a_swap_may_land_with_an_error(subject: Subject) -> None:
    transaction = sent(subject.network)
    subject.revert(transaction.signature)
    outcome = subject.network.look_up(transaction.signature)
    assert isinstance(outcome, Reverted)
    assert not outcome.slippage_exceeded
    assert outcome.detail


def test_a_lost_send_leaves_nothing_and_can_be_repeated(subject: Subject) -> None:
    transaction = subject.network.sign(a_swap())
    with pytest.raises(NetworkUnavailable):
        subject.lose_send(transaction)
    assert subject.network.look_up(transaction.signature) == NotFound()
    subject.network.send(transaction)
    assert subject.network.look_up(transaction.signature) == InFlight()


def test_a_lost_answer_hides_a_send_that_arrived(subject: Subject) -> None:
    transaction = subject.network.sign(a_swap())
    with pytest.raises(NetworkUnavailable):
        subject.lose_answer(transaction)
    assert subject.network.look_up(transaction.signature) == InFlight()


def test_bytes_sent_past_their_last_valid_height_are_dropped(network: SettlementNetwork) -> None:
    transaction = expired(network)
    network.send(transaction)
    assert network.look_up(transaction.signature) == NotFound()


def test_there_is_no_proof_while_it_could_still_land(network: SettlementNetwork) -> None:
    transaction = network.sign(a_swap())
    with pytest.raises(NetworkUnavailable):
        network.look_up_expired(transaction)
    network.send(transaction)
    assert network.look_up(transaction.signature) == InFlight()


def test_a_proof_of_expiry_stands(network: SettlementNetwork) -> None:
    transaction = expired(network)
    assert network.look_up_expired(transaction) == NotFound()
    network.send(transaction)
    assert network.look_up(transaction.signature) == NotFound()
    assert network.look_up_expired(transaction) == NotFound()


def test_a_dark_network_answers_nothing_and_comes_back(subject: Subject) -> None:
    network = subject.network
    transaction = sent(network)
    questions: list[Callable[[], object]] = [
        lambda: network.sign(a_swap()),
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
    assert network.look_up(transaction.signature) == InFlight()


def test_what_is_sent_into_the_dark_is_lost(subject: Subject) -> None:
    transaction = subject.network.sign(a_swap())
    subject.go_dark()
    with pytest.raises(NetworkUnavailable):
        subject.network.send(transaction)
    subject.come_back()
    assert subject.network.look_up(transaction.signature) == NotFound()


def test_bytes_that_were_not_signed_are_refused(network: SettlementNetwork) -> None:
    transaction = network.sign(a_swap())
    better = transaction.payload.replace(b'"limitAmount":"1', b'"limitAmount":"2')
    assert better != transaction.payload
    forged = replace(transaction, payload=better)
    for ask in (network.send, network.look_up_expired):
        with pytest.raises(InvalidTransaction):
            ask(forged)
    assert network.look_up(transaction.signature) == NotFound()


def test_a_first_look_pays_after_some_time(network: SettlementNetwork) -> None:
    assert network.typical_confirmation_s > 0
