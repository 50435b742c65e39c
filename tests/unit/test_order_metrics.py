"""The measurements of orders; a lost store costs figures only."""

from decimal import Decimal

import pytest

from orderengine.domain.errors import StorageUnavailable
from orderengine.domain.instruments import Instruments
from orderengine.domain.order import OrderStatus
from orderengine.execution.operations.counters import (
    MOST_ENDED,
    CounterName,
    ProcessMetrics,
    Sample,
)
from orderengine.execution.operations.order_metrics import (
    BEYOND,
    BPS,
    SECONDS,
    SUM,
    bucket,
    record_ended,
)
from tests.fakes import unavailable
from tests.singles import confirm_order
from tests.world import World


@pytest.fixture
def world(instruments: Instruments) -> World:
    return World(instruments)


def counted(world: World, counter: CounterName) -> dict[str, int]:
    counts = world.metrics.counts()
    return {sample.label: n for sample, n in counts.items() if sample.counter is counter}


def confirmed(world: World) -> None:
    """An order with 2 s in the queue, 0.2 s of routing and 2.5 s at the network."""
    order = world.accept()
    world.clock.advance(2)
    routed = world.route(order.order_id)
    world.clock.advance(0.2)
    submitted = world.run_to_submitted_from(routed)
    world.clock.advance(2.5)
    world.network.land(submitted.signature)
    confirm_order(world.engine, submitted)
    assert world.order(order.order_id).status is OrderStatus.CONFIRMED


def test_the_time_in_each_status_is_measured_from_the_events(world: World) -> None:
    confirmed(world)
    record_ended(world.metrics, world.orders)
    times = counted(world, CounterName.STAGE_TIME)
    assert {name: n for name, n in times.items() if SUM not in name} == {
        "pending:2.5": 1,
        "routing:0.25": 1,
        "building:0.01": 1,
        "submitted:2.5": 1,
    }
    assert (times["routing:sumMs"], times["submitted:sumMs"]) == (200, 2500)
    assert counted(world, CounterName.ORDER_TIME) == {"confirmed:5": 1, "confirmed:sumMs": 4700}
    record_ended(world.metrics, world.orders)
    assert counted(world, CounterName.ORDER_TIME)["confirmed:5"] == 1, "it is measured once"


def test_attempts_slippage_and_the_venues_quotes_are_counted(world: World) -> None:
    confirmed(world)
    assert counted(world, CounterName.ATTEMPTS) == {"1": 1}
    assert sum(counted(world, CounterName.SLIPPAGE).values()) == 1
    quotes = counted(world, CounterName.QUOTES)
    assert sorted(name.partition(":")[2] for name in quotes) == ["lost", "won"]


def test_a_venue_without_an_answer_is_counted_as_missing(world: World) -> None:
    world.board.answers["meteora"] = unavailable()
    confirmed(world)
    assert counted(world, CounterName.QUOTES) == {"raydium:won": 1, "meteora:missing": 1}


def test_orders_that_could_not_be_read_stay_unmeasured(world: World) -> None:
    confirmed(world)
    world.orders.down = True
    with pytest.raises(StorageUnavailable):
        record_ended(world.metrics, world.orders)
    world.orders.down = False
    record_ended(world.metrics, world.orders)
    assert counted(world, CounterName.ORDER_TIME) == {}


def test_what_waits_to_be_measured_is_bounded(world: World) -> None:
    metrics = ProcessMetrics()
    for _ in range(MOST_ENDED + 5):
        metrics.ended(world.accept().order_id)
    assert len(metrics.take_ended()) == MOST_ENDED
    assert metrics.take_ended() == []


@pytest.mark.parametrize(
    ("value", "bounds", "expected"),
    [
        ("0.01", SECONDS, "0.01"),
        ("0.0101", SECONDS, "0.025"),
        ("301", SECONDS, BEYOND),
        ("-500", BPS, "-100"),
        ("0", BPS, "0"),
        ("500.0001", BPS, BEYOND),
    ],
)
def test_a_value_falls_into_the_first_bucket_that_holds_it(
    value: str, bounds: tuple[str, ...], expected: str
) -> None:
    assert bucket(Decimal(value), bounds) == expected


def test_a_count_may_be_of_many() -> None:
    metrics = ProcessMetrics()
    metrics.count(CounterName.STAGE_TIME, "x", 5)
    metrics.count(CounterName.STAGE_TIME, "x")
    assert metrics.counts() == {Sample(CounterName.STAGE_TIME, "x"): 6}
