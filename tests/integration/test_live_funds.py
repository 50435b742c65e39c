"""Funds on a live network: no swap is signed that the wallet cannot pay."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest
from sqlalchemy import Engine

from orderengine.domain.errors import (
    AttemptFailed,
    FailureReason,
    NetworkUnavailable,
    OrderUnfillable,
)
from orderengine.domain.fill import SignedTransaction
from orderengine.domain.instruments import Instruments
from orderengine.domain.side import Side
from orderengine.execution.network import SwapLeg
from orderengine.localnet.pools import USDC_MINT, fund
from orderengine.settlement.solana import signing
from orderengine.solana import requests
from orderengine.storage.promises import PROMISED_S, SqlPromises
from tests.live_network import FlakyNode, LiveWorld, reasons, signed


@pytest.fixture
def world(instruments: Instruments) -> Iterator[LiveWorld]:
    world = LiveWorld(instruments)
    yield world
    world.close()


def test_funds_for_five_pay_for_five_of_ten(world: LiveWorld) -> None:
    swaps = [world.swap() for _ in range(10)]
    fund(world.node.bank, world.wallet.address, USDC_MINT, 5 * swaps[0].limit_amount + 1)
    world.node.tick(2)
    answers = world.network.sign_all(swaps)
    assert reasons(answers) == [None] * 5 + [FailureReason.INSUFFICIENT_FUNDS] * 5
    assert all(isinstance(each, OrderUnfillable) for each in answers[5:])
    again = world.network.sign_all([world.swap()])
    assert reasons(again) == [FailureReason.INSUFFICIENT_FUNDS]


def test_what_others_are_promised_is_not_promised_twice(world: LiveWorld) -> None:
    first, second = world.swap(), world.swap()
    fund(world.node.bank, world.wallet.address, USDC_MINT, first.limit_amount)
    world.node.tick(2)
    (transaction,) = signed(world.network.sign_all([first]))
    assert reasons(world.network.sign_all([second])) == [FailureReason.INSUFFICIENT_FUNDS]
    world.promises.submitted[first.order_id] = transaction.signature
    world.clock.advance(PROMISED_S + 1)
    assert reasons(world.network.sign_all([second])) == [FailureReason.INSUFFICIENT_FUNDS]
    world.promises.submitted.clear()
    assert reasons(world.network.sign_all([second])) == [None]


def test_what_has_landed_is_not_taken_off_twice(world: LiveWorld) -> None:
    first, second = world.swap(), world.swap()
    fund(world.node.bank, world.wallet.address, USDC_MINT, 2 * first.limit_amount)
    world.node.tick(2)
    (transaction,) = signed(world.network.sign_all([first]))
    world.promises.submitted[first.order_id] = transaction.signature
    world.network.send(transaction)
    world.node.tick(2)
    # It took less than it might have, and its order is not told as confirmed yet.
    assert reasons(world.network.sign_all([second])) == [None]


def test_a_swap_that_is_not_signed_gives_back_what_it_was_promised(
    world: LiveWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = world.swap(), world.swap()
    fund(world.node.bank, world.wallet.address, USDC_MINT, first.limit_amount)
    world.node.tick(2)
    error = {"InstructionError": [3, {"Custom": 77}]}
    with monkeypatch.context() as patched:
        patched.setattr(requests, "simulate", lambda *_: requests.Simulated(1, error, (), ()))
        assert reasons(world.network.sign_all([first])) == [FailureReason.CHAIN_ERROR]
    world.rpc_node.lose = {"simulateTransaction"}
    with pytest.raises(NetworkUnavailable):
        world.network.sign_all([first])
    world.rpc_node.lose = set()
    assert reasons(world.network.sign_all([second])) == [None]


def test_a_swap_is_not_signed_long_after_its_funds_were_promised(
    world: LiveWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing, "SIGNED_WITHIN_S", -1)
    with pytest.raises(NetworkUnavailable, match="too long"):
        world.network.sign_all([world.swap()])


def test_two_workers_at_one_moment_promise_no_units_twice(
    instruments: Instruments, database: Engine
) -> None:
    world = LiveWorld(instruments)
    try:
        promises = SqlPromises(database)
        swaps = [world.swap() for _ in range(10)]
        fund(world.node.bank, world.wallet.address, USDC_MINT, 5 * swaps[0].limit_amount + 1)
        world.node.tick(2)
        workers = [world.network_at([FlakyNode(world.server.url)], promises) for _ in range(2)]
        begin = Barrier(5)

        def sign(part: int) -> list[SignedTransaction | AttemptFailed]:
            begin.wait(30)
            return workers[part % 2].sign_all(swaps[2 * part : 2 * part + 2])

        with ThreadPoolExecutor(5) as threads:
            answers = [one for part in threads.map(sign, range(5)) for one in part]
    finally:
        world.close()
    found = Counter(reasons(answers))
    assert found == {None: 5, FailureReason.INSUFFICIENT_FUNDS: 5}


def test_the_reserve_of_sol_is_not_sold(world: LiveWorld) -> None:
    held = world.node.bank.balance(world.wallet.address)
    swap = world.swap("SOL", Side.SELL)
    most = held - world.settings.reserve_lamports - 10_000_000
    pool = swap.legs[0].pool
    fine, too_much = (
        replace(swap, legs=(SwapLeg("raydium", pool, amount),))
        for amount in (most // 10_000, held - world.settings.reserve_lamports)
    )
    assert reasons(world.network.sign_all([too_much])) == [FailureReason.INSUFFICIENT_FUNDS]
    assert reasons(world.network.sign_all([fine])) == [None]
