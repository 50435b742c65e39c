"""The contract of every network: in memory, simulated on PostgreSQL, and a live one."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from orderengine.domain.errors import NetworkUnavailable
from orderengine.domain.side import Side
from orderengine.execution.network import (
    Execution,
    InvalidTransaction,
    NotFound,
    Reverted,
    SettlementNetwork,
)
from tests.contract.settlement_subjects import Subject, subject
from tests.simulations import a_split_swap, a_swap, in_usdc, sent

__all__ = ["subject"]


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
