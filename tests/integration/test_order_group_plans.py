"""Statements for many orders find each row by an index, whatever a table held when planned."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from harness.statements import unbounded
from orderengine.domain.errors import FailureReason
from orderengine.domain.moves import Move
from orderengine.execution.network import Reverted
from orderengine.execution.ports import PlannedMove
from orderengine.settlement import wire
from orderengine.settlement.ledger import Ledger
from orderengine.storage.orders import SqlOrders
from tests.builders import all_moves
from tests.plans import (
    analyze_all,
    load,
    read_by,
    scratch_database,
    unsought,
    what_is_read,
)
from tests.simulations import a_swap

LARGE = 100_000
SMALL = 50
OFTEN = 8
"""After five executions PostgreSQL chooses between a generic and a custom plan."""
THE_OLDEST = ["Index Scan of orders", "Index Scan of orders"]
"""How a claim finds new and triggered orders: in the order of each one's index, without a key."""
A_FEW = 10


@pytest.fixture(scope="module", params=["empty", "small", "large", "emptied"])
def scratch(request: pytest.FixtureRequest, database_url: str) -> Iterator[Engine]:
    size = {"empty": 0, "small": SMALL, "large": LARGE, "emptied": SMALL}[request.param]
    with scratch_database(database_url, size) as database:
        if request.param == "emptied":
            empty(database)
        yield database


def empty(database: Engine) -> None:
    """Leave no orders, but what PostgreSQL knew of them."""
    analyze_all(database)
    with database.connect() as connection:
        connection.execute(text("TRUNCATE orders"))


def moves_of(orders: SqlOrders, move: Move, count: int) -> Callable[[], object]:
    planned = [PlannedMove(uuid4(), 3, move) for _ in range(count)]
    return lambda: orders.move_all(planned)


def calls_of(database: Engine) -> Mapping[str, Callable[[], object]]:
    """Every statement for many rows, for one row and for several."""
    orders, ledger = SqlOrders(database), Ledger(database, 400)
    signed = [wire.read(wire.sign(a_swap(), 1, str(number))) for number in range(5)]
    reverted = {each.signature: Reverted(slippage_exceeded=False, detail="") for each in signed}
    calls: dict[str, Callable[[], object]] = {
        f"{move.kind.value} of {count}": moves_of(orders, move, count)
        for move in all_moves(datetime.now(UTC))
        for count in (1, 5)
    }
    return calls | {
        "store": lambda: ledger.store(dict.fromkeys(signed, 0)),
        "find": lambda: ledger.find(list(reverted)),
        "settle": lambda: ledger.settle(reverted),
    }


ONE_ROW = ("of sim_switch", "of trading_halts")
"""Tables of one row at most."""


def without_keys(database: Engine, calls: Mapping[str, Callable[[], object]]) -> dict[str, object]:
    """The statements that read a table without the keys of an index."""
    found = {name: unsought(database, call) for name, call in calls.items()}
    found = {
        name: [each for each in tables if not each.endswith(ONE_ROW)]
        for name, tables in found.items()
    }
    return {name: tables for name, tables in found.items() if tables}


def test_every_row_is_found_by_a_key(scratch: Engine) -> None:
    calls = calls_of(scratch)
    for _ in range(OFTEN):
        for call in calls.values():
            call()
    assert without_keys(scratch, calls) == {}
    analyze_all(scratch)
    assert without_keys(scratch, calls) == {}


def test_rows_are_locked_in_the_order_of_their_ids(scratch: Engine) -> None:
    """So no two statements wait for each other's rows, whatever the tables held when planned.

    Statements that sort before they lock may read the orders otherwise, but not the charges.
    """
    orders = SqlOrders(scratch)
    by_id = {
        **calls_of(scratch),
        "hold": lambda: orders.hold([uuid4(), uuid4()], FailureReason.UNKNOWN_SYMBOL),
    }
    sorted_before = {
        "cancel all": lambda: orders.cancel_all("local", None, UUID(int=0), 500),
        "cancel of a symbol": lambda: orders.cancel_all("local", "AAPL", UUID(int=0), 500),
        "expire": lambda: orders.expire_due(200),
    }
    for _ in range(2):
        for name, call in by_id.items():
            found = read_by(scratch, call, {"orders", "daily_charges"})
            assert found <= {"Index Scan by pk_orders", CHARGES}, name
        for name, call in sorted_before.items():
            assert read_by(scratch, call, {"daily_charges"}) == {CHARGES}, name
        analyze_all(scratch)


CHARGES = "Index Scan by pk_daily_charges"


def test_no_other_index_of_orders_serves_statements_that_name_ids_alone(
    session_database: Engine,
) -> None:
    """PostgreSQL looks ids up in any index that has them, and reads the others' order then."""
    found = text(
        "SELECT indexrelid::regclass::text FROM pg_index"
        " WHERE indrelid = 'orders'::regclass AND indpred IS NULL"
    )
    with session_database.connect() as connection:
        assert connection.execute(found).scalars().all() == ["pk_orders"]


def test_a_claim_follows_the_index_of_new_orders(scratch: Engine) -> None:
    orders = SqlOrders(scratch)

    def claim() -> object:
        return orders.claim_pending(uuid4(), 1, 4)

    for _ in range(OFTEN):
        claim()
    for _ in range(2):
        assert unsought(scratch, claim) == THE_OLDEST
        analyze_all(scratch)


def test_what_was_planned_for_empty_tables_suits_full_ones(database_url: str) -> None:
    with scratch_database(database_url) as database:
        calls = calls_of(database)
        for _ in range(OFTEN):
            for call in calls.values():
                call()
        orders = SqlOrders(database)
        orders.claim_pending(uuid4(), 1, 4)
        load(database, LARGE)
        assert without_keys(database, calls) == {}
        assert len(orders.claim_pending(uuid4(), 1, A_FEW)) == A_FEW
        assert unsought(database, lambda: orders.claim_pending(uuid4(), 1, 4)) == THE_OLDEST


def test_a_claim_reads_no_more_of_a_crowd_than_it_takes(database_url: str) -> None:
    """Thousands are triggered at once, beside as many that failed an attempt."""
    with scratch_database(database_url) as database:
        with unbounded(), database.connect() as connection:
            connection.execute(text(TRIGGERED), {"size": 20_000})
        orders = SqlOrders(database)
        for _ in range(OFTEN):
            orders.claim_pending(uuid4(), 1, 0)
        (read,) = what_is_read(database, lambda: orders.claim_pending(uuid4(), 1, A_FEW))
        found = [moved.order for moved in orders.claim_pending(uuid4(), 1, A_FEW)]
        assert len(found) == A_FEW
        assert {order.attempt for order in found} == {2}
        # Each row is found, locked, updated, and read for its event and for the answer.
        assert read.rows <= 5 * A_FEW, read.plan


TRIGGERED = """
INSERT INTO orders (id, client_id, symbol, side, quantity, status, version, attempt, first_attempt,
                    due_at, type, time_in_force, limit_price, watch_price, created_at, updated_at)
SELECT gen_random_uuid(), 'local', 'AAPL', 'buy', 1, 'pending', 4, 2, 1 + n % 2, now(), 'limit',
       'GTC', 230, 230, now() - n * interval '1 s', now() - n * interval '1 ms'
FROM generate_series(1, :size) AS n"""
