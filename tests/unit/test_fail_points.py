"""A process dies at the given fail point and passage, and nowhere else."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from orderengine.bootstrap.web import build_web
from orderengine.config.settings import ArmedPoint, ConfigurationError, Settings
from orderengine.domain.fill import SignedTransaction
from orderengine.domain.instruments import Instruments
from orderengine.domain.moves import Build, RoutingCause, Submit
from orderengine.domain.order import Order
from orderengine.domain.terms import TimeInForce
from orderengine.execution.chain.engine import AttemptEnded, Engine
from orderengine.execution.chain.recovery import Recovery
from orderengine.execution.chain.swaps import handover_of
from orderengine.execution.intake.accept import accept_order
from orderengine.execution.intake.batch import accept_batch
from orderengine.execution.intake.starting import DirectStarter
from orderengine.execution.ports import PlannedMove, PreparedStart
from orderengine.execution.waiting.amend import amend_order
from orderengine.execution.waiting.cancel import cancel_all, cancel_order
from orderengine.execution.waiting.expiry import expire_due
from orderengine.faults.points import FailPoint, Trap
from orderengine.faults.ports import trapped_engine, trapped_intake
from orderengine.faults.stores import TrappedBatches, TrappedOrders
from tests.builders import A_TRIGGER, a_build, a_limit, a_sniper
from tests.conftest import a_new_order
from tests.fakes import START, FakeBatches
from tests.simulations import a_swap
from tests.singles import build_order, confirm_order, route_order, submit_order
from tests.world import World

URLS: Mapping[str, str] = {
    "DATABASE_URL": "postgresql://u:p@127.0.0.1:1/none_test",
    "REDIS_URL": "redis://127.0.0.1:1/0",
}


OF_ACCEPTING = [each for each in FailPoint if each.is_in_web and not each.is_of_waiting]
OF_CHANGES = [each for each in FailPoint if each.is_in_web and each.is_of_waiting]
OF_THE_CHAIN = [each for each in FailPoint if not (each.is_in_web or each.is_of_waiting)]


class Died(BaseException):
    """Stands in for the end of the process; no code of the engine catches it."""


def armed(point: FailPoint, passage: int = 1) -> Trap:
    def die() -> None:
        raise Died

    return Trap(ArmedPoint(point.value, passage), die)


@pytest.fixture
def world(instruments: Instruments) -> World:
    return World(instruments)


def live(world: World, engine: Engine) -> None:
    """Run an order's whole life: accepted, lost, recovered, reverted once, confirmed."""
    order_id = world.accept().order_id
    world.clock.advance(11)
    Recovery(engine).run_once()
    for version, ending in ((1, world.network.revert), (5, world.network.land)):
        cause = RoutingCause.ORDER if version == 1 else RoutingCause.RETRY
        routed = route_order(engine, order_id, version, cause)
        submitted = submit_order(engine, build_order(engine, routed))
        assert engine.network.typical_confirmation_s > 0
        ending(submitted.signature)
        try:
            confirm_order(engine, submitted)
        except AttemptEnded:
            continue


def live_waiting(world: World, engine: Engine) -> None:
    """Start two orders; one rests and expires, the other is to be canceled and dies. Then snipe."""
    soon = {"time_in_force": TimeInForce.GTD, "expires_at": START + timedelta(minutes=1)}
    orders = [world.orders.accept(a_limit(**terms)).order for terms in (soon, {})]
    triggered = engine.advance_all([PlannedMove(each.order_id, 1, A_TRIGGER) for each in orders])
    versions = {each.order_id: each.version for each in triggered if isinstance(each, Order)}
    engine.dispatcher.route_all(versions, RoutingCause.ORDER)
    for order in orders:
        routed = route_order(engine, order.order_id, 2, RoutingCause.ORDER)
        submitted = submit_order(engine, build_order(engine, routed))
        if order is orders[1]:
            cancel_order(world.orders, world.publisher, "local", order.order_id)
        world.network.revert(submitted.signature, slippage_exceeded=True)
        with pytest.raises(AttemptEnded):
            confirm_order(engine, submitted)
    world.clock.advance(61)
    assert expire_due(engine) == 1
    snipe(world, engine)


def snipe(world: World, engine: Engine) -> None:
    sniper = world.orders.accept(a_sniper()).order
    build = a_build(world.clock.now())
    (steps,) = engine.start_prepared([PreparedStart(sniper.order_id, 1, A_TRIGGER, build)])
    engine.dispatcher.submit_all([[handover_of(engine, steps[-1].order)]])


@pytest.mark.parametrize(
    "point", [each for each in FailPoint if each.is_of_waiting and not each.is_in_web]
)
def test_a_worker_comes_to_each_place_of_orders_that_wait(world: World, point: FailPoint) -> None:
    with pytest.raises(Died):
        live_waiting(world, trapped_engine(world.engine, armed(point)))


@pytest.mark.parametrize("point", OF_CHANGES)
@pytest.mark.parametrize("is_all", [False, True])
def test_a_web_process_comes_to_each_place_of_a_change(
    world: World, point: FailPoint, is_all: bool
) -> None:
    orders, publisher, _ = trapped_intake(
        world.orders, world.publisher, world.dispatcher, armed(point)
    )
    order = world.orders.accept(a_limit()).order

    def change() -> None:
        amend_order(orders, publisher, "local", order.order_id, 1, lambda found: found)
        if is_all:
            cancel_all(orders, publisher, "local")
        cancel_order(orders, publisher, "local", order.order_id)

    with pytest.raises(Died):
        change()
    before = {"amend": 1, "cancel": 2}[point.value.partition(".")[0]]
    is_committed = not point.value.endswith("before_commit")
    assert world.order(order.order_id).version == before + is_committed
    is_published = point.value.endswith("after_publish")
    assert len(world.publisher.published) == before - 1 + is_published


@pytest.mark.parametrize("point", OF_THE_CHAIN)
def test_a_worker_comes_to_each_of_its_places(world: World, point: FailPoint) -> None:
    with pytest.raises(Died):
        live(world, trapped_engine(world.engine, armed(point)))


@pytest.mark.parametrize("point", OF_ACCEPTING)
def test_a_web_process_comes_to_each_of_its_places(world: World, point: FailPoint) -> None:
    orders, publisher, dispatcher = trapped_intake(
        world.orders, world.publisher, world.dispatcher, armed(point)
    )
    with pytest.raises(Died):
        accept_order(orders, DirectStarter(publisher, dispatcher), a_new_order())
    assert len(world.orders) == (point is not FailPoint.ACCEPT_BEFORE_COMMIT)
    assert bool(world.publisher.published) == (
        point in {FailPoint.ACCEPT_AFTER_PUBLISH, FailPoint.ACCEPT_AFTER_DISPATCH}
    )
    assert bool(world.dispatcher.sent) == (point is FailPoint.ACCEPT_AFTER_DISPATCH)


@pytest.mark.parametrize("point", OF_ACCEPTING)
def test_a_batch_comes_to_each_of_these_places(world: World, point: FailPoint) -> None:
    trap = armed(point)
    _, publisher, dispatcher = trapped_intake(world.orders, world.publisher, world.dispatcher, trap)
    batches = TrappedBatches(FakeBatches(world.orders), trap)
    orders = [a_new_order(), a_new_order()]
    with pytest.raises(Died):
        accept_batch(batches, DirectStarter(publisher, dispatcher), orders)
    assert len(world.orders) == (0 if point is FailPoint.ACCEPT_BEFORE_COMMIT else 2)
    assert len(world.dispatcher.sent) == (2 if point is FailPoint.ACCEPT_AFTER_DISPATCH else 0)


def test_bytes_are_committed_before_they_are_sent(world: World) -> None:
    order = world.accept()
    engine = trapped_engine(world.engine, armed(FailPoint.SUBMIT_BEFORE_SEND))
    built = build_order(engine, route_order(engine, order.order_id, 1, RoutingCause.ORDER))
    with pytest.raises(Died):
        submit_order(engine, built)
    assert world.order(order.order_id).transaction is not None
    assert world.network.sends == []


def test_it_strikes_once_at_the_passage_it_was_told(world: World) -> None:
    orders = TrappedOrders(world.orders, armed(FailPoint.ACCEPT_BEFORE_COMMIT, passage=3))
    died = []
    for number in range(1, 6):
        try:
            orders.accept(a_new_order())
        except Died:
            died.append(number)
    assert died == [3]


def test_what_has_no_place_passes_untouched(world: World) -> None:
    engine = trapped_engine(world.engine, armed(FailPoint.RECOVER_AFTER_CLAIM, passage=100))
    order = world.accept()
    assert engine.orders.get(order.order_id) == order
    assert engine.orders.get(uuid4()) is None
    engine.dispatcher.ping()


def test_a_place_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"FAIL_POINT .*submit\.before_send"):
        Trap(ArmedPoint("nowhere", 1))


def test_ports_are_bare_unless_a_place_is_named() -> None:
    urls = {**URLS, "AUTH": "off"}
    settings = Settings.from_env(urls)
    assert settings.fail_point is None
    assert not isinstance(build_web(settings).orders, TrappedOrders)
    assert not isinstance(build_web(settings).batches, TrappedBatches)
    point = ArmedPoint(FailPoint.ACCEPT_AFTER_COMMIT.value, 2)
    armed_settings = Settings.from_env({**urls, "FAIL_POINT": "accept.after_commit:2"})
    assert armed_settings == replace(settings, fail_point=point)
    assert isinstance(build_web(armed_settings).orders, TrappedOrders)
    assert isinstance(build_web(armed_settings).batches, TrappedBatches)


@pytest.mark.parametrize("passage", [1, 2, 3])
@pytest.mark.parametrize(
    ("point", "is_committed"),
    [(FailPoint.BUILD_BEFORE_COMMIT, False), (FailPoint.BUILD_AFTER_COMMIT, True)],
)
def test_a_group_passes_a_place_once_for_each_order(
    world: World, point: FailPoint, is_committed: bool, passage: int
) -> None:
    engine = trapped_engine(world.engine, armed(point, passage + 2))
    assert all(engine.orders.move_all(builds(world, 2)))
    planned = builds(world, 3)
    with pytest.raises(Died):
        engine.orders.move_all(planned)
    assert {world.order(each.order_id).version for each in planned} == {3 if is_committed else 2}


def builds(world: World, count: int) -> list[PlannedMove]:
    """The next move of some routed orders."""
    routed = [world.route(world.accept().order_id) for _ in range(count)]
    return [
        PlannedMove(
            each.order_id, each.version, Build(route=each.route, limit_amount=each.limit_amount)
        )
        for each in routed
    ]


def test_a_claim_passes_the_places_of_the_first_stage(world: World) -> None:
    orders = [world.accept() for _ in range(3)]
    engine = trapped_engine(world.engine, armed(FailPoint.ROUTE_AFTER_COMMIT, passage=3))
    with pytest.raises(Died):
        engine.orders.claim_pending(orders[2].order_id, 1, others=5)
    assert {world.order(each.order_id).version for each in orders} == {2}
    before = trapped_engine(world.engine, armed(FailPoint.ROUTE_BEFORE_COMMIT))
    left = world.accept()
    with pytest.raises(Died):
        before.orders.claim_pending(left.order_id, 1, others=5)
    assert world.order(left.order_id) == left


@pytest.mark.parametrize(
    ("point", "sent"),
    [
        (FailPoint.SUBMIT_BEFORE_SIGNING, 0),
        (FailPoint.SUBMIT_BEFORE_SEND, 0),
        (FailPoint.SUBMIT_BEFORE_HANDOVER, 2),
    ],
)
def test_a_group_passes_the_places_around_its_signatures(
    world: World, point: FailPoint, sent: int
) -> None:
    engine = trapped_engine(world.engine, armed(point, passage=2))
    with pytest.raises(Died):
        sign_and_send(engine, world, count=2)
    assert len(world.network.sends) == sent


def sign_and_send(engine: Engine, world: World, count: int) -> None:
    """The last stage before the confirmation, without its checks."""
    built = [world.stop_at("building") for _ in range(count)]
    signed = engine.network.sign_all([a_swap(order.order_id) for order in built])
    transactions = [each for each in signed if isinstance(each, SignedTransaction)]
    planned = [
        PlannedMove(order.order_id, order.version, Submit(transaction))
        for order, transaction in zip(built, transactions, strict=True)
    ]
    engine.publisher.publish_all([each for each in engine.orders.move_all(planned) if each])
    assert engine.network.send_all(transactions) == [None] * count
