"""Signing uses the copy that the stage before handed on, or else the stored row."""

from dataclasses import replace

import pytest

from orderengine.domain.errors import AttemptFailed, FailureReason, OrderEngineError
from orderengine.domain.instruments import Instruments
from orderengine.domain.order import OrderStatus
from orderengine.domain.side import Side
from orderengine.execution.chain.engine import AttemptEnded, Superseded
from orderengine.execution.chain.handover import Built
from tests.simulations import a_split_swap, in_usdc
from tests.singles import build_order, submit_order
from tests.world import World


@pytest.fixture
def world(instruments: Instruments) -> World:
    return World(instruments)


def built(world: World) -> Built:
    """An order that was built, as its message hands it on."""
    handed = build_order(world.engine, world.route(world.accept().order_id))
    return Built.from_document(handed.document())


def test_a_copy_is_signed_without_a_read_and_is_what_the_row_says(world: World) -> None:
    handed = built(world)
    from_row = submit_order(world.engine, replace(built(world), swap=None))
    read = world.orders.get
    world.orders.get = None  # type: ignore[assignment,method-assign]
    from_copy = submit_order(world.engine, handed)
    world.orders.get = read  # type: ignore[method-assign]
    first, second = (world.network.swap(each.signature) for each in (from_row, from_copy))
    assert replace(first, order_id=second.order_id) == second


def test_a_message_of_an_older_release_is_signed_as_the_row_has_it(world: World) -> None:
    old = {name: built(world).document()[name] for name in ("orderId", "version")}
    handed = Built.from_document(old)
    assert submit_order(world.engine, handed).order_id == handed.order_id
    broken = replace(built(world), swap=None)
    world.orders.damage(broken.order_id)
    with pytest.raises(OrderEngineError, match="without a route"):
        submit_order(world.engine, broken)
    assert len(world.network.sends) == 1


@pytest.mark.parametrize("side", Side)
def test_a_copy_in_usdc_is_none_to_a_release_that_knows_no_such_amounts(side: Side) -> None:
    swap = in_usdc(a_split_swap(side))
    handed = Built(swap.order_id, 3, swap.attempt, "r", swap)
    document = handed.document()
    assert "swap" not in document
    assert Built.from_document(document).swap == swap


def test_only_a_prepared_swap_is_handed_on_as_one() -> None:
    for swap in (a_split_swap(Side.BUY), replace(a_split_swap(Side.BUY), prepared=True)):
        read = Built.from_document(Built(swap.order_id, 3, swap.attempt, "r", swap).document())
        assert read.swap == swap


def test_each_of_two_orders_is_signed_as_itself(world: World) -> None:
    both = [built(world) for _ in range(2)]
    for handed in [submit_order(world.engine, each) for each in both]:
        world.network.land(handed.signature)
    assert world.network.executions == {each.order_id: 1 for each in both}


@pytest.mark.parametrize("copied", [True, False])
def test_an_order_that_moved_on_since_it_was_built_is_not_submitted(
    world: World, *, copied: bool
) -> None:
    handed = built(world)
    world.route(handed.order_id)
    with pytest.raises(Superseded):
        submit_order(world.engine, handed if copied else replace(handed, swap=None))
    assert world.network.sends == []
    assert world.order(handed.order_id).status is OrderStatus.ROUTING


def test_a_swap_that_the_network_refuses_ends_the_attempt(world: World) -> None:
    handed = built(world)
    refusal = AttemptFailed(FailureReason.CHAIN_ERROR, "no such pool")
    world.network.refusals[handed.order_id] = refusal
    with pytest.raises(AttemptEnded):
        submit_order(world.engine, handed)
    assert world.order(handed.order_id).failed_attempts[-1].detail == "no such pool"


def test_an_order_whose_instrument_was_removed_after_it_was_built_fails(world: World) -> None:
    routed = world.route(world.accept().order_id)
    world.forget_instruments()
    handed = build_order(world.engine, routed)
    assert handed.swap is None
    with pytest.raises(AttemptEnded):
        submit_order(world.engine, handed)
    assert world.order(handed.order_id).status is OrderStatus.FAILED
