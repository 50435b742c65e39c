"""How much the lists, the figures and the exports read of 250,000 orders."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import product
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from harness.statements import unbounded
from orderengine.domain.order import NewOrder, OrderStatus
from orderengine.execution.intake.batch import BatchKey, Denied
from orderengine.execution.queries.lists import OrderFilter, Position, StatusGroup
from orderengine.storage.archive import SqlArchive
from orderengine.storage.batches import SqlBatches
from orderengine.storage.clients import SqlClientOrders
from orderengine.storage.figures import SqlFigures
from orderengine.storage.orders import SqlOrders
from tests.conftest import a_new_order
from tests.plans import (
    OPEN,
    ORDERS,
    Read,
    load,
    scratch_database,
    what_is_read,
    what_would_be_read,
)

PAGE = 100
SOME = 50_000
MOST = 1_000
"""The limit of blocks read, out of 6,000 of the table and as many of its indexes; and of rows."""
OFTEN = 8
"""After five executions PostgreSQL chooses between a generic and a custom plan."""

pytestmark = pytest.mark.timeout(600)  # many orders are loaded first

STATUSES = (None, StatusGroup.OPEN, *OrderStatus)
FILTERS = [*product(STATUSES, (None, "AAPL", "RARE", "GONE"))]


@pytest.fixture(scope="module")
def crowded(database_url: str) -> Iterator[Engine]:
    with scratch_database(database_url, ORDERS) as database:
        yield database


@pytest.fixture(scope="module", params=["unanalyzed", "analyzed"])
def big(request: pytest.FixtureRequest, crowded: Engine) -> Engine:
    if request.param == "analyzed":
        with unbounded(), crowded.connect() as connection:
            connection.execute(text("ANALYZE orders, order_events"))
    return crowded


def sum_of(read: list[Read]) -> int:
    """The number of blocks, or that of rows if it is larger."""
    return max(sum(each.blocks for each in read), sum(each.rows for each in read))


def pages(places: list[Position | None]) -> list[OrderFilter]:
    return [
        OrderFilter("big", PAGE, status, symbol, before)
        for (status, symbol), before in product(FILTERS, places)
    ]


def use(orders: SqlOrders) -> None:
    """Ask for frequent and for rare values, as many clients do over one connection."""
    for client, (status, symbol) in product(("nobody", "client-20", "big"), FILTERS):
        orders.page(OrderFilter(client, 1, status, symbol))


def positions(database: Engine) -> list[Position | None]:
    """The positions of the first page, of one near it, of one past the backlog, of the last."""
    statement = text(
        "SELECT created_at, id FROM orders WHERE client_id = 'big'"
        " ORDER BY created_at DESC, id DESC OFFSET :n LIMIT 1"
    )
    with unbounded(), database.connect() as connection:
        found = [
            connection.execute(statement, {"n": n}).one()
            for n in (10, OPEN * 2, ORDERS * 9 // 10 - 1_000)
        ]
    return [None, *(Position(*each) for each in found)]


def test_a_page_of_every_filter_reads_little(big: Engine) -> None:
    orders = SqlOrders(big)
    wanted = pages(positions(big))
    with unbounded():
        for _ in range(OFTEN):
            use(orders)
        read = {each: sum_of(what_is_read(big, partial(orders.page, each))) for each in wanted}
    assert {each: much for each, much in read.items() if much > MOST} == {}


def test_figures_and_exports_read_little(big: Engine) -> None:
    archive, orders = SqlArchive(big), SqlOrders(big)
    middle = UUID(int=1 << 127)
    reads: dict[str, Callable[[], object]] = {
        "first orders": lambda: archive.order_rows(None, PAGE),
        "orders of an export": lambda: archive.order_rows(middle, PAGE),
        "events of an export": lambda: archive.event_rows((middle, 1), PAGE),
        "standing": lambda: archive.open_orders(PAGE),
        "lag": archive.lag,
        "prunable": lambda: archive.prunable_ids(60.0, PAGE),
        "count": lambda: orders.count_open("big", PAGE),
        "count of those that wait": lambda: orders.count_waiting("big", PAGE),
        "position": lambda: orders.position("big", middle),
        "events after": lambda: orders.events_after({middle: 0}),
        "steps of orders": lambda: orders.steps_of([middle]),
        "steps": SqlFigures(big, 60.0).steps,
        "clients": lambda: SqlClientOrders(big).snapshot(
            {"big": datetime.now(UTC) - timedelta(days=2), "nobody": None}, PAGE
        ),
    }
    with unbounded():
        for _ in range(OFTEN):
            for call in reads.values():
                call()
        read = {name: sum_of(what_is_read(big, call)) for name, call in reads.items()}
    assert {name: much for name, much in read.items() if much > MOST} == {}


def test_the_figures_of_open_orders_read_the_open_ones_only(big: Engine) -> None:
    figures = SqlFigures(big, 60.0)
    with unbounded():
        for _ in range(OFTEN):
            figures.open_orders()
        read, *_ = what_is_read(big, figures.open_orders)
    assert OPEN <= read.rows < OPEN + 100


def test_what_was_planned_for_an_empty_table_suits_a_full_one(database_url: str) -> None:
    with scratch_database(database_url) as database:
        orders = SqlOrders(database)
        for _ in range(OFTEN):
            use(orders)
            orders.count_open("big", PAGE)
        load(database, SOME)
        wanted = [OrderFilter("big", 1, status, symbol) for status, symbol in FILTERS]
        wanted += [OrderFilter("nobody", 1, status, symbol) for status, symbol in FILTERS]
        calls: list[Callable[[], object]] = [partial(orders.page, each) for each in wanted]
        calls.append(partial(orders.count_open, "nobody", PAGE))
        read = [sum_of(what_is_read(database, call)) for call in calls]
    assert max(read) < MOST / 4  # the table alone has 1,250 blocks


def a_batch() -> list[NewOrder | Denied]:
    """A hundred orders of a client, every other with a name."""
    return [
        replace(
            a_new_order(),
            order_id=uuid4(),
            client_id="big",
            client_order_id=f"n-{uuid4()}" if place % 2 else None,
        )
        for place in range(PAGE)
    ]


def test_batches_read_their_own_orders_only(database_url: str) -> None:
    with scratch_database(database_url, SOME) as database:
        batches = SqlBatches(database)
        names = [f"n-{number}" for number in range(PAGE)]

        def place(*, keyed: bool) -> None:
            assert batches.accept_all(a_batch(), BatchKey(str(uuid4()), b"f") if keyed else None)

        with unbounded():
            batches.accept_all(a_batch(), BatchKey("k-1", b"f"))
            for _ in range(OFTEN):
                place(keyed=True)
                place(keyed=False)
                batches.holders("big", names)
                batches.batch_before("big", "k-1")
            stored = [
                *what_would_be_read(database, partial(_offer, batches, BatchKey("k-2", b"f"))),
                *what_would_be_read(database, partial(_offer, batches, None)),
            ]
            read = [
                *what_is_read(database, lambda: batches.holders("big", names)),
                *what_is_read(database, lambda: batches.batch_before("big", "k-1")),
            ]
    assert max(each.rows for each in stored) < 12 * PAGE  # its own ones, in several steps
    assert max(map(sum_of, [[each] for each in read])) < MOST


def _offer(batches: SqlBatches, key: BatchKey | None) -> None:
    batches.accept_all(a_batch(), key)
