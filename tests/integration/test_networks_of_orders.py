"""Orders of another network or wallet are left alone, by the statements that move and claim."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from orderengine.domain.errors import FailureReason
from orderengine.domain.home import SIMULATED, Home
from orderengine.domain.instruments import Instruments
from orderengine.domain.moves import Fail, RoutingCause, StartRouting, Submit
from orderengine.domain.order import Order, OrderStatus
from orderengine.execution.operations.archive import OpenOrder
from orderengine.storage.archive import SqlArchive
from orderengine.storage.figures import FOREIGN_AFTER_S, SqlFigures
from orderengine.storage.orders import SqlOrders
from orderengine.storage.promises import SqlWallets
from tests.builders import TRANSACTION, a_build
from tests.conftest import a_new_order
from tests.integration.watchers import Watch

OURS, OTHER = "solana:ours", "solana:other"
HOME = Home(OURS, "wallet")
FAILURE = Fail(FailureReason.NO_QUOTE, "none")


def store(database: Engine, home: Home = HOME) -> SqlOrders:
    return SqlOrders(database, home=lambda: home)


def placed(database: Engine, on: str | None) -> Order:
    return SqlOrders(database).accept(replace(a_new_order(), placed_on=on)).order


def built(database: Engine, on: str | None) -> Order:
    order = placed(database, on)
    for move in (StartRouting(RoutingCause.ORDER), a_build(order.created_at)):
        moved = SqlOrders(database).move(order.order_id, order.version, move)
        assert moved is not None
        order = moved.order
    return order


def submitted(database: Engine, on: str | None, wallet: str | None = None) -> Order:
    order = built(database, on)
    network = None if on == SIMULATED else on
    signature = f"sig{order.order_id}"
    signed = replace(TRANSACTION, signature=signature, network=network, wallet=wallet, slot=1)
    moved = SqlOrders(database).move(order.order_id, order.version, Submit(signed))
    assert moved is not None
    return moved.order


def all_are_due(database: Engine, moved_s: float = 0) -> None:
    with database.connect() as connection:
        due = "UPDATE orders SET due_at = now() - interval '20 s', updated_at = updated_at - :by"
        connection.execute(text(due), {"by": timedelta(seconds=moved_s)})


def row(database: Engine, order_id: UUID) -> Any:
    with database.connect() as connection:
        found = text("SELECT * FROM orders WHERE id = :id")
        return connection.execute(found, {"id": order_id}).one()


@pytest.mark.parametrize("on", [SIMULATED, OTHER])
def test_an_order_of_another_network_is_neither_routed_nor_failed_nor_signed(
    database: Engine, on: str
) -> None:
    orders, order = store(database), placed(database, on)
    assert orders.claim_pending(order.order_id, order.version, 5) == []
    assert not orders.count_recovery(order.order_id, order.version), "or it would be given up"
    for move in (StartRouting(RoutingCause.ORDER), FAILURE):
        assert orders.move(order.order_id, order.version, move) is None
    ready = built(database, on)
    signed = replace(TRANSACTION, network=OURS, wallet="wallet")
    assert orders.move(ready.order_id, ready.version, Submit(signed)) is None
    assert row(database, ready.order_id).tx_hash is None


@pytest.mark.parametrize("on", [OURS, None])
def test_an_order_of_this_network_or_of_none_goes_on(database: Engine, on: str | None) -> None:
    orders, order = store(database), placed(database, on)
    assert len(orders.claim_pending(order.order_id, order.version, 0)) == 1
    ready = built(database, on)
    signed = replace(TRANSACTION, network=OURS, wallet="wallet", slot=1)
    assert orders.move(ready.order_id, ready.version, Submit(signed)) is not None
    assert row(database, ready.order_id).placed_on == OURS, "bound by what was signed"


def test_a_simulated_order_is_bound_when_it_is_signed(database: Engine) -> None:
    order = submitted(database, None)
    assert row(database, order.order_id).placed_on == SIMULATED


def test_no_claim_takes_an_order_of_another_network_along(database: Engine) -> None:
    other, ours = placed(database, OTHER), placed(database, OURS)
    first = placed(database, OURS)
    taken = store(database).claim_pending(first.order_id, first.version, 5)
    assert [each.order.order_id for each in taken] == [first.order_id, ours.order_id]
    assert row(database, other.order_id).status == "pending"


def test_recovery_claims_and_writes_only_what_it_can_continue(database: Engine) -> None:
    mine = {
        placed(database, OURS).order_id,
        built(database, None).order_id,
        submitted(database, OURS, "wallet").order_id,
    }
    others = [
        placed(database, SIMULATED),
        built(database, OTHER),
        submitted(database, OTHER, "wallet"),
        submitted(database, OURS, "another"),
        submitted(database, SIMULATED),
    ]
    all_are_due(database)
    claimed = store(database).claim_due(3)
    assert {each.order_id for each in claimed} == mine, "the others take nobody's place"
    assert store(database).claim_due(10) == []
    rows = [row(database, each.order_id) for each in others]
    assert {each.redispatched for each in rows} == {0}


def test_before_the_cluster_is_known_simulated_orders_are_left_alone(database: Engine) -> None:
    simulated, live = placed(database, SIMULATED), placed(database, OURS)
    all_are_due(database)
    claimed = store(database, Home("solana:", "wallet")).claim_due(10)
    assert [each.order_id for each in claimed] == [live.order_id]
    claimed = store(database, Home(SIMULATED, "")).claim_due(10)
    assert [each.order_id for each in claimed] == [simulated.order_id]


def test_a_command_of_an_operator_moves_any_order(database: Engine) -> None:
    order = placed(database, OTHER)
    assert SqlOrders(database).give_up(order.order_id, order.version, FAILURE)


@pytest.mark.parametrize(("on", "starts"), [(OURS, True), (None, True), (OTHER, False)])
def test_an_order_that_waits_starts_on_its_own_network(
    database: Engine, instruments: Instruments, on: str | None, starts: bool
) -> None:
    watch = Watch(database, instruments, home=HOME)
    watch.references.price = Decimal(230)
    order_id = watch.stop("240", placed_on=on)
    watch.tick()
    assert watch.started == ([order_id] if starts else [])
    expected = None if starts else FailureReason.NETWORK_CHANGED
    assert watch.order(order_id).held_because is expected
    assert watch.status(order_id) is (OrderStatus.PENDING if starts else OrderStatus.WAITING)


def test_unsigned_orders_of_another_network_are_counted_and_told(database: Engine) -> None:
    for on in (OURS, OTHER, OTHER, SIMULATED, None):
        placed(database, on)
    signed = submitted(database, OURS, "another")
    SqlWallets(database).claim(OURS, "wallet")
    all_are_due(database, FOREIGN_AFTER_S + 1)
    foreign = SqlFigures(database, 90, is_live=True).open_orders().foreign
    assert foreign == {(OTHER, ""): 2, (SIMULATED, ""): 1, (OURS, "another"): 1}
    told = SqlArchive(database).open_orders(10)
    reasons = {each.order_id: each.reason(90, foreign) for each in told}
    assert reasons[signed.order_id] == "foreign"
    assert sorted(str(each) for each in reasons.values()) == ["foreign"] * 4 + ["unclaimed"] * 2
    on_simulated = SqlFigures(database, 90).open_orders().foreign
    assert on_simulated == {(OURS, ""): 1, (OTHER, ""): 2, (OURS, "another"): 1}


def test_an_order_that_is_not_stuck_has_no_reason() -> None:
    order = OpenOrder(UUID(int=1), "pending", 1, 1, 1.0, 5.0, 0, 0, None, OURS)
    assert order.reason(90, {(OTHER, ""): 1}) is None
    assert order.reason(90, {(OURS, ""): 1}) == "foreign"
