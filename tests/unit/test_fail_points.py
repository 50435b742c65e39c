"""A process dies at the given fail point and passage, and nowhere else."""

from collections.abc import Mapping
from dataclasses import replace
from uuid import uuid4

import pytest

from orderengine.bootstrap.web import build_web
from orderengine.config.settings import ArmedPoint, ConfigurationError, Settings
from orderengine.domain.instruments import Instruments
from orderengine.domain.moves import RoutingCause
from orderengine.execution.chain import stages
from orderengine.execution.chain.engine import AttemptEnded, Engine
from orderengine.execution.chain.recovery import Recovery
from orderengine.execution.intake.accept import accept_order
from orderengine.faults.points import FailPoint, Trap
from orderengine.faults.ports import TrappedOrders, trapped_engine, trapped_intake
from tests.conftest import a_new_order
from tests.world import World

URLS: Mapping[str, str] = {
    "DATABASE_URL": "postgresql://u:p@127.0.0.1:1/none_test",
    "REDIS_URL": "redis://127.0.0.1:1/0",
}


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
        routed = stages.route_order(engine, order_id, version, cause)
        submitted = stages.submit_order(engine, stages.build_order(engine, routed))
        assert engine.network.typical_confirmation_s > 0
        ending(submitted.signature)
        try:
            stages.confirm_order(engine, submitted)
        except AttemptEnded:
            continue


@pytest.mark.parametrize("point", [each for each in FailPoint if not each.is_in_web])
def test_a_worker_comes_to_each_of_its_places(world: World, point: FailPoint) -> None:
    with pytest.raises(Died):
        live(world, trapped_engine(world.engine, armed(point)))


@pytest.mark.parametrize("point", [each for each in FailPoint if each.is_in_web])
def test_a_web_process_comes_to_each_of_its_places(world: World, point: FailPoint) -> None:
    ports = trapped_intake(world.orders, world.publisher, world.dispatcher, armed(point))
    with pytest.raises(Died):
        accept_order(*ports, a_new_order())
    assert len(world.orders) == (point is not FailPoint.ACCEPT_BEFORE_COMMIT)
    assert bool(world.publisher.published) == (
        point in {FailPoint.ACCEPT_AFTER_PUBLISH, FailPoint.ACCEPT_AFTER_DISPATCH}
    )
    assert bool(world.dispatcher.sent) == (point is FailPoint.ACCEPT_AFTER_DISPATCH)


def test_bytes_are_committed_before_they_are_sent(world: World) -> None:
    order = world.accept()
    engine = trapped_engine(world.engine, armed(FailPoint.SUBMIT_BEFORE_SEND))
    built = stages.build_order(
        engine, stages.route_order(engine, order.order_id, 1, RoutingCause.ORDER)
    )
    with pytest.raises(Died):
        stages.submit_order(engine, built)
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
    point = ArmedPoint(FailPoint.ACCEPT_AFTER_COMMIT.value, 2)
    armed_settings = Settings.from_env({**urls, "FAIL_POINT": "accept.after_commit:2"})
    assert armed_settings == replace(settings, fail_point=point)
    assert isinstance(build_web(armed_settings).orders, TrappedOrders)
