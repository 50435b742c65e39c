"""The contract of every network for many transactions at once."""

from dataclasses import replace

import pytest

from orderengine.domain.errors import NetworkUnavailable
from orderengine.domain.fill import SignedTransaction
from orderengine.execution.network import Execution, InFlight, NotFound, Reverted, SettlementNetwork
from orderengine.settlement.wire import InvalidTransaction
from tests.contract.test_settlement_contract import Subject, network, subject
from tests.simulations import a_swap, sent

__all__ = ["network", "subject"]


def signed(network: SettlementNetwork, count: int) -> list[SignedTransaction]:
    """Transactions of as many orders."""
    found = network.sign_all([a_swap() for _ in range(count)])
    assert all(isinstance(each, SignedTransaction) for each in found)
    return [each for each in found if isinstance(each, SignedTransaction)]


def names(transactions: list[SignedTransaction]) -> list[str]:
    return [each.signature for each in transactions]


def test_many_are_signed_for_one_block(network: SettlementNetwork) -> None:
    before = network.final_height()
    transactions = signed(network, 5)
    assert len(set(names(transactions))) == 5
    (last_valid,) = {each.last_valid_height for each in transactions}
    assert last_valid > before
    assert network.look_up_all(names(transactions)) == [NotFound()] * 5


def test_many_are_sent_and_looked_up_in_their_order(subject: Subject) -> None:
    transactions = signed(subject.network, 5)
    assert subject.network.send_all(transactions) == [None] * 5
    subject.land(transactions[1].signature)
    subject.revert(transactions[3].signature)
    found = subject.network.look_up_all([*names(transactions), "unknown"])
    kinds = [InFlight, Execution, InFlight, Reverted, InFlight, NotFound]
    assert [type(each) for each in found] == kinds
    for transaction, outcome in zip(transactions, found, strict=False):
        assert subject.network.look_up(transaction.signature) == outcome
    assert subject.network.look_up_all(names(transactions)[::-1]) == found[-2::-1]


def test_many_that_landed_get_their_outcomes_in_one_look(subject: Subject) -> None:
    transactions = signed(subject.network, 4)
    subject.network.send_all(transactions)
    for each in transactions:
        subject.land(each.signature)
    outcomes = subject.network.look_up_all(names(transactions))
    assert all(isinstance(each, Execution) for each in outcomes)
    assert subject.network.look_up_all(names(transactions)) == outcomes


def test_sending_many_again_is_harmless(network: SettlementNetwork) -> None:
    first = sent(network)
    others = signed(network, 2)
    assert network.send_all([others[0], first, others[1]]) == [None] * 3
    assert network.send_all([others[1], others[0]]) == [None] * 2
    assert network.look_up_all(names([first, *others])) == [InFlight()] * 3


def test_sending_many_into_the_dark_is_told_for_each(subject: Subject) -> None:
    transactions = signed(subject.network, 3)
    subject.go_dark()
    errors = subject.network.send_all(transactions)
    assert [type(each) for each in errors] == [NetworkUnavailable] * 3
    with pytest.raises(NetworkUnavailable):
        subject.network.look_up_all(names(transactions))
    with pytest.raises(NetworkUnavailable):
        subject.network.sign_all([a_swap()])
    subject.come_back()
    assert subject.network.look_up_all(names(transactions)) == [NotFound()] * 3


def test_bytes_that_were_not_signed_stop_their_group(network: SettlementNetwork) -> None:
    good, other = signed(network, 2)
    forged = replace(other, payload=good.payload)
    with pytest.raises(InvalidTransaction):
        network.send_all([good, forged])
    assert network.look_up(good.signature) == NotFound()
