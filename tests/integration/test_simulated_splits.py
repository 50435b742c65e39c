"""Swaps with several legs on the simulated network: whole or not at all, one ledger entry."""

from dataclasses import replace

import pytest
from sqlalchemy import Engine

from orderengine.domain.instruments import Instruments
from orderengine.domain.side import Side
from orderengine.execution.network import Execution, Reverted
from orderengine.settlement.simulated import SimulatedNetwork
from tests.simulations import a_simulation, a_split_swap, executions, ledger_row, sent


@pytest.fixture
def network(database: Engine, instruments: Instruments) -> SimulatedNetwork:
    """A network on which transactions land at once."""
    return SimulatedNetwork(database, instruments, a_simulation())


@pytest.mark.parametrize("side", Side)
def test_a_split_executes_all_legs_as_one_entry_of_the_ledger(
    network: SimulatedNetwork, database: Engine, side: Side
) -> None:
    swap = a_split_swap(side)
    transaction = sent(network, swap)
    outcome = network.look_up(transaction.signature)
    assert isinstance(outcome, Execution)
    assert [(leg.venue, leg.base_amount) for leg in outcome.legs] == [
        ("raydium", 4_000_000),
        ("meteora", 6_000_000),
    ]
    found = ledger_row(database, transaction)
    assert [leg["venue"] for leg in found.legs] == ["raydium", "meteora"]
    assert sum(int(leg["quoteAmount"]) for leg in found.executed_legs) == outcome.quote_amount
    assert (found.base_amount, found.executed_quote_amount) == (10_000_000, outcome.quote_amount)
    assert executions(database, swap.order_id) == 1
    assert network.look_up(transaction.signature) == outcome


@pytest.mark.parametrize("side", Side)
def test_the_limit_of_a_split_holds_for_its_total(network: SimulatedNetwork, side: Side) -> None:
    free = network.look_up(sent(network, a_split_swap(side)).signature)
    assert isinstance(free, Execution)
    far = free.quote_amount // 2 if side is Side.BUY else free.quote_amount * 2
    outcome = network.look_up(
        sent(network, replace(a_split_swap(side), limit_amount=far)).signature
    )
    assert isinstance(outcome, Reverted)
    assert outcome.slippage_exceeded
    assert "SlippageToleranceExceeded (6001)" in outcome.detail
    near = free.quote_amount + (10**6 if side is Side.BUY else -(10**6))
    outcome = network.look_up(
        sent(network, replace(a_split_swap(side), limit_amount=near)).signature
    )
    assert isinstance(outcome, Execution)


def test_a_split_with_one_leg_that_can_not_be_made_fails_whole(
    network: SimulatedNetwork, database: Engine
) -> None:
    good, bad = a_split_swap().legs
    swap = replace(a_split_swap(), legs=(good, replace(bad, amount=10**15)))
    transaction = sent(network, swap)
    outcome = network.look_up(transaction.signature)
    assert isinstance(outcome, Reverted)
    assert outcome.detail.startswith(
        "meteora: NotExactAmountOut (6057): the market moved, and the pool"
    )
    assert ledger_row(database, transaction).executed_legs is None
    assert executions(database, swap.order_id) == 0
