"""Signing uses the order that this thread has moved, or else the stored row."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from orderengine.domain.errors import NetworkUnavailable, OrderEngineError
from orderengine.domain.instruments import Instruments
from orderengine.domain.order import OrderStatus
from orderengine.execution.chain.engine import Superseded
from orderengine.execution.chain.stages import build_order, submit_order
from tests.world import World


@pytest.fixture
def world(instruments: Instruments) -> World:
    return World(instruments)


def test_what_another_thread_built_is_signed_as_the_row_has_it(world: World) -> None:
    handed = world.route(world.accept().order_id)
    with ThreadPoolExecutor(1) as other:
        built = other.submit(build_order, world.engine, handed).result()
    world.orders.damage(built.order_id)
    with pytest.raises(OrderEngineError, match="without a route"):
        submit_order(world.engine, built)
    assert world.network.sends == []


def test_each_of_two_orders_that_this_thread_built_is_signed_as_itself(world: World) -> None:
    both = [build_order(world.engine, world.route(world.accept().order_id)) for _ in range(2)]
    for handed in [submit_order(world.engine, built) for built in both]:
        world.network.land(handed.signature)
    assert world.network.executions == {built.order_id: 1 for built in both}


def test_an_order_that_moved_on_since_this_thread_built_it_is_not_submitted(world: World) -> None:
    built = build_order(world.engine, world.route(world.accept().order_id))
    with ThreadPoolExecutor(1) as other:
        other.submit(world.route, built.order_id).result()
    with pytest.raises(Superseded):
        submit_order(world.engine, built)
    assert world.network.sends == []
    assert world.order(built.order_id).status is OrderStatus.ROUTING


def test_what_this_thread_built_before_another_one_did_is_not_signed(world: World) -> None:
    order_id = build_order(world.engine, world.route(world.accept().order_id)).order_id
    with ThreadPoolExecutor(1) as other:
        rerouted = other.submit(world.route, order_id).result()
        built = other.submit(build_order, world.engine, rerouted).result()
    world.orders.damage(order_id)
    with pytest.raises(OrderEngineError, match="without a route"):
        submit_order(world.engine, built)
    assert world.network.sends == []


def test_what_this_thread_built_is_signed_from_memory_once(world: World) -> None:
    built = build_order(world.engine, world.route(world.accept().order_id))
    world.network.go_dark()
    with pytest.raises(NetworkUnavailable):
        submit_order(world.engine, built)
    world.orders.damage(built.order_id)
    with pytest.raises(OrderEngineError, match="without a route"):
        submit_order(world.engine, built)
