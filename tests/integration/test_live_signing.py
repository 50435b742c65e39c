"""Signing for a live network: distinct bytes, funds, simulation, and nothing signed too early."""

import base64
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from solders.hash import Hash
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction

from orderengine.domain.errors import (
    AttemptFailed,
    FailureReason,
    NetworkUnavailable,
    OrderUnfillable,
)
from orderengine.domain.fill import SignedTransaction
from orderengine.domain.instruments import Instruments
from orderengine.domain.side import Asset, Side
from orderengine.execution.network import Execution, SwapLeg
from orderengine.settlement.solana.plans import leg_limits
from orderengine.solana import requests, transactions
from orderengine.solana.accounts import TOKEN_PROGRAM
from orderengine.solana.pools import amm_v4
from orderengine.solana.refusals import AccountRefused
from orderengine.solana.rpc import Node
from orderengine.solana.transactions import (
    MAX_BYTES,
    Budget,
    Leg,
    Plan,
    TransactionTooLarge,
    message_of,
    unsigned,
)
from tests.live_network import FlakyNode, LiveWorld, live_settings, reasons, signed


@pytest.fixture
def world(instruments: Instruments) -> Iterator[LiveWorld]:
    world = LiveWorld(instruments)
    yield world
    world.close()


def test_fifty_like_orders_of_one_block_have_fifty_signatures_and_landings(
    world: LiveWorld,
) -> None:
    before = len(world.landings())
    transactions = signed(world.network.sign_all([world.swap() for _ in range(50)]))
    assert len({each.signature for each in transactions}) == 50
    assert len({each.slot for each in transactions}) == 1
    assert world.network.send_all(transactions) == [None] * 50
    world.node.tick(2)
    outcomes = world.network.look_up_all([each.signature for each in transactions])
    assert all(isinstance(each, Execution) for each in outcomes)
    landings = world.landings()[before:]
    assert sorted(each["signature"] for each in landings) == sorted(
        each.signature for each in transactions
    )
    assert [each["err"] for each in landings] == [None] * 50


def test_signed_bytes_name_network_wallet_and_slot(world: LiveWorld) -> None:
    (transaction,) = signed(world.network.sign_all([world.swap()]))
    assert transaction.network == f"solana:{world.node.genesis}"
    assert transaction.wallet == str(world.wallet.address)
    assert transaction.slot == world.node.blocks[-2].slot


def test_one_block_and_one_read_of_balances_serve_many(world: LiveWorld) -> None:
    signed(world.network.sign_all([world.swap()]))
    world.rpc_node.asked.clear()
    signed(world.network.sign_all([world.swap() for _ in range(10)]))
    asked = world.rpc_node.asked
    assert asked.count("getLatestBlockhash") == 1
    assert asked.count("simulateTransaction") == 10


def test_what_is_simulated_is_not_signed(world: LiveWorld, monkeypatch: Any) -> None:
    seen: list[bytes] = []
    call = FlakyNode.call

    def spy(self: FlakyNode, method: str, *params: Any) -> Any:
        if method == "simulateTransaction":
            seen.append(base64.b64decode(params[0]))
        return call(self, method, *params)

    monkeypatch.setattr(FlakyNode, "call", spy)
    signed(world.network.sign_all([world.swap()]))
    (simulated,) = map(VersionedTransaction.from_bytes, seen)
    assert simulated.signatures == [Signature.default()]


def test_a_swap_that_would_not_meet_its_limit_is_not_signed(world: LiveWorld) -> None:
    swap = world.swap()
    (answer,) = world.network.sign_all([replace(swap, limit_amount=1_000_000)])
    assert reasons([answer]) == [FailureReason.SLIPPAGE_EXCEEDED]


@pytest.mark.parametrize(
    ("program", "code", "reason"),
    [
        (amm_v4.MAINNET_PROGRAM, 40, FailureReason.SLIPPAGE_EXCEEDED),
        (TOKEN_PROGRAM, 1, FailureReason.INSUFFICIENT_FUNDS),
    ],
)
def test_a_pool_that_needs_more_than_the_funds_counted_for_the_limit_is_beyond_it(
    world: LiveWorld,
    monkeypatch: pytest.MonkeyPatch,
    program: Pubkey,
    code: int,
    reason: FailureReason,
) -> None:
    log = f"Program {program} failed: custom program error: {code:#x}"
    error = {"InstructionError": [3, {"Custom": code}]}
    found = requests.Simulated(1, error, (log,), ())
    monkeypatch.setattr(requests, "simulate", lambda *_: found)
    assert reasons(world.network.sign_all([world.swap()])) == [reason]


def test_a_swap_that_its_program_would_refuse_is_not_signed(world: LiveWorld) -> None:
    swap = world.swap()
    world.network.sign_all([world.swap()])
    with world.paused():
        (answer,) = world.network.sign_all([swap])
    assert isinstance(answer, AttemptFailed)
    assert answer.reason in {FailureReason.NO_QUOTE, FailureReason.CHAIN_ERROR}


@pytest.mark.parametrize("side", Side)
def test_sol_is_wrapped_and_unwrapped_within_the_transaction(world: LiveWorld, side: Side) -> None:
    before = world.node.bank.balance(world.wallet.address)
    swap = world.swap("SOL", side)
    (transaction,) = signed(world.network.sign_all([swap]))
    world.network.send(transaction)
    world.node.tick(2)
    outcome = world.network.look_up(transaction.signature)
    assert isinstance(outcome, Execution)
    assert outcome.base_amount == swap.amount
    assert outcome.network_fee_lamports == 5_000
    assert outcome.rent_lamports == 0
    change = world.node.bank.balance(world.wallet.address) - before
    assert change == (swap.amount if side is Side.BUY else -swap.amount) - 5_000


def test_a_priority_fee_is_capped_and_told(instruments: Instruments) -> None:
    settings = live_settings(priority_fee_microlamports=10**9, max_priority_fee_lamports=7_000)
    world = LiveWorld(instruments, settings)
    try:
        (transaction,) = signed(world.network.sign_all([world.swap()]))
        world.network.send(transaction)
        world.node.tick(2)
        outcome = world.network.look_up(transaction.signature)
    finally:
        world.close()
    assert isinstance(outcome, Execution)
    assert (outcome.network_fee_lamports, outcome.priority_fee_lamports) == (5_000, 7_000)


def test_a_dry_run_signs_nothing_and_tells_the_amounts(instruments: Instruments) -> None:
    world = LiveWorld(instruments, live_settings(dry_run=True))
    try:
        (answer,) = world.network.sign_all([world.swap()])
    finally:
        world.close()
    assert isinstance(answer, OrderUnfillable)
    assert answer.reason is FailureReason.DRY_RUN
    assert f"would buy {10 * 10**6} base units for 22" in answer.detail.replace(
        "base units for 23", "base units for 22"
    )


def test_the_limits_of_the_legs_are_the_swap_s(world: LiveWorld) -> None:
    instrument = world.instrument()
    pools = world.network.signer.pools.read(instrument).pools
    legs = tuple(SwapLeg(venue, instrument.pools[venue], 5 * 10**6) for venue in pools)
    swap = replace(world.swap(), legs=legs)
    limits = leg_limits(swap, [pools[leg.venue] for leg in legs])  # type: ignore[misc]
    assert sum(limits) == swap.limit_amount
    (transaction,) = signed(world.network.sign_all([swap]))
    world.network.send(transaction)
    world.node.tick(2)
    outcome = world.network.look_up(transaction.signature)
    assert isinstance(outcome, Execution)
    assert [leg.venue for leg in outcome.legs] == [leg.venue for leg in legs]
    assert [leg.base_amount for leg in outcome.legs] == [5 * 10**6] * 2


def test_nothing_is_signed_while_another_wallet_signs(world: LiveWorld) -> None:
    world.wallets.other_signs = True
    with pytest.raises(NetworkUnavailable, match="another wallet"):
        world.network.sign_all([world.swap()])
    assert world.network.outage_s > 0, "the order waits for a worker of the right wallet"
    world.wallets.other_signs = False
    signed(world.network.sign_all([world.swap()]))
    assert world.network.outage_s == 0


def test_nothing_is_signed_through_a_node_of_another_cluster(
    world: LiveWorld, instruments: Instruments
) -> None:
    other = LiveWorld(instruments)
    try:
        network = world.network_at([Node(world.server.url), Node(other.server.url)])
        assert network.cluster.refused() is not None
        (transaction,) = signed(network.sign_all([world.swap()]))
        assert transaction.network == f"solana:{world.node.genesis}"
        world.server.close()
        with pytest.raises(NetworkUnavailable):
            network.sign_all([world.swap()])
    finally:
        other.close()


def test_a_split_that_does_not_fit_may_be_tried_again_and_a_single_swap_may_not(
    world: LiveWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = world.swap()
    (leg,) = whole.legs
    other = SwapLeg("meteora", world.instrument().pools["meteora"], leg.amount // 2)
    split = replace(
        whole, order_id=uuid4(), legs=(replace(leg, amount=leg.amount - other.amount), other)
    )
    sizes = [len(each.payload) for each in signed(world.network.sign_all([whole, split]))]
    assert sizes[0] < sizes[1]
    monkeypatch.setattr(transactions, "MAX_BYTES", sizes[1] - 1)
    too_large, fits = world.network.sign_all([split, whole])
    assert isinstance(fits, SignedTransaction)
    assert isinstance(too_large, AttemptFailed)
    assert not isinstance(too_large, OrderUnfillable), "the next attempt has fewer legs"
    assert too_large.reason is FailureReason.TRANSACTION_TOO_LARGE
    monkeypatch.setattr(transactions, "MAX_BYTES", sizes[0] - 1)
    (refused,) = world.network.sign_all([whole])
    assert isinstance(refused, OrderUnfillable)
    assert refused.reason is FailureReason.TRANSACTION_TOO_LARGE


def test_a_swap_that_does_not_fit_into_a_transaction_is_refused_before_it_is_signed(
    world: LiveWorld,
) -> None:
    reader = world.network.signer.pools
    pools = [
        pool
        for instrument in world.instruments
        for pool in reader.read(instrument).pools.values()
        if not isinstance(pool, AccountRefused)
    ]
    legs = [Leg(pool, 1, 10**6) for pool in pools]
    plan = Plan(uuid4(), 1, Side.BUY, Asset.BASE, legs)
    with pytest.raises(TransactionTooLarge):
        message_of(plan, world.wallet.address, Hash.default(), Budget(400_000, 0))
    message = message_of(
        replace(plan, legs=legs[:2]), world.wallet.address, Hash.default(), Budget(400_000, 0)
    )
    assert len(bytes(unsigned(message))) <= MAX_BYTES
