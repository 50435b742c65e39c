"""An order that is open while a release changes the decimals of its token."""

from dataclasses import replace

from orderengine.domain.instruments import Instruments
from orderengine.execution.chain.confirm import PollResult
from tests.singles import confirm_order
from tests.world import World


def test_an_order_routed_before_its_decimals_changed_ends_as_it_was_routed(
    instruments: Instruments,
) -> None:
    world = World(instruments)
    order = world.accept()
    routed = world.route(order.order_id)
    changed = Instruments([replace(instruments.get("AAPL"), decimals=8, former_decimals=6)])
    world.engine = replace(world.engine, instruments=changed)
    submitted = world.run_to_submitted_from(routed)
    transaction = world.order(order.order_id).transaction
    assert transaction is not None
    assert b'"baseAmount":"10000000"' in transaction.payload
    world.network.land(submitted.signature)
    assert confirm_order(world.engine, submitted) is PollResult.CONFIRMED
    fill = world.order(order.order_id).fill
    assert fill is not None
    assert 200 < fill.executed_price < 260
