"""Looks at a live network: which transactions count as landed, and how often it is asked."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from solders.signature import Signature

from orderengine.domain.errors import NetworkUnavailable
from orderengine.domain.instruments import Instruments
from orderengine.domain.side import Side
from orderengine.execution.network import Execution, InFlight, NotFound, Reverted
from orderengine.execution.operations.counters import CounterName, Sample
from orderengine.localnet.node import FINALIZED_BEHIND
from orderengine.localnet.pools import USDC_MINT
from orderengine.settlement.solana.statuses import StatusBoard
from orderengine.settlement.solana.strangers import Strangers
from orderengine.settlement.solana.watch import Watch
from orderengine.solana.requests import MOST_STATUSES
from tests.live_network import LiveWorld, live_settings


@pytest.fixture
def world(instruments: Instruments) -> Iterator[LiveWorld]:
    world = LiveWorld(instruments)
    yield world
    world.close()


def test_a_block_that_was_only_processed_is_not_a_landing(world: LiveWorld) -> None:
    transaction = world.sent()
    world.node.tick()
    assert world.network.look_up(transaction.signature) == InFlight()
    world.fault(forkAway=True)
    world.node.tick(2)
    assert world.network.look_up(transaction.signature) == NotFound()
    world.network.send(transaction)
    world.node.tick(2)
    assert isinstance(world.network.look_up(transaction.signature), Execution)
    assert len([each for each in world.landings() if each["err"] is None]) == 1


def test_with_finalized_a_landing_counts_32_blocks_later(instruments: Instruments) -> None:
    world = LiveWorld(instruments)
    try:
        network = world.network_at([world.rpc_node], commitment=live_settings().commitment)
        final = replace(network, commitment="finalized")
        transaction = world.sent()
        world.node.tick(2)
        assert final.look_up(transaction.signature) == InFlight()
        world.node.tick(FINALIZED_BEHIND)
        assert isinstance(final.look_up(transaction.signature), Execution)
    finally:
        world.close()


@pytest.mark.parametrize("side", Side)
def test_amounts_are_those_of_the_pools_accounts(world: LiveWorld, side: Side) -> None:
    transaction = world.sent(side)
    world.node.tick(2)
    outcome = world.network.look_up(transaction.signature)
    assert isinstance(outcome, Execution)
    (landing,) = world.landings()
    changes = [abs(each["units"]) for each in landing["deltas"]]
    assert sorted(changes) == sorted([outcome.base_amount, outcome.quote_amount] * 2)
    assert outcome.fee > 0
    assert outcome.market_impact_bps > 0
    assert outcome.legs[0].fee_is_estimated is None


def test_a_landed_error_is_told_with_its_program_and_code(world: LiveWorld) -> None:
    transaction = world.signed()
    # Somebody else moves the price beyond the limit between the signature and the landing.
    instrument = world.instrument()
    other = world.swap(limit_amount=10**12)
    leg = replace(other.legs[0], amount=10**9 * 6)
    assert leg.pool == instrument.pools["raydium"]
    world.network.send(world.network.sign(replace(other, legs=(leg,), limit_amount=10**14)))
    world.node.tick()
    world.network.send(transaction)
    world.node.tick(2)
    outcome = world.network.look_up(transaction.signature)
    assert outcome == Reverted(slippage_exceeded=True, detail="localnet: ExceededSlippage (6005)")
    assert world.metrics.counts()[Sample(CounterName.LANDED, "localnet:6005")] == 1


def test_all_open_signatures_are_asked_for_in_one_look(world: LiveWorld) -> None:
    board = StatusBoard(world.network.cluster, kept_s=60)
    names = [world.signed().signature for _ in range(5)]
    world.rpc_node.asked.clear()
    board.look(names[:3])
    board.look(names[2:])
    board.look(names)
    assert world.rpc_node.asked.count("getSignatureStatuses") == 2
    board.look([names[0]])
    assert world.rpc_node.asked.count("getSignatureStatuses") == 2


def test_a_failed_look_is_not_repeated_by_those_who_waited_for_it(world: LiveWorld) -> None:
    now = [0.0]
    board = StatusBoard(world.network.cluster, clock=lambda: now[0])
    name = world.signed().signature
    world.rpc_node.dark = True
    for _ in range(3):
        with pytest.raises(NetworkUnavailable):
            board.look([name])
    world.rpc_node.dark = False
    now[0] += 1
    assert board.look([name]) == [None]


def test_an_unreachable_node_is_an_outage_until_it_answers(world: LiveWorld) -> None:
    assert world.network.outage_s == 0
    world.network.final_height()
    world.rpc_node.dark = True
    with pytest.raises(NetworkUnavailable):
        world.network.final_height()
    assert world.network.outage_s > 0
    world.rpc_node.dark = False
    world.network.watch.run()
    assert world.network.outage_s == 0
    (figures,) = [each for each in world.wallets.told if each is not None]
    assert figures.lamports == world.node.bank.balance(world.wallet.address)
    assert figures.slots_behind == 0


def test_a_landing_that_cannot_be_read_stays_in_flight(world: LiveWorld) -> None:
    transaction = world.sent()
    world.node.tick(2)
    world.rpc_node.lose = {"getTransaction"}
    assert world.network.look_up(transaction.signature) == InFlight()
    world.rpc_node.lose = set()
    assert isinstance(world.network.look_up(transaction.signature), Execution)


def test_without_orders_a_worker_asks_for_little(world: LiveWorld) -> None:
    now = [1_000.0]
    watch = Watch(
        world.network.cluster,
        world.wallet.address,
        lambda: USDC_MINT,
        world.network.signer.guard,
        world.network.finality,
        Strangers(world.network.cluster, world.wallet.address, world.looks, world.network.now),
        world.network.now,
        clock=lambda: now[0],
    )
    watch.run()
    world.rpc_node.asked.clear()
    for _ in range(60):
        now[0] += 1
        watch.run()
    assert 0 < len(world.rpc_node.asked) <= 2 * 60


def test_the_polls_of_one_block_s_time_cost_one_request(world: LiveWorld) -> None:
    board = StatusBoard(world.network.cluster)
    names = [world.signed().signature for _ in range(12)]
    world.rpc_node.asked.clear()
    for name in names:
        board.look([name])
    first = world.rpc_node.asked.count("getSignatureStatuses")
    board.look(names)
    assert world.rpc_node.asked.count("getSignatureStatuses") <= first + 1
    board.look(names[:6])
    board.look(names[6:])
    assert world.rpc_node.asked.count("getSignatureStatuses") <= first + 1


def test_more_signatures_than_one_request_may_name_take_two(world: LiveWorld) -> None:
    names = [str(Signature.new_unique()) for _ in range(MOST_STATUSES + 1)]
    world.rpc_node.asked.clear()
    assert world.network.look_up_all(names) == [NotFound()] * len(names)
    assert world.rpc_node.asked.count("getSignatureStatuses") == 2
