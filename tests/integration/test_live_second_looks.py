"""The second look at a settlement, at `finalized`, and the wallet's transactions of others."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from orderengine.domain.errors import NetworkUnavailable, StorageUnavailable
from orderengine.domain.instruments import Instruments
from orderengine.execution.network import Execution, Reverted
from orderengine.execution.operations.counters import CounterName, Sample
from orderengine.execution.second_looks import Settled
from orderengine.localnet.node import FINALIZED_BEHIND
from orderengine.settlement.solana import finality
from orderengine.settlement.solana.strangers import Strangers
from tests.live_network import FixedLooks, FlakyNode, LiveWorld

OLD_S = finality.GONE_AFTER_S + 1


@pytest.fixture
def world(instruments: Instruments) -> Iterator[LiveWorld]:
    world = LiveWorld(instruments)
    yield world
    world.close()


def settled(world: LiveWorld, age_s: float = OLD_S) -> Settled:
    """A swap that has landed, and was stored as confirmed so long ago."""
    transaction = world.sent()
    world.node.tick(2)
    assert isinstance(world.network.look_up(transaction.signature), Execution)
    at = datetime.now(UTC) - timedelta(seconds=age_s)
    found = Settled(transaction.signature, transaction.slot or 0, at, age_s)
    world.looks.settled.append(found)
    return found


def gone(world: LiveWorld) -> int:
    return int(world.metrics.counts().get(Sample(CounterName.SETTLEMENTS_GONE), 0))


def test_a_settlement_that_is_gone_when_it_must_be_final_is_an_alert_once(world: LiveWorld) -> None:
    settled(world)
    world.fault(forget=True)
    world.node.tick(finality.GONE_AFTER_SLOTS)
    for _ in range(2):
        world.network.finality.look_again()
    assert gone(world) == 1


def test_a_node_that_is_late_makes_no_settlement_gone(world: LiveWorld) -> None:
    """It knows nothing of the swap because it has not come so far."""
    found = settled(world)
    world.fault(forget=True)
    world.network.finality.look_again()
    assert gone(world) == 0
    assert world.looks.until is not None
    assert world.looks.until < found.at, "the next look begins before it"


def test_a_settlement_that_is_not_final_yet_is_looked_at_again(world: LiveWorld) -> None:
    young, younger = settled(world, 30), settled(world, 25)
    world.network.finality.look_again()
    assert world.looks.until is not None
    assert world.looks.until < young.at
    world.node.tick(FINALIZED_BEHIND)
    world.network.finality.look_again()
    assert world.looks.until > younger.at
    world.rpc_node.asked.clear()
    world.network.finality.look_again()
    assert world.rpc_node.asked == []
    assert gone(world) == 0


def test_the_second_look_of_a_node_without_history_is_no_outage(world: LiveWorld) -> None:
    settled(world)
    world.fault(keepsHistory=False)
    with pytest.raises(NetworkUnavailable):
        world.network.finality.look_again()
    assert world.network.outage_s == 0
    assert world.looks.until is None


def failed(world: LiveWorld) -> str:
    """A swap that landed with an error, as told long ago."""
    transaction = world.sent()
    with world.paused():
        world.node.tick(2)
    assert isinstance(world.network.look_up(transaction.signature), Reverted)
    noted = world.looks.failures[transaction.signature]
    world.looks.failures[transaction.signature] = replace(noted, age_s=OLD_S)
    return transaction.signature


def test_a_failed_swap_whose_block_is_gone_is_an_alert_of_whichever_worker_looks(
    world: LiveWorld,
) -> None:
    """Its bytes could land a second time, while the order was tried anew."""
    failed(world)
    world.fault(forget=True)
    world.node.tick(finality.GONE_AFTER_SLOTS)
    later = world.network_at([FlakyNode(world.server.url)])
    for _ in range(2):
        later.finality.look_again()
    assert gone(world) == 1
    assert world.looks.failures == {}


def test_a_failed_swap_that_is_final_is_forgotten(world: LiveWorld) -> None:
    signature = failed(world)
    world.network.finality.look_again()
    assert list(world.looks.failures) == [signature], "its block is not final yet"
    world.node.tick(FINALIZED_BEHIND)
    world.network.finality.look_again()
    assert world.looks.failures == {}
    assert gone(world) == 0


def test_a_failed_swap_that_cannot_be_stored_moves_no_order(
    world: LiveWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    transaction = world.sent()
    with world.paused():
        world.node.tick(2)

    def no_answer(*_: object) -> None:
        raise StorageUnavailable("PostgreSQL is away")

    with monkeypatch.context() as patched:
        patched.setattr(FixedLooks, "note_failed", no_answer)
        with pytest.raises(StorageUnavailable):
            world.network.look_up(transaction.signature)
    assert isinstance(world.network.look_up(transaction.signature), Reverted)


def test_transactions_of_the_wallet_that_are_of_no_order_are_counted(world: LiveWorld) -> None:
    mine, strange = world.sent(), world.sent()
    world.node.tick(2)
    world.looks.own = {mine.signature}
    world.network.watch.run()
    assert world.looks.strangers == [], "it is not time to look"
    world.looks.is_time = True
    strangers = Strangers(
        world.network.cluster, world.wallet.address, world.looks, world.network.now
    )
    for _ in range(2):
        strangers.look()
    assert world.looks.strangers == [1, 1]
    world.looks.own.add(strange.signature)
    strangers.look()
    assert world.looks.strangers[-1] == 0
