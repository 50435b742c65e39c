"""A later release writes beside this one: this one leaves only the rows it can not read to it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from uuid import UUID

import pytest
from sqlalchemy import Engine, text
from structlog.testing import capture_logs

from harness.waiting import wait_until
from orderengine.cli.common import Surroundings
from orderengine.domain.errors import OrderUnreadable
from orderengine.domain.events import OrderEvent
from orderengine.domain.instruments import Instruments
from orderengine.domain.order import OrderStatus
from orderengine.execution.chain.recovery import CLAIM_LIMIT, Recovery
from orderengine.execution.operations.archive import export_events, export_orders
from orderengine.execution.operations.figures import StepKind
from orderengine.execution.queries.lists import OrderFilter
from orderengine.execution.unreadable import Unreadable
from orderengine.storage.archive import SqlArchive
from orderengine.storage.clients import SqlClientOrders
from orderengine.storage.figures import SqlFigures
from orderengine.storage.orders import SqlOrders
from orderengine.stream.client_follower import Bounds
from orderengine.stream.hub import Hub
from orderengine.stream.replay import Cursor
from tests.builders import A_FAIL
from tests.cli_desk import call
from tests.integration.operators import run, surroundings_of
from tests.integration.streams import take
from tests.steps import CONFIRMED, Walk
from tests.web import NOWHERE, Web
from tests.world import World

CHECKS = ("ck_orders_status", "ck_orders_due_at")


@pytest.fixture
def later(database: Engine) -> Iterator[Engine]:
    """The database of a later release, which allows more statuses."""
    with database.connect() as connection:
        found = connection.execute(
            text(
                "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
                " WHERE conname = ANY(:names)"
            ),
            {"names": list(CHECKS)},
        )
        definitions = {row.conname: row[1] for row in found}
    for name in CHECKS:
        run(database, f"ALTER TABLE orders DROP CONSTRAINT {name}")
    yield database
    run(database, "TRUNCATE orders CASCADE")
    for name, definition in definitions.items():
        run(database, f"ALTER TABLE orders ADD CONSTRAINT {name} {definition}")


@dataclass
class Rows:
    """Orders of both releases: known ones, and one of each status that this release lacks."""

    known: list[Walk]
    parked: Walk
    voided: Walk

    @property
    def unknown(self) -> set[UUID]:
        return {self.parked.order_id, self.voided.order_id}


@pytest.fixture
def orders(later: Engine) -> SqlOrders:
    return SqlOrders(later)


@pytest.fixture
def rows(orders: SqlOrders, later: Engine) -> Rows:
    """Orders in which known ones come before and after the unknown ones."""
    found = Rows([Walk(orders)], Walk(orders), Walk(orders))
    found.known += [Walk(orders) for _ in range(2)]
    write(later, found.parked, "parked", "due_at")
    write(later, found.voided, "voided", "NULL")
    return found


def write(database: Engine, walk: Walk, status: str, due_at: str) -> None:
    """Move an order as a later release might: a step with a new status and a new field."""
    run(
        database,
        f"UPDATE orders SET status = '{status}', version = version + 1, due_at = {due_at}"  # noqa: S608
        f" WHERE id = '{walk.order_id}'",
    )
    run(
        database,
        "INSERT INTO order_events (order_id, seq, status, attempt, data)"  # noqa: S608
        f" SELECT id, version, status, attempt, '{{\"field\": [1]}}' FROM orders"
        f" WHERE id = '{walk.order_id}'",
    )


def make_due(database: Engine) -> None:
    run(database, "UPDATE orders SET due_at = now() - interval '1 s' WHERE due_at IS NOT NULL")


def test_claims_go_on_and_put_the_unknown_row_off(
    orders: SqlOrders, rows: Rows, later: Engine
) -> None:
    known = [walk.order_id for walk in rows.known]
    rounds: list[list[UUID]] = []
    with capture_logs() as lines:
        for _ in range(3):
            make_due(later)
            claimed = orders.claim_due(CLAIM_LIMIT)
            rounds.append([each.order_id for each in claimed if not isinstance(each, Unreadable)])
            assert [each for each in claimed if isinstance(each, Unreadable)] == [
                Unreadable(rows.parked.order_id, 2, None, attempt=1, recoveries=0)
            ]
            assert orders.claim_due(CLAIM_LIMIT) == [], "all of them were put off"
    assert rounds == [known] * 3
    assert [line["order_id"] for line in lines] == [str(rows.parked.order_id)]


def test_recovery_leaves_the_unknown_order_to_its_release(
    orders: SqlOrders, rows: Rows, later: Engine, instruments: Instruments
) -> None:
    world = World(instruments)
    run(later, "UPDATE orders SET recoveries = 10 WHERE status = 'parked'")
    make_due(later)
    assert Recovery(replace(world.engine, orders=orders)).run_once() == 4
    sent = [message.order_id for message in world.dispatcher.sent]
    assert sent == [walk.order_id for walk in rows.known]


def test_lists_leave_the_unknown_rows_out(orders: SqlOrders, rows: Rows) -> None:
    newest_first = [walk.order_id for walk in reversed(rows.known)]
    page = orders.page(OrderFilter("local", 3))
    assert [order.order_id for order in page] == newest_first
    assert orders.count_open("local", 10) == 4


def test_the_unknown_order_itself_is_told_as_far_as_it_is_known(
    orders: SqlOrders, rows: Rows, later: Engine
) -> None:
    for walk in (rows.parked, rows.voided):
        with pytest.raises(OrderUnreadable):
            orders.get(walk.order_id)
        assert [event.seq for event in orders.events(walk.order_id)] == [1]
        assert orders.events(walk.order_id, after=1) == []
        run(later, f"DELETE FROM order_events WHERE seq = 1 AND order_id = '{walk.order_id}'")  # noqa: S608
        with pytest.raises(OrderUnreadable):
            orders.events(walk.order_id)


def test_streams_of_other_orders_go_on(orders: SqlOrders, rows: Rows, later: Engine) -> None:
    hub = Hub(NOWHERE, orders, SqlClientOrders(later), poll_s=0.05)
    try:
        with (
            hub.follow(rows.parked.order_id) as unknown,
            hub.follow(rows.known[0].order_id) as known,
        ):
            assert take(unknown, 1) == [1]
            rows.known[0].step(CONFIRMED[0])
            assert take(known, 2) == [1, 2]
            assert unknown.next(0.0) is None
    finally:
        hub.close()


@pytest.mark.parametrize("status", ["parked", "voided"])
def test_a_clients_stream_tells_the_others_and_keeps_its_cursor_back(
    orders: SqlOrders, rows: Rows, later: Engine, status: str
) -> None:
    other = rows.voided if status == "parked" else rows.parked
    for table, column in (("order_events", "order_id"), ("orders", "id")):
        run(later, f"DELETE FROM {table} WHERE {column} = '{other.order_id}'")  # noqa: S608
    hub = Hub(NOWHERE, orders, SqlClientOrders(later), poll_s=0.05, client_bounds=Bounds())
    begin = Cursor(rows.known[0].first.event.occurred_at)
    events: list[OrderEvent] = []
    cursors: list[Cursor] = []

    def has_told(number: int) -> bool:
        while (each := follower.next(0.0)) is not None:
            if isinstance(each, Cursor):
                cursors.append(each)
            else:
                events.append(each)
        return len(events) >= number

    try:
        with hub.follow_client("local", hub.snapshot("local", begin), begin) as follower:
            wait_until(lambda: has_told(4))
            # A separate look finds each of these; the follower may send a cursor after each.
            for number, walk in enumerate(rows.known, start=5):
                walk.step(CONFIRMED[0])
                wait_until(partial(has_told, number))
    finally:
        hub.close()
    unknown = rows.parked if status == "parked" else rows.voided
    for cursor in cursors:
        assert cursor.is_replay
        assert cursor.before <= unknown.order.updated_at, "it may not pass a step by"


def test_figures_leave_out_what_they_have_no_name_for(rows: Rows, later: Engine) -> None:
    rows.known[0].step(A_FAIL)
    run(later, "INSERT INTO step_totals_mark (id, counted_until) VALUES (1, '-infinity')")
    run(later, "INSERT INTO step_totals (status, cause, total) VALUES ('voided', '', 7)")
    figures = SqlFigures(later, 90)
    found = figures.open_orders()
    assert found.by_status == {OrderStatus.PENDING: 2}
    assert found.oldest_s > 0
    assert figures.steps() == {StepKind(OrderStatus.FAILED, A_FAIL.reason.value): 1}
    assert figures.sum_up(10) == 0


def test_exports_have_every_row(rows: Rows, later: Engine) -> None:
    archive = SqlArchive(later)
    exported = [row["status"] for page in export_orders(archive) for row in page]
    assert sorted(exported) == ["parked", *["pending"] * 3, "voided"]
    events = [row["status"] for page in export_events(archive) for row in page]
    assert len(events) == 7


def test_operators_are_told_that_a_later_release_has_the_order(
    rows: Rows, later: Engine, database_url: str, redis_url: str
) -> None:
    around: Surroundings = surroundings_of(later, database_url, redis_url)
    told = call("orders", "stuck", "--json", around=around)
    (row,) = json.loads(told.stdout)["orders"]
    assert (row["orderId"], row["why"]) == (str(rows.parked.order_id), "release")
    pushed = call("orders", "requeue", str(rows.parked.order_id), around=around)
    assert "it stays parked" in pushed.stdout
    over = call("orders", "requeue", str(rows.voided.order_id), around=around)
    assert over.exit_code == 2
    assert "another release" in over.stderr
    assert call("prune", "--older-than", "1d", "--yes", around=around).exit_code == 0


def test_the_api_answers_503_for_the_unknown_order_alone() -> None:
    web = Web()
    order_id = web.place()

    def get(_: UUID) -> None:
        raise OrderUnreadable("a status of a later release")

    web.orders.get = get  # type: ignore[method-assign,assignment]
    answer = web.client.get(f"/api/orders/{order_id}")
    assert (answer.status_code, answer.get_json()["code"]) == (503, "STORAGE_UNAVAILABLE")
    assert "another release" in answer.get_json()["detail"]
    assert answer.headers["Retry-After"] == "1"
    assert web.client.get("/api/orders").status_code == 200
