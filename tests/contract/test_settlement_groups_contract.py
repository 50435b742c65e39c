"""The contract of every network for many transactions at once."""

from dataclasses import replace

import pytest

from orderengine.domain.errors import NetworkUnavailable
from orderengine.domain.fill import SignedTransaction
from orderengine.execution.network import (
    Execution,
    InvalidTransaction,
    NotFound,
    Reverted,
)
from tests.contract.settlement_subjects import Subject, subject
from tests.simulations import a_swap, sent

__all__ = ["subject"]


def signed(subject: Subject, count: int) -> list[SignedTransaction]:
    """Transactions of as many orders."""
    found = subject.network.sign_all([subject.adapted(a_swap()) for _ in range(count)])
    assert all(isinstance(each, SignedTransaction) for each in found)
    return [each for each in found if isinstance(each, SignedTransaction)]


def names(transactions: list[SignedTransaction]) -> list[str]:
    return [each.signature for each in transactions]


def test_many_are_signed_for_one_block(subject: Subject) -> None:
    network = subject.network
    before = network.final_height()
    transactions = signed(subject, 5)
    assert len(set(names(transactions))) == 5
    (last_valid,) = {each.last_valid_height for each in transactions}
    assert last_valid > before
    assert network.look_up_all(names(transactions)) == [NotFound()] * 5


def test_many_are_sent_and_looked_up_in_their_order(subject: Subject) -> None:
    transactions = signed(subject, 5)
    assert subject.network.send_all(transactions) == [None] * 5
    subject.land(transactions[1].signature)
    subject.revert(transactions[3].signature)
    found = subject.network.look_up_all([*names(transactions), "unknown"])
    waiting = type(subject.on_its_way)
    kinds = [waiting, Execution, waiting, Reverted, waiting, NotFound]
    assert [type(each) for each in found] == kinds
    for transaction, outcome in zip(transactions, found, strict=False):
        assert subject.network.look_up(transaction.signature) == outcome
    assert subject.network.look_up_all(names(transactions)[::-1]) == found[-2::-1]


def test_many_that_landed_get_their_outcomes_in_one_look(subject: Subject) -> None:
    transactions = signed(subject, 4)
    subject.network.send_all(transactions)
    for each in transactions:
        subject.land(each.signature)
    outcomes = subject.network.look_up_all(names(transactions))
    assert all(isinstance(each, Execution) for each in outcomes)
    assert subject.network.look_up_all(names(transactions)) == outcomes


def test_sending_many_again_is_harmless(subject: Subject) -> None:
    network = subject.network
    first = sent(network, subject.adapted(a_swap()))
    others = signed(subject, 2)
    assert network.send_all([others[0], first, others[1]]) == [None] * 3
    assert network.send_all([others[1], others[0]]) == [None] * 2
    assert network.look_up_all(names([first, *others])) == [subject.on_its_way] * 3


def test_the_expiry_of_many_is_proved_beside_what_may_still_land(subject: Subject) -> None:
    landed = sent(subject.network, subject.adapted(a_swap()))
    subject.land(landed.signature)
    dead = [subject.expired(subject.adapted(a_swap())) for _ in range(2)]
    alive = subject.network.sign(subject.adapted(a_swap()))
    found = subject.network.look_up_expired_all([dead[0], alive, landed, dead[1]])
    assert isinstance(found[1], NetworkUnavailable)
    assert isinstance(found[2], Execution)
    assert [found[0], found[3]] == [NotFound()] * 2


def test_sending_many_into_the_dark_is_told_for_each(subject: Subject) -> None:
    transactions = signed(subject, 3)
    subject.go_dark()
    errors = subject.network.send_all(transactions)
    assert len(errors) == 3
    assert all(isinstance(each, NetworkUnavailable) for each in errors)
    with pytest.raises(NetworkUnavailable):
        subject.network.look_up_all(names(transactions))
    with pytest.raises(NetworkUnavailable):
        subject.network.sign_all([subject.adapted(a_swap())])
    subject.come_back()
    assert subject.network.look_up_all(names(transactions)) == [NotFound()] * 3


def test_bytes_that_were_not_signed_stop_their_group(subject: Subject) -> None:
    network = subject.network
    good, other = signed(subject, 2)
    forged = replace(other, payload=good.payload)
    with pytest.raises(InvalidTransaction):
        network.send_all([good, forged])
    assert network.look_up(good.signature) == NotFound()
