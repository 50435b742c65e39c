"""The contract of every implementation of `ClientOrders`: in memory and on PostgreSQL."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from orderengine.execution.ports import Orders
from orderengine.execution.queries.latest_steps import ClientOrders, ClientSnapshot
from orderengine.storage.clients import SqlClientOrders
from orderengine.storage.orders import SqlOrders
from tests.builders import A_REST, A_TRIGGER
from tests.fakes import FakeClock, FakeOrders
from tests.steps import CONFIRMED, FAIL, Walk


@dataclass
class Store:
    """Orders, and the `ClientOrders` that finds those of a client."""

    orders: Orders
    clients: ClientOrders
    now: Callable[[], datetime]
    pass_time: Callable[[], None]


@pytest.fixture(params=["fake", "sql"])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "fake":
        clock = FakeClock()
        orders = FakeOrders(clock)
        return Store(orders, orders, clock.now, lambda: clock.advance(1))
    database: Engine = request.getfixturevalue("database")

    def now() -> datetime:
        with database.connect() as connection:
            moment: datetime = connection.execute(text("SELECT now()")).scalar_one()
            return moment.astimezone(UTC)

    return Store(SqlOrders(database), SqlClientOrders(database), now, lambda: None)


def states(snapshot: ClientSnapshot) -> dict[UUID, tuple[int, datetime, bool]]:
    return {key: (each.seq, each.moved_at, each.has_ended) for key, each in snapshot.orders.items()}


def test_open_orders_are_told_with_their_latest_step(store: Store) -> None:
    walk = Walk(store.orders, "alice")
    (moved,) = walk.steps(CONFIRMED[0])
    snapshot = store.clients.snapshot({"alice": None}, 10)["alice"]
    assert states(snapshot) == {walk.order_id: (2, moved.event.occurred_at, False)}
    assert snapshot.taken_at >= moved.event.occurred_at
    assert snapshot.taken_at.tzinfo is UTC


def test_orders_that_have_ended_are_told_from_the_moment_of_their_last_step(store: Store) -> None:
    walk = Walk(store.orders, "alice")
    (moved,) = walk.steps(FAIL)
    ended_at = moved.event.occurred_at
    state = (2, ended_at, True)
    for since, expected in (
        (ended_at - timedelta(seconds=9), {walk.order_id: state}),
        (ended_at, {walk.order_id: state}),
        (ended_at + timedelta(microseconds=1), {}),
        (None, {}),
    ):
        assert states(store.clients.snapshot({"alice": since}, 10)["alice"]) == expected


def test_each_client_is_told_its_own_and_since_its_own_moment(store: Store) -> None:
    began = store.now()
    mine, others = Walk(store.orders, "alice"), Walk(store.orders, "bob")
    ended = Walk(store.orders, "bob")
    ended.steps(FAIL)
    snapshots = store.clients.snapshot({"alice": began, "bob": None, "nobody": began}, 10)
    assert snapshots["alice"].orders.keys() == {mine.order_id}
    assert snapshots["bob"].orders.keys() == {others.order_id}
    assert snapshots["nobody"].orders == {}
    assert snapshots["nobody"].taken_at >= began


def test_so_many_of_either_kind_are_told_at_most(store: Store) -> None:
    began = store.now()
    for _ in range(4):
        Walk(store.orders, "alice")
        Walk(store.orders, "alice").steps(FAIL)
    orders = store.clients.snapshot({"alice": began}, 3)["alice"].orders
    assert sorted(each.has_ended for each in orders.values()) == [False] * 3 + [True] * 3


def test_a_step_that_comes_after_a_look_begins_after_it(store: Store) -> None:
    walk = Walk(store.orders, "alice")
    taken_at = store.clients.snapshot({"alice": None}, 1)["alice"].taken_at
    store.pass_time()
    walk.steps(FAIL)
    assert walk.events[-1].occurred_at > taken_at


def test_a_look_tells_what_was_written_before_and_after_another(store: Store) -> None:
    moving, resting = Walk(store.orders, "alice"), Walk(store.orders, "alice")
    before = store.clients.snapshot({"alice": None}, 10)["alice"]
    assert all(each.written_in < before.horizon for each in before.orders.values())
    moving.steps(CONFIRMED[0])
    after = store.clients.snapshot({"alice": None}, 10)["alice"].orders
    assert after[resting.order_id].written_in == before.orders[resting.order_id].written_in
    assert after[moving.order_id].written_in >= before.horizon


def test_of_orders_that_wait_only_those_written_since_a_look_can_be_asked_for(
    store: Store,
) -> None:
    still, moved, moving = (
        Walk(store.orders, "alice", waits=True),
        Walk(store.orders, "alice", waits=True),
        Walk(store.orders, "alice"),
    )
    before = store.clients.snapshot({"alice": None, "bob": None}, 10)
    look = before["alice"]
    assert look.has_all_waiting
    assert look.oldest_waiting == still.order.updated_at
    assert before["bob"].oldest_waiting is None
    waits = {key for key, each in look.orders.items() if each.is_waiting}
    assert waits == {still.order_id, moved.order_id}
    moved.steps(A_TRIGGER, CONFIRMED[0], A_REST)
    new = Walk(store.orders, "alice", waits=True)
    since = {"alice": look.taken_at, "bob": look.taken_at}
    later = store.clients.snapshot(since, 10, {"alice": look.horizon})["alice"]
    assert later.orders.keys() == {moved.order_id, new.order_id, moving.order_id}
    assert later.orders[moved.order_id].is_waiting
    assert later.oldest_waiting == still.order.updated_at
    assert not later.has_all_waiting


def test_the_ends_and_starts_of_waiting_orders_are_told(store: Store) -> None:
    started, ended = (Walk(store.orders, "alice", waits=True) for _ in range(2))
    look = store.clients.snapshot({"alice": None}, 10)["alice"]
    store.pass_time()
    started.steps(A_TRIGGER)
    ended.steps(A_TRIGGER, FAIL)
    known = {"alice": look.horizon}
    later = store.clients.snapshot({"alice": look.taken_at}, 10, known)["alice"]
    assert {key: (each.seq, each.has_ended) for key, each in later.orders.items()} == {
        started.order_id: (2, False),
        ended.order_id: (3, True),
    }
    assert later.oldest_waiting is None
