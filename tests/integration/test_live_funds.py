"""Funds on a live network: no swap is signed that the wallet cannot pay."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from solders.signature import Signature

from orderengine.domain.errors import (
    FailureReason,
    OrderUnfillable,
)
from orderengine.domain.instruments import Instruments
from orderengine.domain.side import Side
from orderengine.execution.network import SwapLeg
from orderengine.localnet.pools import USDC_MINT, fund
from tests.live_network import LiveWorld, reasons, signed


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


def test_what_submitted_orders_may_take_is_not_promised_twice(world: LiveWorld) -> None:
    swap, other = world.swap(), world.swap()
    fund(world.node.bank, world.wallet.address, USDC_MINT, swap.limit_amount)
    world.node.tick(2)
    flying = Signature.new_unique()
    world.commitments.add(other, str(flying), 1)
    assert reasons(world.network.sign_all([swap])) == [FailureReason.INSUFFICIENT_FUNDS]
    world.commitments.known.clear()
    assert reasons(world.network.sign_all([swap])) == [None]


def test_what_has_landed_is_not_taken_off_twice(world: LiveWorld) -> None:
    first, second = world.swap(), world.swap()
    fund(world.node.bank, world.wallet.address, USDC_MINT, 2 * first.limit_amount)
    world.node.tick(2)
    (transaction,) = signed(world.network.sign_all([first]))
    world.commitments.add(first, transaction.signature, first.limit_amount)
    world.network.send(transaction)
    world.node.tick(2)
    # It took less than it might have, and its order is not told as confirmed yet.
    assert reasons(world.network.sign_all([second])) == [None]


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
