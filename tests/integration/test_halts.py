"""The kill switch: nothing is triggered or submitted, everything else goes on."""

import json

import pytest
from sqlalchemy import Engine

from orderengine.cli.common import Surroundings
from orderengine.domain.moves import RoutingCause, StartRouting, Submit
from orderengine.domain.order import OrderStatus
from orderengine.execution.chain.engine import MAX_RECOVERIES
from orderengine.storage.halts import SqlHalts
from orderengine.storage.orders import SqlOrders
from tests.builders import TRANSACTION, a_build
from tests.cli_desk import call
from tests.conftest import a_new_order
from tests.integration.operators import surroundings_of

SUBMIT = Submit(TRANSACTION)


@pytest.fixture
def halts(database: Engine) -> SqlHalts:
    return SqlHalts(database)


@pytest.fixture
def orders(database: Engine) -> SqlOrders:
    return SqlOrders(database)


def test_it_is_told_since_when_it_is_halted(halts: SqlHalts) -> None:
    assert (halts.since(), halts.resume()) == (None, False)
    since = halts.halt()
    assert halts.halt() == halts.since() == since
    assert (halts.resume(), halts.since()) == (True, None)


def test_a_process_reads_the_switch_once_a_second(database: Engine) -> None:
    now = [0.0]
    halts = SqlHalts(database, lambda: now[0])
    assert not halts.is_halted()
    SqlHalts(database).halt()
    now[0] = 0.9
    assert not halts.is_halted()
    now[0] = 1.1
    assert halts.is_halted()


def test_no_attempt_is_stored_as_signed_while_it_is_halted(
    halts: SqlHalts, orders: SqlOrders
) -> None:
    order = orders.accept(a_new_order()).order
    orders.move(order.order_id, 1, StartRouting(RoutingCause.ORDER))
    orders.move(order.order_id, 2, a_build(order.created_at))
    halts.halt()
    assert orders.move(order.order_id, 3, SUBMIT) is None
    found = orders.get(order.order_id)
    assert found is not None
    assert (found.status, found.transaction) == (OrderStatus.BUILDING, None)
    halts.resume()
    assert orders.move(order.order_id, 3, SUBMIT) is not None


def test_what_is_canceled_ends_while_it_is_halted(halts: SqlHalts, orders: SqlOrders) -> None:
    order = orders.accept(a_new_order()).order
    halts.halt()
    moved = orders.cancel("local", order.order_id)
    assert moved is not None
    assert moved.order.status is OrderStatus.CANCELED


def test_the_commands_turn_it_on_and_off(
    database: Engine, database_url: str, redis_url: str, halts: SqlHalts
) -> None:
    around: Surroundings = surroundings_of(database, database_url, redis_url)
    told = call("halt", around=around)
    assert (told.exit_code, "nothing is signed" in told.stdout) == (0, True)
    assert halts.since() is not None
    again = json.loads(call("halt", "--json", around=around).stdout)
    assert again["halted"] is True
    assert json.loads(call("resume", "--json", around=around).stdout) == {
        "halted": False,
        "wasHalted": True,
    }
    assert "nothing was halted" in call("resume", around=around).stdout
    assert halts.since() is None


def test_an_order_that_meets_many_quick_halts_is_not_given_up(
    halts: SqlHalts, orders: SqlOrders
) -> None:
    """Recovery takes it up after each one, which counts as a recovery until the next resume."""
    order = orders.accept(a_new_order()).order
    cause = RoutingCause.ORDER
    for _ in range(2 * MAX_RECOVERIES):
        for move in (StartRouting(cause), a_build(order.created_at)):
            moved = orders.move(order.order_id, order.version, move)
            assert moved is not None
            order = moved.order
        assert order.recoveries <= 1
        halts.halt()
        assert orders.move(order.order_id, order.version, SUBMIT) is None
        assert halts.resume()
        cause = RoutingCause.RECOVERY
    assert [event.status for event in orders.events(order.order_id)][-1] is OrderStatus.BUILDING


def test_without_a_halt_a_resume_forgets_no_recovery(halts: SqlHalts, orders: SqlOrders) -> None:
    """Otherwise an order that crashes its workers would be given up never."""
    order = orders.accept(a_new_order()).order
    orders.move(order.order_id, 1, StartRouting(RoutingCause.ORDER))
    orders.move(order.order_id, 2, StartRouting(RoutingCause.RECOVERY))
    assert not halts.resume()
    found = orders.get(order.order_id)
    assert found is not None
    assert found.recoveries == 1
