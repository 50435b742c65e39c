"""What orders take of their clients' days: the same in memory and on PostgreSQL."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from orderengine.domain.daily import DailyCharge
from orderengine.domain.errors import ClientOrderIdTaken, DailyLimitReached
from orderengine.domain.moves import (
    EndCanceled,
    EndExpired,
    Move,
    RoutingCause,
    StartRouting,
    Submit,
)
from orderengine.domain.order import NewOrder, Order
from orderengine.domain.terms import TimeInForce
from orderengine.execution.intake.daily import Days
from orderengine.execution.ports import PlannedMove
from orderengine.storage.daily import SqlDays
from tests.builders import (
    A_FAIL,
    A_REST,
    A_TRIGGER,
    NOT_FILLED,
    TRANSACTION,
    a_build,
    a_confirm,
    a_failed_attempt,
    a_limit,
)
from tests.conftest import a_new_order
from tests.contract.conftest import Store
from tests.fakes import FakeOrders

MOST = 100
START = StartRouting(RoutingCause.ORDER)


@pytest.fixture
def days(store: Store, request: pytest.FixtureRequest) -> Days:
    if isinstance(store.orders, FakeOrders):
        return store.orders.days
    return SqlDays(request.getfixturevalue("database"))


def of(usdc: str) -> DailyCharge:
    return DailyCharge(Decimal(usdc), MOST)


def an_order(usdc: str = "60", client_id: str = "local", **changed: object) -> NewOrder:
    order: NewOrder = replace(a_new_order(), client_id=client_id, daily=of(usdc))
    return replace(order, **changed)  # type: ignore[arg-type]


def taken(days: Days, client_id: str = "local") -> Decimal:
    return days.charged([client_id, "somebody"]).get(client_id, Decimal(0))


def test_orders_take_of_their_clients_day_up_to_the_limit(store: Store, days: Days) -> None:
    assert days.charged(["local"]) == {}
    store.orders.accept(an_order("60"))
    store.orders.accept(an_order("39.999999"))
    with pytest.raises(DailyLimitReached):
        store.orders.accept(an_order("0.000002"))
    store.orders.accept(an_order("0.000001"))
    assert taken(days) == MOST
    store.orders.accept(an_order("100", "bob"))
    assert [taken(days), taken(days, "bob")] == [100, 100]
    with pytest.raises(DailyLimitReached):
        store.orders.accept(an_order("100.000001", "carol"))
    assert taken(days, "carol") == 0


def test_an_order_beyond_the_limit_leaves_nothing_behind(store: Store, days: Days) -> None:
    store.orders.accept(an_order())
    wanted = an_order(client_order_id="mine")
    with pytest.raises(DailyLimitReached):
        store.orders.accept(wanted)
    with pytest.raises(DailyLimitReached):
        store.orders.accept_once(wanted, "key")
    assert store.orders.get(wanted.order_id) is None
    assert store.orders.events(wanted.order_id) == []
    assert store.orders.named("local", "mine") is None
    assert store.orders.accepted_before("local", "key") is None
    assert store.orders.accept_once(replace(wanted, daily=of("40")), "key") is not None


def test_a_name_or_a_key_that_is_taken_takes_nothing(store: Store, days: Days) -> None:
    store.orders.accept_once(an_order("30", client_order_id="mine"), "key")
    with pytest.raises(ClientOrderIdTaken):
        store.orders.accept(an_order("30", client_order_id="mine"))
    assert store.orders.accept_once(an_order("90"), "key") is None, "however little is left"
    assert taken(days) == 30


def at(store: Store, *more: Move) -> Order:
    """An order that took 60 of its day, after these moves."""
    return store.walk(*more, new=an_order())


SIGNED = Submit(TRANSACTION)


@pytest.mark.parametrize("end", [A_FAIL, NOT_FILLED])
def test_an_end_without_a_fill_gives_it_back(store: Store, days: Days, end: Move) -> None:
    at(store, START, end)
    assert taken(days) == 0


def test_an_end_after_the_network_has_told_gives_it_back(store: Store, days: Days) -> None:
    order = at(store, START, a_build(store.now()), SIGNED)
    store.orders.cancel("local", order.order_id)
    assert taken(days) == 60, "a request to cancel decides nothing"
    told = PlannedMove(order.order_id, 0, EndCanceled("dead"), TRANSACTION.signature)
    assert store.orders.move_all([told]) != [None]
    assert taken(days) == 0


def test_a_submitted_order_that_expires_gives_it_back(store: Store, days: Days) -> None:
    new = an_order(
        time_in_force=TimeInForce.GTD, expires_at=store.now().replace(year=store.now().year + 1)
    )
    order = store.walk(START, a_build(store.now(), valid_s=1e8), SIGNED, new=new)
    store.pass_time(2 * 366 * 86_400)
    told = PlannedMove(order.order_id, 0, EndExpired("dead"), TRANSACTION.signature)
    assert store.orders.move_all([told]) != [None]
    assert sum(days.charged(["local"]).values()) == 0


def test_a_fill_keeps_it_and_so_does_every_attempt(store: Store, days: Days) -> None:
    at(store, START, a_build(store.now()), SIGNED, a_confirm(store.now()))
    assert taken(days) == 60
    store.walk(START, a_failed_attempt(), new=an_order("40"))
    assert taken(days) == MOST


def test_canceled_and_expired_orders_give_it_back(store: Store, days: Days) -> None:
    ids = [store.orders.accept(an_order("20")).order.order_id for _ in range(3)]
    assert store.orders.cancel("local", ids[0]) is not None
    assert taken(days) == 40
    assert store.orders.cancel("local", ids[0]) is None
    assert taken(days) == 40, "only once"
    store.orders.cancel_all("local", None, UUID(int=0), 10)
    assert taken(days) == 0
    soon = store.now().replace(year=store.now().year + 1)
    new = an_order("20", time_in_force=TimeInForce.GTD, expires_at=soon)
    store.orders.accept(new)
    assert taken(days) == 20
    store.pass_time(2 * 366 * 86_400)
    assert [each.order.order_id for each in store.orders.expire_due(10)] == [new.order_id]
    assert sum(days.charged(["local"]).values()) == 0


def waiting(store: Store, client_id: str = "local") -> Order:
    return store.orders.accept(replace(a_limit(), order_id=uuid4(), client_id=client_id)).order


def triggers(orders: Sequence[Order], usdc: str) -> list[PlannedMove]:
    move = replace(A_TRIGGER, daily=of(usdc))
    return [PlannedMove(each.order_id, each.version, move) for each in orders]


def test_an_order_that_waits_is_charged_when_it_starts(store: Store, days: Days) -> None:
    orders = [waiting(store), waiting(store), waiting(store, "bob")]
    assert taken(days) == 0
    assert None not in store.orders.move_all(triggers(orders, "50"))
    assert [taken(days), taken(days, "bob")] == [100, 50]
    another = waiting(store)
    with pytest.raises(DailyLimitReached):
        store.orders.move_all(triggers([another], "50"))
    assert store.orders.get(another.order_id) == another


def test_an_order_that_rests_gives_it_back_and_takes_it_again(store: Store, days: Days) -> None:
    order = waiting(store)
    for _ in range(2):
        (started,) = store.orders.move_all(triggers([order], "50"))
        assert started is not None
        assert taken(days) == 50
        for move in (START, A_REST):
            moved = store.orders.move(order.order_id, started.order.version, move)
            assert moved is not None
            started = moved
        order = started.order
        assert taken(days) == 0
    assert store.orders.cancel("local", order.order_id) is not None
    assert taken(days) == 0


def test_a_start_that_does_not_happen_takes_nothing(store: Store, days: Days) -> None:
    order = waiting(store)
    (planned,) = triggers([order], "50")
    assert store.orders.move_all([replace(planned, version=7)]) == [None]
    assert taken(days) == 0
