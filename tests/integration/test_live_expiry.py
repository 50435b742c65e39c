"""The proof that a transaction can land no more: which answers of nodes prove it."""

from collections.abc import Iterator

import pytest

from orderengine.domain.errors import HistoryMissing, NetworkUnavailable
from orderengine.domain.fill import SignedTransaction
from orderengine.domain.instruments import Instruments
from orderengine.execution.network import Execution, NotFound, Outcome
from orderengine.localnet.node import FINALIZED_BEHIND
from orderengine.settlement.solana.expiry import VALIDITY
from orderengine.solana.rpc import Node
from tests.live_network import FlakyNode, LiveWorld


@pytest.fixture
def world(instruments: Instruments) -> Iterator[LiveWorld]:
    world = LiveWorld(instruments)
    yield world
    world.close()


def the_only(found: list[Outcome | NetworkUnavailable]) -> Outcome | NetworkUnavailable:
    (outcome,) = found
    return outcome


def test_a_node_that_forgets_proves_nothing(world: LiveWorld) -> None:
    transaction = world.sent()
    world.node.tick(2)
    world.expire()
    world.fault(forget=True)
    world.node.tick(FINALIZED_BEHIND + 1)
    outcome = the_only(world.network.look_up_expired_all([transaction]))
    assert isinstance(outcome, HistoryMissing)
    world.fault(forget=False)
    assert isinstance(world.network.look_up_expired(transaction), Execution)


def test_a_node_without_a_history_of_transactions_proves_nothing(world: LiveWorld) -> None:
    transaction = world.sent()
    world.node.tick(2)
    world.expire()
    world.fault(keepsHistory=False)
    with pytest.raises(NetworkUnavailable):
        world.network.look_up_expired(transaction)


def landed_late(world: LiveWorld) -> SignedTransaction:
    """A transaction that landed in one of the last blocks in which it could, and has expired."""
    transaction = world.signed()
    world.node.tick(VALIDITY - 10)
    world.network.send(transaction)
    world.node.tick(FINALIZED_BEHIND + 20)
    return transaction


def test_a_node_that_lags_proves_nothing(world: LiveWorld) -> None:
    transaction = landed_late(world)
    world.fault(lagBlocks=60)
    with pytest.raises(NetworkUnavailable, match="no proof of expiry yet"):
        world.network.look_up_expired(transaction)
    world.fault(lagBlocks=0)
    assert isinstance(world.network.look_up_expired(transaction), Execution)


def test_the_answers_of_two_nodes_are_never_put_together(world: LiveWorld) -> None:
    """One node is at the tip and has forgotten; the other one knows all, but lags."""
    transaction = landed_late(world)
    world.fault(forget=True)
    world.fault("/second", lagBlocks=60)
    world.node.tick()
    url = world.server.url
    for nodes in ([url, f"{url}/second"], [f"{url}/second", url]):
        network = world.network_at([Node(each) for each in nodes])
        with pytest.raises(NetworkUnavailable):
            network.look_up_expired(transaction)
    world.fault("/second", lagBlocks=0)
    network = world.network_at([Node(url), Node(f"{url}/second")])
    assert isinstance(network.look_up_expired(transaction), Execution)


def test_a_chain_that_started_anew_proves_nothing(
    world: LiveWorld, instruments: Instruments
) -> None:
    transaction = world.signed()
    other = LiveWorld(instruments)
    try:
        other.expire()
        other.node.tick(1_000)
        network = other.network_at([Node(other.server.url)])
        assert not network.owns(transaction)
        with pytest.raises(NetworkUnavailable, match="another network"):
            network.look_up_expired(transaction)
        assert isinstance(the_only(network.send_all([transaction])), NetworkUnavailable)  # type: ignore[arg-type]
    finally:
        other.close()


def test_the_proof_of_many_takes_as_many_requests_as_of_one(world: LiveWorld) -> None:
    transactions = [world.signed() for _ in range(20)]
    world.expire()
    world.rpc_node.asked.clear()
    assert world.network.look_up_expired_all(transactions) == [NotFound()] * 20
    assert len(world.rpc_node.asked) <= 8
    assert world.rpc_node.asked[-1] == "getSignatureStatuses"


def test_skipped_slots_are_no_holes(world: LiveWorld) -> None:
    transaction = world.signed()
    world.node.tick(5)
    world.fault(forkAway=True)
    world.expire()
    assert world.network.look_up_expired(transaction) == NotFound()


class FarAway(FlakyNode):
    """A node so far away that its chain grows by blocks while a request is on its way."""

    world: LiveWorld

    def call(self, method: str, *params: object) -> object:
        answer = super().call(method, *params)
        self.world.node.tick(3)
        return answer


def test_an_expiry_is_proven_by_a_node_whose_answers_take_longer_than_blocks(
    world: LiveWorld,
) -> None:
    lost = world.signed()
    world.expire()
    node = FarAway(world.server.url)
    node.world = world
    assert world.network_at([node]).look_up_expired(lost) == NotFound()
