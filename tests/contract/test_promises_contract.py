"""What swaps are promised of a wallet: the same in memory and on PostgreSQL."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import Barrier
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from orderengine.domain.moves import Confirm, RoutingCause, StartRouting, Submit
from orderengine.domain.order import Order
from orderengine.execution.promises import Promises, Purse, Taken, Wanted
from orderengine.storage.orders import SqlOrders
from orderengine.storage.promises import PROMISED_S, SqlPromises
from tests.builders import TRANSACTION, a_build, a_confirm
from tests.conftest import a_new_order
from tests.fake_promises import FakePromises
from tests.fakes import FakeClock

PURSE = Purse("solana:genesis", "wallet")
OTHER = Purse("solana:genesis", "other")


@dataclass
class Desk:
    """One implementation, with orders that a test submits and ends."""

    promises: Promises
    pass_time: Callable[[float], None]
    submit: Callable[[], UUID]
    """Makes an order that is submitted; its signature is `sig` and its id."""
    end: Callable[[UUID], None]


def _fake() -> Desk:
    clock = FakeClock()
    promises = FakePromises(clock)

    def submit() -> UUID:
        order_id = uuid4()
        promises.submitted[order_id] = f"sig{order_id}"
        return order_id

    def end(order_id: UUID) -> None:
        promises.ended[order_id] = promises.submitted.pop(order_id)

    return Desk(promises, clock.advance, submit, end)


def _sql(database: Engine) -> Desk:
    orders = SqlOrders(database)
    known: dict[UUID, Order] = {}

    def pass_time(seconds: float) -> None:
        with database.connect() as connection:
            connection.execute(
                text(
                    "UPDATE wallet_promises"
                    " SET promised_at = promised_at - make_interval(secs => :s)"
                ),
                {"s": seconds},
            )

    def move(order: Order, *moves: StartRouting | Submit | Confirm) -> None:
        for each in moves:
            moved = orders.move(order.order_id, order.version, each)
            assert moved is not None
            order = known[order.order_id] = moved.order

    def submit() -> UUID:
        order = orders.accept(a_new_order()).order
        built = orders.move(order.order_id, 1, StartRouting(RoutingCause.ORDER))
        assert built is not None
        built = orders.move(order.order_id, 2, a_build(order.created_at))
        assert built is not None
        move(built.order, Submit(replace(TRANSACTION, signature=f"sig{order.order_id}")))
        return order.order_id

    def end(order_id: UUID) -> None:
        order = known[order_id]
        move(order, replace(a_confirm(order.created_at), signature=f"sig{order_id}"))

    return Desk(SqlPromises(database), pass_time, submit, end)


@pytest.fixture(params=["fake", "postgresql"])
def desk(request: pytest.FixtureRequest) -> Iterator[Desk]:
    if request.param == "fake":
        yield _fake()
    else:
        yield _sql(request.getfixturevalue("database"))


def wanted(
    units: int, held: int, order_id: UUID | None = None, mint: str = "usdc", lamports: int = 5
) -> Wanted:
    return Wanted(order_id or uuid4(), mint, units, lamports, held, 1000)


def test_what_is_promised_leaves_the_rest_to_others(desk: Desk) -> None:
    assert desk.promises.promise(PURSE, [wanted(60, 100)]) is None
    assert desk.promises.promise(PURSE, [wanted(41, 100)]) == Taken(60, 5)
    assert desk.promises.promise(PURSE, [wanted(40, 100)]) is None
    assert desk.promises.promise(PURSE, [wanted(41, 100, mint="sol")]) is None
    assert desk.promises.promise(OTHER, [wanted(100, 100)]) is None


def test_a_group_gets_all_or_nothing(desk: Desk) -> None:
    group = [wanted(50, 100), wanted(51, 100), wanted(1, 1, mint="sol")]
    assert desk.promises.promise(PURSE, group) == Taken(0, 0)
    assert desk.promises.promise(PURSE, [group[0], wanted(50, 100), group[2]]) is None
    assert desk.promises.promise(PURSE, [wanted(1, 100)]) == Taken(100, 15)


def test_fees_are_promised_like_the_rest(desk: Desk) -> None:
    """Of all tokens together: they are paid in SOL."""
    first = wanted(1, 100, lamports=600)
    assert desk.promises.promise(PURSE, [first]) is None
    other = wanted(1, 100, mint="sol", lamports=401)
    assert desk.promises.promise(PURSE, [other]) == Taken(0, 600)
    assert desk.promises.promise(PURSE, [replace(other, lamports=400)]) is None
    assert desk.promises.promise(PURSE, [replace(first, lamports=601)]) == Taken(0, 400)


def test_the_latest_promise_of_an_order_counts(desk: Desk) -> None:
    order_id = uuid4()
    assert desk.promises.promise(PURSE, [wanted(60, 100, order_id)]) is None
    assert desk.promises.promise(PURSE, [wanted(100, 100, order_id)]) is None
    assert desk.promises.promise(PURSE, [wanted(101, 100, order_id)]) == Taken(0, 0)
    assert desk.promises.promise(PURSE, [wanted(1, 100)]) == Taken(100, 5), "it keeps the former"
    assert desk.promises.promise(PURSE, [wanted(30, 100, order_id)]) is None
    assert desk.promises.promise(PURSE, [wanted(70, 100)]) is None


def test_a_promise_is_withdrawn_or_ends_unless_its_order_is_submitted(desk: Desk) -> None:
    submitted, unsigned, late = desk.submit(), uuid4(), uuid4()
    for order_id in (submitted, unsigned, late):
        assert desk.promises.promise(PURSE, [wanted(30, 90, order_id)]) is None
    desk.promises.withdraw(OTHER, [unsigned])
    assert desk.promises.promise(PURSE, [wanted(30, 90)]) == Taken(90, 15)
    desk.promises.withdraw(PURSE, [submitted, unsigned])
    assert desk.promises.promise(PURSE, [wanted(60, 90)]) == Taken(60, 10)
    desk.pass_time(PROMISED_S + 1)
    assert desk.promises.promise(PURSE, [wanted(61, 90)]) == Taken(30, 5)
    desk.end(submitted)
    assert desk.promises.promise(PURSE, [wanted(90, 90)]) is None


def test_what_has_landed_is_told_and_left_out(desk: Desk) -> None:
    flying, ended, unsigned = desk.submit(), desk.submit(), uuid4()
    for order_id in (flying, ended, unsigned):
        assert desk.promises.promise(PURSE, [wanted(30, 90, order_id)]) is None
    desk.end(ended)
    signed = {flying: f"sig{flying}", ended: f"sig{ended}"}
    assert dict(desk.promises.signed(PURSE)) == signed
    assert desk.promises.signed(OTHER) == []
    assert desk.promises.promise(PURSE, [wanted(1, 90)]) == Taken(90, 15)
    assert desk.promises.promise(PURSE, [wanted(60, 90)], [flying, ended]) is None


def test_many_at_once_are_promised_no_more_than_there_is(desk: Desk) -> None:
    count = 16
    begin = Barrier(count)

    def ask(_: int) -> Taken | None:
        begin.wait(30)
        return desk.promises.promise(PURSE, [wanted(10, 75), wanted(5, 75)])

    with ThreadPoolExecutor(count) as threads:
        found = list(threads.map(ask, range(count)))
    assert found.count(None) == 5
    assert found.count(Taken(75, 50)) == count - 5
