"""The contract of every store of batches, and of accepting a batch through it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine

from orderengine.domain.errors import ClientOrderIdTaken, IdempotencyKeyReused
from orderengine.domain.events import Moved
from orderengine.domain.moves import RoutingCause, StartRouting
from orderengine.domain.order import NewOrder, OrderStatus
from orderengine.domain.side import Side
from orderengine.execution.intake.accept import Accepted, accept_order, accept_order_once
from orderengine.execution.intake.batch import (
    Batches,
    BatchKey,
    Denied,
    Placed,
    Result,
    accept_batch,
    replayed_batch,
)
from orderengine.execution.intake.starting import DirectStarter
from orderengine.execution.ports import Orders
from orderengine.execution.queries.lists import OrderFilter
from orderengine.storage.batches import SqlBatches
from orderengine.storage.orders import SqlOrders
from tests.builders import a_limit, an_amend
from tests.conftest import a_new_order
from tests.fakes import FakeBatches, FakeDispatcher, FakeOrders, FakePublisher

KEY = BatchKey("b-1", b"f-1")
DENIED = Denied({"status": 400, "problem": {"code": "VALIDATION_FAILED"}})


def batch_of(number: int, names: Sequence[str | None] = ()) -> list[NewOrder]:
    """Different orders, with ids that rise as those of a request do."""
    ids = sorted(uuid4() for _ in range(number))
    return [
        replace(
            a_new_order(Side.SELL if place % 2 else Side.BUY, str(place + 1)),
            order_id=order_id,
            client_order_id=names[place] if names else None,
            request_id="r-1",
        )
        for place, order_id in enumerate(ids)
    ]


@dataclass
class Intake:
    """A store, through which a test accepts batches."""

    orders: Orders
    batches: Batches
    publisher: FakePublisher = field(default_factory=FakePublisher)
    dispatcher: FakeDispatcher = field(default_factory=FakeDispatcher)

    def accept(
        self, wanted: Sequence[NewOrder | Denied], key: BatchKey | None = None
    ) -> Sequence[Result]:
        return accept_batch(self.batches, self.starter, wanted, key)

    @property
    def starter(self) -> DirectStarter:
        return DirectStarter(self.publisher, self.dispatcher)

    @property
    def stored(self) -> list[UUID]:
        return [order.order_id for order in self.orders.page(OrderFilter("local", 200))]


@pytest.fixture(params=["fake", "postgresql"])
def intake(request: pytest.FixtureRequest) -> Intake:
    if request.param == "fake":
        orders = FakeOrders()
        return Intake(orders, FakeBatches(orders))
    database: Engine = request.getfixturevalue("database")
    return Intake(SqlOrders(database), SqlBatches(database))


def ids(results: Sequence[Result]) -> list[UUID]:
    return [each.accepted.order_id for each in results if isinstance(each, Placed)]


def test_each_order_is_stored_like_a_single_one(intake: Intake) -> None:
    full = replace(
        a_new_order(quantity="0.000001"),
        worst_price=Decimal("1234567890.123456789012345678"),
        max_legs=2,
        slippage_tolerance_bps=0,
        client_order_id="a-1",
        request_id="r-9",
    )
    single = intake.orders.accept(replace(full, order_id=uuid4(), client_order_id="a-0"))
    (moved,) = intake.batches.accept_all([full])
    assert intake.orders.get(full.order_id) == moved.order
    assert intake.orders.events(full.order_id) == [moved.event]

    def alike(each: Moved) -> Moved:
        at = single.order.created_at
        order = replace(
            each.order,
            order_id=UUID(int=0),
            client_order_id=None,
            created_at=at,
            updated_at=at,
        )
        data = {**each.event.data, "clientOrderId": ""}
        event = replace(each.event, order_id=UUID(int=0), occurred_at=at, data=data)
        return Moved(order, event)

    assert alike(moved) == alike(single)
    assert list(moved.event.data) == list(single.event.data)


def test_a_hundred_orders_are_answered_published_and_sent_in_their_order(intake: Intake) -> None:
    orders = batch_of(100)
    results = intake.accept(orders)
    wanted = [order.order_id for order in orders]
    assert ids(results) == wanted
    assert [each.order.order_id for each in intake.publisher.published] == wanted
    assert [sent.order_id for sent in intake.dispatcher.sent] == wanted
    assert intake.dispatcher.exchanges == 1
    assert intake.stored == wanted[::-1], "listed newest first"
    for order, result in zip(orders, results, strict=True):
        assert isinstance(result, Placed)
        assert result.order == order
        stored = intake.orders.get(order.order_id)
        assert stored is not None
        assert (stored.status, stored.version, stored.side) == (OrderStatus.PENDING, 1, order.side)
        assert result.accepted == Accepted(order.order_id, stored.created_at, replayed=False)


def test_an_order_that_was_denied_stays_in_its_place(intake: Intake) -> None:
    first, second = batch_of(2)
    results = intake.accept([first, DENIED, second])
    assert [type(each) for each in results] == [Placed, Denied, Placed]
    assert results[1] == DENIED
    assert intake.accept([DENIED, DENIED], KEY) == [DENIED, DENIED]
    assert intake.batches.batch_before("local", KEY.key) is None


def test_only_the_order_whose_name_is_taken_is_refused(intake: Intake) -> None:
    holder = replace(a_new_order(), client_order_id="a")
    intake.orders.accept(holder)
    orders = batch_of(5, ["b", "a", None, "b", "c"])
    results = intake.accept(orders, KEY)
    assert ids(results) == [orders[place].order_id for place in (0, 2, 4)]
    taken = [each.order_id for each in results if isinstance(each, ClientOrderIdTaken)]
    assert taken == [holder.order_id, orders[0].order_id]
    assert len(intake.dispatcher.sent) == len(intake.publisher.published) == 3
    other = [replace(each, order_id=uuid4(), client_id="other") for each in orders[:1]]
    assert len(ids(intake.accept(other))) == 1, "a name belongs to its client"


def test_a_batch_without_a_free_name_uses_no_key_up(intake: Intake) -> None:
    intake.orders.accept(replace(a_new_order(), client_order_id="a"))
    (result,) = intake.accept(batch_of(1, ["a"]), KEY)
    assert isinstance(result, ClientOrderIdTaken)
    assert intake.batches.batch_before("local", KEY.key) is None
    assert len(ids(intake.accept(batch_of(1), KEY))) == 1


def test_a_repeated_batch_gets_the_first_answers_and_starts_nothing(intake: Intake) -> None:
    holder = replace(a_new_order(), client_order_id="a")
    intake.orders.accept(holder)
    first = batch_of(4, ["a", "x", "x", None])
    answered = intake.accept([first[0], DENIED, *first[1:]], KEY)
    again = replayed_batch(intake.batches, "local", KEY)
    raced = intake.accept(batch_of(5), KEY)
    assert again is not None
    for repeated in (again, raced):
        assert ids(repeated) == ids(answered)
        for one, other in zip(answered, repeated, strict=True):
            if isinstance(one, Placed):
                assert isinstance(other, Placed)
                assert other.accepted == replace(one.accepted, replayed=True)
                assert other.order.data == one.order.data
            elif isinstance(one, ClientOrderIdTaken):
                assert isinstance(other, ClientOrderIdTaken)
                assert other.order_id == one.order_id
            else:
                assert other == one
    assert len(intake.stored) == 3
    assert len(intake.dispatcher.sent) == 2


def test_a_repeated_batch_has_its_orders_as_they_are_now(intake: Intake) -> None:
    orders = [*batch_of(2), replace(a_limit(), order_id=UUID(int=(1 << 128) - 1))]
    intake.accept(orders, KEY)
    moved = intake.orders.move(orders[0].order_id, 1, StartRouting(RoutingCause.ORDER))
    amended = intake.orders.move(orders[2].order_id, 1, an_amend())
    assert moved is not None
    assert amended is not None
    again = replayed_batch(intake.batches, "local", KEY)
    assert again is not None
    assert ids(again) == [order.order_id for order in orders]
    now = [each.order for each in again if isinstance(each, Placed)]
    assert now == [intake.orders.get(order.order_id) for order in orders]
    assert now[0] == moved.order
    assert now[2] == amended.order


def test_another_batch_with_the_same_key_is_refused(intake: Intake) -> None:
    intake.accept(batch_of(2), KEY)
    other = BatchKey(KEY.key, b"f-2")
    with pytest.raises(IdempotencyKeyReused):
        intake.accept(batch_of(2), other)
    with pytest.raises(IdempotencyKeyReused):
        replayed_batch(intake.batches, "local", other)
    assert len(intake.stored) == 2
    assert replayed_batch(intake.batches, "another", KEY) is None


def test_orders_and_batches_share_their_keys(intake: Intake) -> None:
    takers = (intake.orders, intake.starter)
    intake.accept(batch_of(1), KEY)
    with pytest.raises(IdempotencyKeyReused):
        accept_order_once(*takers, a_new_order(), KEY.key)
    accept_order_once(*takers, a_new_order(), "k-1")
    with pytest.raises(IdempotencyKeyReused):
        intake.accept(batch_of(1), BatchKey("k-1", b"f-1"))
    assert len(intake.stored) == 2


def test_a_key_of_a_batch_is_forgotten_like_any_other(intake: Intake) -> None:
    intake.accept(batch_of(2), KEY)
    assert intake.orders.forget_keys(-60.0, 10) == 1
    assert intake.batches.batch_before("local", KEY.key) is None


def test_the_orders_are_safe_although_the_broker_is_away(intake: Intake) -> None:
    intake.dispatcher.down = True
    results = intake.accept(batch_of(3))
    assert len(ids(results)) == len(intake.stored) == len(intake.publisher.published) == 3
    accept: Callable[..., Moved] = accept_order
    accept(intake.orders, intake.starter, a_new_order())
