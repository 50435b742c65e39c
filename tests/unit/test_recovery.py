"""Recovery on ports in memory: the orders that it dispatches, and those that it leaves alone."""

from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from orderengine.domain.errors import DispatchUnavailable, FailureReason, QueuesTooLong
from orderengine.domain.instruments import Instruments
from orderengine.domain.moves import RoutingCause
from orderengine.domain.order import OrderStatus
from orderengine.execution.chain.confirm import PollResult
from orderengine.execution.chain.engine import Superseded
from orderengine.execution.chain.handover import Built
from orderengine.execution.chain.recovery import Recovery
from orderengine.execution.chain.stages import submit_orders
from tests.fakes import START, FakeHalts
from tests.singles import confirm_order, route_order
from tests.world import World


@pytest.fixture
def world(instruments: Instruments) -> World:
    return World(instruments)


@pytest.mark.parametrize("stage", ["pending", "routing", "building", "submitted"])
def test_recovery_brings_back_an_order_from_each_stage(world: World, stage: str) -> None:
    order = world.stop_at(stage)
    world.clock.advance(20.0)
    assert Recovery(world.engine).run_once() == 1
    handed = world.run_to_submitted(order.order_id)
    world.network.land(handed.signature)
    assert confirm_order(world.engine, handed) is PollResult.CONFIRMED
    assert world.network.executions == {order.order_id: 1}
    assert world.order(order.order_id).attempt == 1


@pytest.mark.parametrize("stage", ["pending", "routing", "building", "submitted"])
def test_what_is_dispatched_again_names_the_request_of_its_order(world: World, stage: str) -> None:
    world.request_id = "req-1"
    first = world.stop_at(stage)
    world.request_id = None
    second = world.stop_at(stage)
    world.dispatcher.sent.clear()
    world.clock.advance(20.0)
    Recovery(world.engine).run_once()
    named = {sent.order_id: sent.request_id for sent in world.dispatcher.sent}
    assert named == {first.order_id: "req-1", second.order_id: None}


def test_recovery_claims_nothing_while_the_broker_is_away(world: World) -> None:
    world.stop_at("routing")
    world.clock.advance(20.0)
    world.dispatcher.down = True
    with pytest.raises(DispatchUnavailable):
        Recovery(world.engine).run_once()
    world.dispatcher.down = False
    assert Recovery(world.engine).run_once() == 1


def test_an_order_that_never_gets_on_fails_after_ten_recoveries(world: World) -> None:
    order = world.stop_at("routing")
    for _ in range(10):
        world.clock.advance(20.0)
        Recovery(world.engine).run_once()
        message = world.dispatcher.sent.pop()
        assert message.cause is RoutingCause.RECOVERY
        route_order(world.engine, order.order_id, message.version, RoutingCause.RECOVERY)
    world.clock.advance(20.0)
    Recovery(world.engine).run_once()
    after = world.order(order.order_id)
    assert after.status is OrderStatus.FAILED
    assert after.failure is not None
    assert after.failure.reason is FailureReason.ENGINE_ERROR
    assert world.network.sends == []


def test_a_submitted_order_is_never_failed_by_a_cap(world: World) -> None:
    handed = world.submit()
    world.network.go_dark()
    for _ in range(50):
        world.clock.advance(20.0)
        assert Recovery(world.engine).run_once() == 1
    assert world.order(handed.order_id).status is OrderStatus.SUBMITTED


def test_one_order_that_can_not_be_brought_back_keeps_none_of_the_others(world: World) -> None:
    world.request_id = "req-1"
    broken, sound = world.submit(), world.submit()
    world.orders.damage(broken.order_id)
    world.clock.advance(20.0)
    with capture_logs(processors=[merge_contextvars]) as lines:
        assert Recovery(world.engine).run_once() == 2
    assert [sent.order_id for sent in world.dispatcher.sent] == [sound.order_id]
    (told,) = [line for line in lines if line["log_level"] == "error"]
    assert told["order_id"] == str(broken.order_id)
    assert (told["stage"], told["request_id"]) == ("recovery", "req-1")


@pytest.mark.parametrize("stage", ["pending", "routing", "building", "submitted"])
def test_an_order_whose_message_waits_gets_no_second_one(world: World, stage: str) -> None:
    world.stop_at(stage)
    for _ in range(5):
        world.clock.advance(20.0)
        assert Recovery(world.engine).run_once() == 1
    assert len(world.dispatcher.sent) == 1


def test_a_message_of_an_earlier_version_is_no_reason_to_wait(world: World) -> None:
    order = world.accept()
    world.dispatcher.route(order.order_id, order.version, RoutingCause.ORDER)
    world.route(order.order_id)
    world.clock.advance(20.0)
    Recovery(world.engine).run_once()
    assert [sent.version for sent in world.dispatcher.sent] == [1, 2]


def test_an_order_that_a_worker_takes_meanwhile_gets_no_second_message(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = world.accept()
    left = world.accept()

    def look(wanted: Mapping[UUID, int]) -> set[UUID]:
        assert wanted.keys() == {taken.order_id, left.order_id}
        world.route(taken.order_id)
        return set()

    monkeypatch.setattr(world.dispatcher, "waiting", look)
    world.clock.advance(20.0)
    assert Recovery(world.engine).run_once() == 2
    assert [sent.order_id for sent in world.dispatcher.sent] == [left.order_id]


def test_the_oldest_order_goes_first(world: World) -> None:
    orders = []
    for _ in range(5):
        orders.append(world.accept().order_id)
        world.clock.advance(0.1)
    last = world.route(orders[0])  # now it is due last
    world.clock.advance(20.0)
    Recovery(world.engine).run_once()
    assert [sent.order_id for sent in world.dispatcher.sent] == orders
    assert world.dispatcher.sent[0].version == last.version


def test_a_look_through_long_queues_is_followed_by_a_rest(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.stop_at("pending")
    find = world.dispatcher.waiting

    def find_slowly(wanted: Mapping[UUID, int]) -> set[UUID]:
        world.clock.advance(2.0)
        return find(wanted)

    monkeypatch.setattr(world.dispatcher, "waiting", find_slowly)
    recovery = Recovery(world.engine, lambda: world.clock.seconds)
    world.clock.advance(20.0)
    assert recovery.run_once() == 1
    world.clock.advance(17.5)
    assert recovery.run_once() == 0
    world.clock.advance(1.0)
    assert recovery.run_once() == 1


def test_a_look_that_the_broker_broke_off_is_followed_by_no_rest(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.stop_at("pending")

    def wait_in_vain(_: Mapping[UUID, int]) -> set[UUID]:
        world.clock.advance(3.0)
        raise DispatchUnavailable("no answer in time")

    recovery = Recovery(world.engine, lambda: world.clock.seconds)
    world.clock.advance(20.0)
    with monkeypatch.context() as frozen:
        frozen.setattr(world.dispatcher, "waiting", wait_in_vain)
        with pytest.raises(DispatchUnavailable):
            recovery.run_once()
    world.clock.advance(15.0)
    assert recovery.run_once() == 1


def test_queues_that_are_too_long_are_not_looked_at_again_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.stop_at("pending")

    def give_up(_: Mapping[UUID, int]) -> set[UUID]:
        world.clock.advance(2.5)
        raise QueuesTooLong("too many messages")

    recovery = Recovery(world.engine, lambda: world.clock.seconds)
    world.clock.advance(20.0)
    with monkeypatch.context() as backlog:
        backlog.setattr(world.dispatcher, "waiting", give_up)
        with pytest.raises(QueuesTooLong):
            recovery.run_once()
    world.clock.advance(22.0)
    assert recovery.run_once() == 0
    world.clock.advance(1.0)
    assert recovery.run_once() == 1


@pytest.mark.parametrize("stage", ["pending", "routing", "building"])
def test_recovery_leaves_what_is_not_signed_alone_while_trading_is_halted(
    world: World, stage: str
) -> None:
    halts = FakeHalts(halted_at=START)
    engine = replace(world.engine, halts=halts)
    order, sent = world.stop_at(stage), world.stop_at("submitted")
    recovery = Recovery(engine, lambda: world.clock.seconds)
    for _ in range(12):
        world.clock.advance(20.0)
        recovery.run_once()
    assert {message.order_id for message in world.dispatcher.sent} == {sent.order_id}
    assert (world.order(order.order_id).status, world.order(order.order_id).recoveries) == (
        order.status,
        0,
    )
    halts.resume()
    world.clock.advance(20.0)
    recovery.run_once()
    assert order.order_id in {message.order_id for message in world.dispatcher.sent}


def test_nothing_is_signed_while_trading_is_halted(world: World) -> None:
    order = world.stop_at("building")
    engine = replace(world.engine, halts=FakeHalts(halted_at=START))
    built = Built(order.order_id, order.version, order.attempt)
    (result,) = submit_orders(engine, [built])
    assert isinstance(result, Superseded)
    assert world.order(order.order_id) == order
    assert world.network.executions == {}
