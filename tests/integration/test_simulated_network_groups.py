"""Many transactions at once on the simulated network: faults, statements and locks."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine

from orderengine.domain.fill import SignedTransaction
from orderengine.domain.instruments import Instruments
from orderengine.execution.network import Execution, NotFound, Outcome, Reverted
from orderengine.settlement.simulated import SimulatedNetwork
from tests.simulations import a_simulation, a_swap
from tests.statements import sent_statements

MakeNetwork = Callable[..., SimulatedNetwork]


@pytest.fixture
def make_network(database: Engine, instruments: Instruments) -> Iterator[MakeNetwork]:
    def make(**settings: str) -> SimulatedNetwork:
        return SimulatedNetwork(database, instruments, a_simulation(**settings))

    yield make
    make().switch(up=True)


def test_each_of_many_is_lost_by_its_own_chance(make_network: MakeNetwork) -> None:
    network = make_network(SIM_SEND_LOSS_RATE="0.3", SIM_ANSWER_LOSS_RATE="0.3")
    transactions = [signed_one(network) for _ in range(60)]
    errors = network.send_all(transactions)
    found = network.look_up_all([each.signature for each in transactions])
    told = [str(error) if error else "" for error in errors]
    lost = [isinstance(outcome, NotFound) for outcome in found]
    assert lost == ["transaction was lost" in each for each in told]
    # Each of these fails by chance once in a million runs.
    assert 0 < sum(lost) < len(lost)
    assert 0 < sum("answer was lost" in each for each in told) < len(told)
    assert "" in told


def signed_one(network: SimulatedNetwork) -> SignedTransaction:
    (signed,) = network.sign_all([a_swap()])
    assert isinstance(signed, SignedTransaction)
    return signed


def test_many_take_no_more_statements_than_one(make_network: MakeNetwork, database: Engine) -> None:
    network = make_network()
    with sent_statements(database) as statements:
        transactions = [signed_one(network) for _ in range(5)]
        assert len(statements) == 1
        network.send_all(transactions)
        assert len(statements) == 2
        found = network.look_up_all([each.signature for each in transactions])
        assert all(isinstance(each, Execution) for each in found)
        assert len(statements) == 4


def test_many_that_are_sent_and_looked_up_in_opposite_orders_never_deadlock(
    make_network: MakeNetwork,
) -> None:
    there, back = make_network(), make_network(SIM_CHAIN_ERROR_RATE="1")
    for _ in range(30):
        group = [there.sign(a_swap()) for _ in range(10)]
        names = [each.signature for each in group]
        barrier = threading.Barrier(2)

        def act(
            network: SimulatedNetwork,
            step: int,
            group: list[SignedTransaction] = group,
            names: list[str] = names,
            barrier: threading.Barrier = barrier,
        ) -> list[Outcome]:
            barrier.wait()
            assert network.send_all(group[::step]) == [None] * 10
            barrier.wait()
            return network.look_up_all(names[::step])[::step]

        with ThreadPoolExecutor(2) as pool:
            one, other = pool.map(act, (there, back), (1, -1))
        assert one == other
        assert {type(each) for each in one} <= {Execution, Reverted}
