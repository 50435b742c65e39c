"""The contract of every implementation of `Orders` about idempotency keys."""

import hashlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal

import pytest
from sqlalchemy import Engine, text

from orderengine.domain.errors import ClientOrderIdTaken, IdempotencyKeyReused
from orderengine.domain.idempotency import AcceptedBefore, fingerprint
from orderengine.domain.order import NewOrder
from orderengine.domain.side import Side
from orderengine.domain.terms import TriggerOn
from orderengine.execution.intake.accept import Accepted, accept_order_once
from orderengine.execution.intake.starting import DirectStarter
from orderengine.execution.ports import Orders
from orderengine.execution.queries.lists import OrderFilter
from orderengine.storage.orders import SqlOrders
from tests.conftest import a_new_order
from tests.fakes import FakeClock, FakeDispatcher, FakeOrders, FakePublisher

DAY_S = 86_400.0


class Intake:
    """An implementation, through which a test accepts orders and lets time pass."""

    def __init__(self, orders: Orders, pass_time: Callable[[float], None]) -> None:
        self.orders = orders
        self.pass_time = pass_time
        self.publisher = FakePublisher()
        self.dispatcher = FakeDispatcher()
        self.starter = DirectStarter(self.publisher, self.dispatcher)

    def accept(self, order: NewOrder, key: str = "k-1") -> Accepted:
        return accept_order_once(self.orders, self.starter, order, key)

    @property
    def stored(self) -> int:
        return len(self.orders.page(OrderFilter("local", 100)))


@pytest.fixture(params=["fake", "postgresql"])
def intake(request: pytest.FixtureRequest) -> Intake:
    if request.param == "fake":
        clock = FakeClock()
        return Intake(FakeOrders(clock), clock.advance)
    database: Engine = request.getfixturevalue("database")

    def pass_time(seconds: float) -> None:
        statement = (
            "UPDATE idempotency_keys SET created_at = created_at - make_interval(secs => :s)"
        )
        with database.connect() as connection:
            connection.execute(text(statement), {"s": seconds})

    return Intake(SqlOrders(database), pass_time)


def test_the_first_request_with_a_key_is_an_order_like_any_other(intake: Intake) -> None:
    order = a_new_order()
    moved = intake.orders.accept_once(order, "k-1")
    assert moved is not None
    assert intake.orders.get(order.order_id) == moved.order
    assert intake.orders.events(order.order_id) == [moved.event]
    expected = AcceptedBefore(order.order_id, moved.order.created_at, fingerprint(order))
    assert intake.orders.accepted_before("local", "k-1") == expected


def test_a_key_that_is_taken_stores_nothing(intake: Intake) -> None:
    first, second = a_new_order(), a_new_order()
    assert intake.orders.accept_once(first, "k-1") is not None
    assert intake.orders.accept_once(second, "k-1") is None
    assert intake.orders.get(second.order_id) is None
    assert intake.orders.events(second.order_id) == []


def test_a_repeated_request_gets_the_first_answer_and_starts_nothing(intake: Intake) -> None:
    first = intake.accept(a_new_order())
    again = intake.accept(a_new_order())
    assert not first.replayed
    assert again == replace(first, replayed=True)
    assert intake.stored == len(intake.publisher.published) == len(intake.dispatcher.sent) == 1


def test_the_answer_stays_the_same_when_the_order_has_moved_on(intake: Intake) -> None:
    first = intake.accept(a_new_order())
    assert intake.orders.count_recovery(first.order_id, 1)
    assert intake.accept(a_new_order()) == replace(first, replayed=True)


@pytest.mark.parametrize("quantity", ["10", "10.0", "1E+1", "10.000000"])
def test_a_number_may_be_written_in_another_way(intake: Intake, quantity: str) -> None:
    intake.accept(a_new_order())
    assert intake.accept(replace(a_new_order(), quantity=Decimal(quantity))).replayed


@pytest.mark.parametrize(
    "other",
    [
        a_new_order(side=Side.SELL),
        a_new_order(quantity="10.1"),
        a_new_order(slippage_tolerance_bps=99),
        replace(a_new_order(), symbol="SOL"),
    ],
)
def test_another_request_with_the_same_key_is_refused(intake: Intake, other: NewOrder) -> None:
    intake.accept(a_new_order())
    with pytest.raises(IdempotencyKeyReused):
        intake.accept(other)
    assert intake.stored == 1


def test_a_key_belongs_to_its_client_and_is_taken_as_it_is(intake: Intake) -> None:
    intake.accept(a_new_order())
    assert not intake.accept(replace(a_new_order(), client_id="another")).replayed
    assert not intake.accept(a_new_order(), key="K-1").replayed
    assert intake.orders.accepted_before("local", "k-2") is None


def test_keys_are_forgotten_when_they_are_old_enough_the_oldest_first(intake: Intake) -> None:
    intake.accept(a_new_order(), key="old")
    intake.pass_time(1.0)
    intake.accept(a_new_order(), key="later")
    intake.pass_time(DAY_S - 0.5)
    assert intake.orders.forget_keys(DAY_S + 60.0, 10) == 0
    assert intake.orders.forget_keys(DAY_S, 10) == 1
    assert intake.accept(a_new_order(), key="later").replayed
    assert not intake.accept(a_new_order(), key="old").replayed
    intake.pass_time(2 * DAY_S)
    assert [intake.orders.forget_keys(DAY_S, 1) for _ in range(3)] == [1, 1, 0]


def test_a_recovery_is_counted_for_a_pending_order_at_its_version_only(intake: Intake) -> None:
    order = a_new_order()
    intake.orders.accept(order)
    assert intake.orders.count_recovery(order.order_id, 1)
    assert not intake.orders.count_recovery(order.order_id, 2)
    found = intake.orders.get(order.order_id)
    assert found is not None
    assert (found.recoveries, found.version) == (1, 1)


def test_a_name_that_is_taken_uses_no_key_up(intake: Intake) -> None:
    first = replace(a_new_order(), client_order_id="a")
    assert intake.orders.accept(first).order.client_order_id == "a"
    again = replace(a_new_order(), client_order_id="a")
    with pytest.raises(ClientOrderIdTaken) as taken:
        intake.orders.accept(again)
    assert taken.value.order_id == first.order_id
    with pytest.raises(ClientOrderIdTaken) as taken:
        intake.accept(again)
    assert taken.value.order_id == first.order_id
    assert intake.orders.accepted_before("local", "k-1") is None
    assert intake.stored == 1
    assert intake.orders.named("local", "a") == intake.orders.get(first.order_id)
    assert intake.orders.named("other", "a") is None
    intake.accept(replace(again, client_id="other"), "k-2")


def test_of_many_who_choose_one_name_at_once_one_has_it(database: Engine) -> None:
    orders = SqlOrders(database)
    for turn in range(10):
        name = f"n-{turn}"

        def take(number: int, name: str = name) -> bool:
            order = replace(a_new_order(), client_order_id=name)
            key = f"{name}-{number}"
            try:
                accept_order_once(
                    orders, DirectStarter(FakePublisher(), FakeDispatcher()), order, key
                )
            except ClientOrderIdTaken:
                return False
            return True

        with ThreadPoolExecutor(8) as threads:
            assert sum(threads.map(take, range(8))) == 1


def test_what_was_left_at_its_default_is_not_part_of_the_fingerprint() -> None:
    order = a_new_order()
    later = {"maxLegs", "type", "timeInForce"}
    before_legs = {key: value for key, value in order.data.items() if key not in later}
    assert order.max_legs == 1
    text = json.dumps(before_legs, sort_keys=True).encode()
    assert fingerprint(order) == hashlib.sha256(text).digest()
    assert fingerprint(replace(order, max_legs=2)) != fingerprint(order)
    sniper = replace(order, trigger_on=TriggerOn.POOL_OPENED)
    assert fingerprint(sniper) != fingerprint(order)
