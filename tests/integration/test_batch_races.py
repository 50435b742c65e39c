"""Batches on the real PostgreSQL: many at once, lost answers, and how much the statements read."""

import random
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from harness.waiting import wait_until
from orderengine.domain.errors import ClientOrderIdTaken, IdempotencyConflict, StorageUnavailable
from orderengine.domain.order import NewOrder
from orderengine.execution.intake.accept import accept_order
from orderengine.execution.intake.batch import (
    BatchKey,
    Denied,
    Placed,
    Result,
    accept_batch,
    replayed_batch,
)
from orderengine.execution.intake.starting import DirectStarter
from orderengine.postgres.database import create_database_engine
from orderengine.storage.batches import SqlBatches
from orderengine.storage.orders import SqlOrders
from tests.conftest import a_new_order
from tests.fakes import FakeDispatcher, FakePublisher
from tests.integration.test_idempotency_races import SLOW_TO_COMMIT, STORE_UNCOMMITTED, count

KEY = BatchKey("k-1", b"f-1")
THREADS = 8


@pytest.fixture
def batches(database: Engine) -> SqlBatches:
    return SqlBatches(database)


def batch_of(number: int, names: Sequence[str | None] = ()) -> list[NewOrder | Denied]:
    ids = sorted(uuid4() for _ in range(number))
    chosen = list(names) or [None] * number
    return [
        replace(a_new_order(), order_id=order_id, client_order_id=name)
        for order_id, name in zip(ids, chosen, strict=True)
    ]


def accept(
    batches: SqlBatches, wanted: Sequence[NewOrder | Denied], key: BatchKey | None = None
) -> Sequence[Result]:
    return accept_batch(batches, DirectStarter(FakePublisher(), FakeDispatcher()), wanted, key)


def ids(results: Sequence[Result]) -> list[UUID]:
    return [each.accepted.order_id for each in results if isinstance(each, Placed)]


def test_of_many_requests_with_one_key_one_places_its_orders(
    batches: SqlBatches, database: Engine
) -> None:
    for number in range(5):
        barrier = threading.Barrier(THREADS)
        key = BatchKey(f"k-{number}", b"f")

        def race(_: int, barrier: threading.Barrier = barrier, key: BatchKey = key) -> list[UUID]:
            barrier.wait()
            return ids(accept(batches, batch_of(20), key))

        with ThreadPoolExecutor(THREADS) as pool:
            answers = list(pool.map(race, range(THREADS)))
        assert len(answers[0]) == 20
        assert all(answer == answers[0] for answer in answers)
    assert count(database, "orders") == count(database, "order_events") == 100


@pytest.mark.parametrize("keyed", [False, True])
def test_batches_that_want_the_same_names_in_any_order_do_not_block_each_other(
    batches: SqlBatches, database: Engine, keyed: bool
) -> None:
    names: list[str | None] = [f"n-{number}" for number in range(50)]
    barrier = threading.Barrier(THREADS)

    def race(number: int) -> Sequence[Result]:
        mixed = names.copy()
        random.Random(number).shuffle(mixed)  # noqa: S311 - the same order in each run
        barrier.wait()
        key = BatchKey(f"k-{number}", b"f") if keyed else None
        return accept(batches, batch_of(50, mixed), key)

    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(race, range(THREADS)))
    assert sum(len(ids(each)) for each in answers) == count(database, "orders") == 50
    taken = [one for each in answers for one in each if isinstance(one, ClientOrderIdTaken)]
    assert len(taken) == 50 * (THREADS - 1)


def test_an_order_and_a_batch_that_want_one_name_get_it_once(
    batches: SqlBatches, database: Engine
) -> None:
    orders = SqlOrders(database)
    for number in range(10):
        barrier = threading.Barrier(2)
        name = f"n-{number}"

        def alone(name: str = name, barrier: threading.Barrier = barrier) -> int:
            order = replace(a_new_order(), client_order_id=name)
            barrier.wait()
            try:
                accept_order(orders, DirectStarter(FakePublisher(), FakeDispatcher()), order)
            except ClientOrderIdTaken:
                return 0
            return 1

        def together(name: str = name, barrier: threading.Barrier = barrier) -> int:
            wanted = batch_of(2, [name, None])
            barrier.wait()
            return len(ids(accept(batches, wanted, BatchKey(name, b"f")))) - 1

        with ThreadPoolExecutor(2) as pool:
            assert sum(each.result() for each in (pool.submit(alone), pool.submit(together))) == 1
    assert count(database, "idempotency_keys") == 10


def test_a_key_that_is_being_stored_is_waited_for_and_then_a_conflict(
    database_url: str, batches: SqlBatches, database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orderengine.storage.batches.KEY_WAIT_MS", 100)
    holder = create_database_engine(database_url, pool_size=1, application="tests-holder")
    with holder.connect().execution_options(isolation_level="READ COMMITTED") as first:
        first.execute(STORE_UNCOMMITTED)
        with pytest.raises(IdempotencyConflict):
            accept(batches, batch_of(3), KEY)
        assert count(database, "orders") == 0
        first.rollback()
    holder.dispose()
    assert len(ids(accept(batches, batch_of(3), KEY))) == 3
    with database.connect() as connection:
        assert connection.execute(text("SHOW lock_timeout")).scalar_one() == "0"


def test_a_batch_whose_outcome_was_unknown_finds_its_orders(
    database_url: str, database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server commits after the client has given up."""
    engine = create_database_engine(database_url, pool_size=1, application="tests-impatient")
    batches = SqlBatches(engine)
    accept(batches, batch_of(1), BatchKey("k-0", b""))  # connects and prepares
    with database.connect() as connection:
        connection.execute(text(SLOW_TO_COMMIT.text.replace("FOR EACH ROW", "FOR EACH STATEMENT")))
    monkeypatch.setattr("orderengine.postgres.sessions.STATEMENT_TIMEOUT_S", 0.2)
    wanted = batch_of(10)
    try:
        with pytest.raises(StorageUnavailable):
            accept(batches, wanted, KEY)
        monkeypatch.undo()
        wait_until(lambda: count(database, "orders") == 11)
        again = accept(batches, batch_of(10), KEY)
        assert ids(again) == [each.order_id for each in wanted if isinstance(each, NewOrder)]
        assert ids(replayed_batch(batches, "local", KEY) or ()) == ids(again)
        assert count(database, "orders") == count(database, "order_events") == 11
    finally:
        with database.connect() as connection:
            connection.execute(text("DROP FUNCTION wait_a_while CASCADE"))
        engine.dispose()


def test_all_orders_of_a_batch_are_stored_by_one_transaction(
    batches: SqlBatches, database: Engine
) -> None:
    accept(batches, batch_of(100), KEY)
    with database.connect() as connection:
        found = connection.execute(
            text(
                "SELECT count(DISTINCT o.xmin::text), count(DISTINCT e.xmin::text),"
                " count(DISTINCT o.created_at), bool_and(o.due_at > now()), count(*)"
                " FROM orders o JOIN order_events e ON e.order_id = o.id"
            )
        ).one()
    assert tuple(found) == (1, 1, 1, True, 100)
