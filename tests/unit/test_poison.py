"""Poison orders: one that kills a worker or raises each time fails, one that waits does not."""

from collections.abc import Sequence
from uuid import UUID

import pytest

from orderengine.domain.errors import FailureReason
from orderengine.domain.instruments import Instruments
from orderengine.domain.moves import Build, Fail, Move, StartRouting, Submit
from orderengine.domain.order import Order, OrderStatus
from orderengine.execution.chain.engine import MAX_RECOVERIES, ChainEnds
from orderengine.execution.chain.recovery import Recovery
from orderengine.execution.operations.counters import CounterName, Sample
from orderengine.execution.ports import PlannedMove
from tests.fakes import Dispatched
from tests.singles import build_order, confirm_order, route_order, submit_order
from tests.world import World


class Killed(BaseException):
    """The worker dies at this point."""


@pytest.fixture
def world(instruments: Instruments) -> World:
    return World(instruments)


def run(world: World, message: Dispatched) -> None:
    """Process a message like a worker, and ignore its errors."""
    try:
        if message.submitted is not None:
            confirm_order(world.engine, message.submitted)
            return
        assert message.cause is not None
        target = (message.order_id, message.version)
        routed = route_order(world.engine, *target, message.cause, again=message.again)
        submit_order(world.engine, build_order(world.engine, routed))
    except (ChainEnds, Killed, RuntimeError):
        pass


def recover(world: World, *, times: int, running: bool = True) -> None:
    """Let time pass and run recovery; its messages are processed, or stay in the queue."""
    for _ in range(times):
        world.clock.advance(20.0)
        Recovery(world.engine).run_once()
        while running and world.dispatcher.sent:
            run(world, world.dispatcher.sent.pop(0))


def poison(world: World, monkeypatch: pytest.MonkeyPatch, kind: type[Move], how: type) -> None:
    """Make every worker raise `how` when it is about to make a move of this kind."""
    move_all = world.orders.move_all

    def poisoned(planned: Sequence[PlannedMove]) -> object:
        if any(isinstance(each.move, kind) for each in planned):
            raise how
        return move_all(planned)

    monkeypatch.setattr(world.orders, "move_all", poisoned)


def assert_given_up(world: World, order: Order) -> None:
    after = world.order(order.order_id)
    assert after.status is OrderStatus.FAILED
    assert after.failure is not None
    assert after.failure.reason is FailureReason.ENGINE_ERROR
    assert [event.status.is_terminal for event in world.events(order)].count(True) == 1
    assert not world.network.sends


@pytest.mark.parametrize("how", [Killed, RuntimeError])
@pytest.mark.parametrize("kind", [StartRouting, Build, Submit])
def test_an_order_that_stops_its_worker_at_a_step_is_given_up_after_ten_recoveries(
    world: World, monkeypatch: pytest.MonkeyPatch, kind: type[Move], how: type
) -> None:
    order = world.accept()
    poison(world, monkeypatch, kind, how)
    recover(world, times=MAX_RECOVERIES)
    assert not world.order(order.order_id).status.is_terminal
    recover(world, times=2)
    assert_given_up(world, order)


@pytest.mark.parametrize("place", ["board", "network"])
def test_an_order_that_makes_a_port_raise_is_given_up(
    world: World, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a defect")

    method = {"board": "collect_all", "network": "sign_all"}[place]
    monkeypatch.setattr(getattr(world, place), method, fail)
    order = world.accept()
    recover(world, times=MAX_RECOVERIES + 2)
    assert_given_up(world, order)


def test_an_order_of_a_later_attempt_is_given_up_too(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted = world.submit()
    world.network.revert(submitted.signature)
    with pytest.raises(ChainEnds):
        confirm_order(world.engine, submitted)
    world.network.sends.clear()
    world.dispatcher.sent.clear()
    poison(world, monkeypatch, StartRouting, Killed)
    recover(world, times=MAX_RECOVERIES + 2)
    order = world.order(submitted.order_id)
    assert order.attempt == 2
    assert_given_up(world, order)


def test_an_order_that_only_waits_for_its_turn_is_never_given_up(world: World) -> None:
    order = world.accept()
    recover(world, times=200, running=False)
    assert world.order(order.order_id) == order
    queue = world.dispatcher.sent
    assert len(queue) == 1, "a message that waits is enough"
    for message in queue[:]:
        run(world, message)
    after = world.order(order.order_id)
    assert (after.status, after.recoveries) == (OrderStatus.SUBMITTED, 1)
    assert world.network.sends == [after.transaction.signature if after.transaction else None]


def test_an_order_whose_messages_are_lost_is_never_given_up(world: World) -> None:
    order = world.accept()
    for _ in range(50):
        recover(world, times=1, running=False)
        world.dispatcher.sent.clear()
    assert world.order(order.order_id).recoveries == 0
    recover(world, times=1)
    assert world.order(order.order_id).status is OrderStatus.SUBMITTED


@pytest.mark.parametrize("how", [Killed, RuntimeError])
def test_a_submitted_order_is_never_given_up(
    world: World, monkeypatch: pytest.MonkeyPatch, how: type
) -> None:
    submitted = world.submit()

    def fail(_: Sequence[str]) -> None:
        raise how

    with monkeypatch.context() as poisoned:
        poisoned.setattr(world.network, "look_up_all", fail)
        recover(world, times=50)
    assert world.order(submitted.order_id).status is OrderStatus.SUBMITTED
    world.network.land(submitted.signature)
    recover(world, times=1)
    assert world.order(submitted.order_id).status is OrderStatus.CONFIRMED
    assert world.network.executions == {submitted.order_id: 1}


@pytest.mark.parametrize("stage", ["pending", "routing", "building"])
def test_a_row_that_stays_unreadable_is_given_up(
    world: World, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    order = world.stop_at(stage)
    world.orders.unreadable.add(order.order_id)
    move_all = world.orders.move_all

    def unread(planned: Sequence[PlannedMove]) -> None:
        move_all(planned)
        raise RuntimeError("the row that came back can not be read")

    def give_up(order_id: UUID, version: int, failure: Fail) -> bool:
        return move_all([PlannedMove(order_id, version, failure)]) != [None]

    monkeypatch.setattr(world.orders, "move_all", unread)
    monkeypatch.setattr(world.orders, "give_up", give_up)
    recover(world, times=MAX_RECOVERIES + 2)
    assert_given_up(world, order)


def test_a_row_that_reads_again_goes_on(world: World) -> None:
    order = world.stop_at("building")
    world.orders.unreadable.add(order.order_id)
    recover(world, times=1)
    assert world.order(order.order_id).status is OrderStatus.SUBMITTED


def test_an_unreadable_submitted_row_is_left_alone(world: World) -> None:
    submitted = world.submit()
    world.orders.unreadable.add(submitted.order_id)
    recover(world, times=50)
    assert world.order(submitted.order_id).status is OrderStatus.SUBMITTED
    assert world.network.sends == [submitted.signature]


def test_redispatches_are_counted_by_status(world: World) -> None:
    world.accept()
    world.submit()
    recover(world, times=1, running=False)
    counts = world.metrics.counts()
    assert {key: n for key, n in counts.items() if key.counter is CounterName.REDISPATCHES} == {
        Sample(CounterName.REDISPATCHES, "pending"): 1,
        Sample(CounterName.REDISPATCHES, "submitted"): 1,
    }
