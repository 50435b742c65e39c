"""Looks at a live network: what counts as landed, and when "not known" is a proof."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from solders.signature import Signature

from orderengine.domain.errors import HistoryMissing, NetworkUnavailable
from orderengine.domain.fill import SignedTransaction
from orderengine.domain.instruments import Instruments
from orderengine.domain.side import Side
from orderengine.execution.network import Execution, InFlight, NotFound, Outcome, Reverted
from orderengine.execution.operations.counters import CounterName, Sample
from orderengine.execution.second_looks import Settled
from orderengine.localnet.node import FINALIZED_BEHIND
from orderengine.localnet.pools import USDC_MINT
from orderengine.settlement.solana import finality
from orderengine.settlement.solana.expiry import VALIDITY
from orderengine.settlement.solana.statuses import StatusBoard
from orderengine.settlement.solana.strangers import Strangers
from orderengine.settlement.solana.watch import Watch
from orderengine.solana.requests import MOST_STATUSES
from orderengine.solana.rpc import Node
from tests.live_network import FlakyNode, LiveWorld, live_settings


@pytest.fixture
def world(instruments: Instruments) -> Iterator[LiveWorld]:
    world = LiveWorld(instruments)
    yield world
    world.close()


def signed(world: LiveWorld, side: Side = Side.BUY) -> SignedTransaction:
    return world.network.sign(world.swap(side=side))


def sent(world: LiveWorld, side: Side = Side.BUY) -> SignedTransaction:
    transaction = signed(world, side)
    world.network.send(transaction)
    return transaction


def expire(world: LiveWorld) -> None:
    world.node.tick(VALIDITY + FINALIZED_BEHIND + 1)


def the_only(found: list[Outcome | NetworkUnavailable]) -> Outcome | NetworkUnavailable:
    (outcome,) = found
    return outcome


def test_a_block_that_was_only_processed_is_not_a_landing(world: LiveWorld) -> None:
    transaction = sent(world)
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
        transaction = sent(world)
        world.node.tick(2)
        assert final.look_up(transaction.signature) == InFlight()
        world.node.tick(FINALIZED_BEHIND)
        assert isinstance(final.look_up(transaction.signature), Execution)
    finally:
        world.close()


@pytest.mark.parametrize("side", Side)
def test_amounts_are_those_of_the_pools_accounts(world: LiveWorld, side: Side) -> None:
    transaction = sent(world, side)
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
    transaction = signed(world)
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
    names = [signed(world).signature for _ in range(5)]
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
    name = signed(world).signature
    world.rpc_node.dark = True
    for _ in range(3):
        with pytest.raises(NetworkUnavailable):
            board.look([name])
    world.rpc_node.dark = False
    now[0] += 1
    assert board.look([name]) == [None]


def test_a_node_that_forgets_proves_nothing(world: LiveWorld) -> None:
    transaction = sent(world)
    world.node.tick(2)
    expire(world)
    world.fault(forget=True)
    world.node.tick(FINALIZED_BEHIND + 1)
    outcome = the_only(world.network.look_up_expired_all([transaction]))
    assert isinstance(outcome, HistoryMissing)
    world.fault(forget=False)
    assert isinstance(world.network.look_up_expired(transaction), Execution)


def test_a_node_without_a_history_of_transactions_proves_nothing(world: LiveWorld) -> None:
    transaction = sent(world)
    world.node.tick(2)
    expire(world)
    world.fault(keepsHistory=False)
    with pytest.raises(NetworkUnavailable):
        world.network.look_up_expired(transaction)


def landed_late(world: LiveWorld) -> SignedTransaction:
    """A transaction that landed in one of the last blocks in which it could, and has expired."""
    transaction = signed(world)
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
    transaction = signed(world)
    other = LiveWorld(instruments)
    try:
        expire(other)
        other.node.tick(1_000)
        network = other.network_at([Node(other.server.url)])
        assert not network.owns(transaction)
        with pytest.raises(NetworkUnavailable, match="another network"):
            network.look_up_expired(transaction)
        assert isinstance(the_only(network.send_all([transaction])), NetworkUnavailable)  # type: ignore[arg-type]
    finally:
        other.close()


def test_the_proof_of_many_takes_as_many_requests_as_of_one(world: LiveWorld) -> None:
    transactions = [signed(world) for _ in range(20)]
    expire(world)
    world.rpc_node.asked.clear()
    assert world.network.look_up_expired_all(transactions) == [NotFound()] * 20
    assert len(world.rpc_node.asked) <= 8
    assert world.rpc_node.asked[-1] == "getSignatureStatuses"


def test_skipped_slots_are_no_holes(world: LiveWorld) -> None:
    transaction = signed(world)
    world.node.tick(5)
    world.fault(forkAway=True)
    expire(world)
    assert world.network.look_up_expired(transaction) == NotFound()


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


OLD_S = finality.GONE_AFTER_S + 1


def settled(world: LiveWorld, age_s: float = OLD_S) -> Settled:
    """A swap that has landed, and was stored as confirmed so long ago."""
    transaction = sent(world)
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


def test_a_failed_swap_whose_block_is_gone_is_an_alert(
    world: LiveWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its bytes could land a second time, while the order was tried anew."""
    transaction = sent(world)
    with world.paused():
        world.node.tick(2)
    assert isinstance(world.network.look_up(transaction.signature), Reverted)
    monkeypatch.setattr(finality, "FINAL_AFTER_S", 0)
    monkeypatch.setattr(finality, "GONE_AFTER_S", 0)
    world.fault(forget=True)
    for _ in range(2):
        world.network.finality.look_again()
    assert gone(world) == 1


def test_transactions_of_the_wallet_that_are_of_no_order_are_counted(world: LiveWorld) -> None:
    mine, strange = sent(world), sent(world)
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


def test_a_landing_that_cannot_be_read_stays_in_flight(world: LiveWorld) -> None:
    transaction = sent(world)
    world.node.tick(2)
    world.rpc_node.lose = {"getTransaction"}
    assert world.network.look_up(transaction.signature) == InFlight()
    world.rpc_node.lose = set()
    assert isinstance(world.network.look_up(transaction.signature), Execution)


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
    lost = signed(world)
    expire(world)
    node = FarAway(world.server.url)
    node.world = world
    assert world.network_at([node]).look_up_expired(lost) == NotFound()


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
    names = [signed(world).signature for _ in range(12)]
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
