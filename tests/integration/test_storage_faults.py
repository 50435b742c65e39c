"""Causes why no order can be written: named for operators and clients, never a defect."""

from collections.abc import Iterator
from uuid import uuid4

import psycopg2.errors
import pytest
from sqlalchemy import Engine, make_url, text

from orderengine.domain.access import ApiKey
from orderengine.domain.errors import StorageCause, StorageUnavailable
from orderengine.domain.order import NewOrder
from orderengine.postgres.database import (
    Statement,
    create_database_engine,
    health_of,
    outages_as,
    run,
)
from orderengine.storage.keys import SqlKeys
from orderengine.storage.orders import SqlOrders
from orderengine.storage.probe import connection_limit, database_fault

ROLE = "orderengine_tests_limited"
ANYTHING = Statement("SELECT 1 AS one")
FILLS_DISK = Statement("INSERT INTO fills_disk (number) VALUES (:number) RETURNING number")


@pytest.fixture
def limited(database: Engine, database_url: str) -> Iterator[Engine]:
    """Connections of a user that may only read; a test may change its rights."""
    tell(database, f"CREATE ROLE {ROLE} LOGIN PASSWORD 'x'", f"GRANT pg_read_all_data TO {ROLE}")
    url = make_url(database_url).set(username=ROLE, password="x")
    engine = create_database_engine(
        url.render_as_string(hide_password=False), pool_size=2, application="tests-limited"
    )
    yield engine
    engine.dispose()
    tell(database, f"DROP OWNED BY {ROLE}", f"DROP ROLE {ROLE}")


def tell(database: Engine, *statements: str) -> None:
    with database.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))


def cause_found(engine: Engine) -> StorageCause | None:
    found = database_fault(engine)
    return None if found is None else found.cause


def test_a_database_that_takes_orders_has_no_fault(database: Engine) -> None:
    assert database_fault(database) is None


def test_missing_rights_are_an_outage_that_says_which(limited: Engine, new_order: NewOrder) -> None:
    found = database_fault(limited)
    assert found is not None
    assert found.cause is StorageCause.NO_RIGHTS
    assert "INSERT on orders" in found.detail
    with pytest.raises(StorageUnavailable, match="lacks rights") as refused:
        SqlOrders(limited).accept(new_order)
    assert refused.value.cause is StorageCause.NO_RIGHTS


def test_a_user_that_may_not_even_read_lacks_rights(database: Engine, limited: Engine) -> None:
    tell(database, f"REVOKE pg_read_all_data FROM {ROLE}")
    assert cause_found(limited) is StorageCause.NO_RIGHTS


def test_a_session_that_may_not_write_is_a_fault(database: Engine, limited: Engine) -> None:
    tell(
        database,
        f"GRANT pg_write_all_data TO {ROLE}",
        f"ALTER ROLE {ROLE} SET default_transaction_read_only = on",
    )
    assert cause_found(limited) is StorageCause.READ_ONLY
    tell(database, f"ALTER ROLE {ROLE} RESET default_transaction_read_only")
    assert cause_found(limited) is None


def test_orders_are_read_while_no_server_takes_writes(
    database: Engine, limited: Engine, new_order: NewOrder
) -> None:
    SqlOrders(database).accept(new_order)
    tell(
        database,
        f"GRANT pg_write_all_data TO {ROLE}",
        f"ALTER ROLE {ROLE} SET default_transaction_read_only = on",
    )
    orders = SqlOrders(limited, database)
    assert orders.get(new_order.order_id) is not None
    assert [event.seq for event in orders.events(new_order.order_id)] == [1]
    assert orders.events_after({new_order.order_id: 1}) == []
    with pytest.raises(StorageUnavailable):  # a standby may lag, so a missing row is no 404
        orders.get(uuid4())
    with pytest.raises(StorageUnavailable, match="read-only"):
        SqlOrders(limited).get(new_order.order_id)
    key = ApiKey("0123456789abcdef", "anna", b"x" * 32)
    SqlKeys(database).add(key)
    assert SqlKeys(limited, database).use(key.key_id, key.digest) == key
    with pytest.raises(StorageUnavailable):
        SqlKeys(limited, database).use("fedcba9876543210", key.digest)


@pytest.mark.parametrize(
    "options",
    [
        {"sslmode": "require"},
        {"sslmode": "verify-full", "sslrootcert": "/no/such/authority.pem"},
    ],
)
def test_tls_asked_of_a_server_without_is_named(
    database_url: str, options: dict[str, str], new_order: NewOrder
) -> None:
    url = make_url(database_url).update_query_dict(options).render_as_string(hide_password=False)
    engine = create_database_engine(url, pool_size=1, application="tests-tls")
    assert cause_found(engine) is StorageCause.TLS
    with pytest.raises(StorageUnavailable, match="do not agree about TLS") as refused:
        SqlOrders(engine).accept(new_order)
    assert refused.value.cause is StorageCause.TLS
    engine.dispose()


def test_a_wrong_password_and_a_server_without_connections_are_named(
    database: Engine, limited: Engine
) -> None:
    tell(database, f"GRANT pg_write_all_data TO {ROLE}", f"ALTER ROLE {ROLE} CONNECTION LIMIT 0")
    assert cause_found(limited) is StorageCause.NO_CONNECTION_LEFT
    assert health_of(limited).lacked_connections()
    tell(database, f"ALTER ROLE {ROLE} CONNECTION LIMIT 7")
    assert cause_found(limited) is None
    room = connection_limit(limited)
    assert room is not None
    assert (room.allowed, room.is_pooled) == (7, False)
    tell(database, f"ALTER ROLE {ROLE} PASSWORD 'y'")
    limited.dispose()
    assert cause_found(limited) is StorageCause.NO_ACCESS


def test_a_pool_in_use_is_named(database: Engine, database_url: str) -> None:
    engine = create_database_engine(
        database_url, pool_size=1, max_overflow=0, application="tests-crowded"
    )
    lent = engine.raw_connection()
    with pytest.raises(StorageUnavailable, match="in use"), outages_as(StorageUnavailable, "none"):
        run(engine, ANYTHING, {})
    lent.close()
    assert health_of(engine).lacked_connections()
    assert database_fault(engine) is None
    engine.dispose()


def test_a_full_disk_is_told_by_the_last_write(database: Engine, database_url: str) -> None:
    """Reads still work, so nothing else reveals the full disk."""
    tell(
        database,
        "CREATE TABLE IF NOT EXISTS fills_disk (number integer)",
        "CREATE OR REPLACE FUNCTION fill_disk() RETURNS trigger LANGUAGE plpgsql AS $$"
        " BEGIN IF NEW.number > 1 THEN RAISE EXCEPTION 'full' USING ERRCODE = '53100'; END IF;"
        " RETURN NEW; END $$",
        "CREATE OR REPLACE TRIGGER full_disk BEFORE INSERT ON fills_disk"
        " FOR EACH ROW EXECUTE FUNCTION fill_disk()",
    )
    engine = create_database_engine(database_url, pool_size=1, application="tests-full")
    try:
        with (
            pytest.raises(StorageUnavailable, match="disk is full") as refused,
            outages_as(StorageUnavailable, "none"),
        ):
            run(engine, FILLS_DISK, {"number": 2})
        assert isinstance(getattr(refused.value.__cause__, "orig", None), psycopg2.errors.DiskFull)
        assert cause_found(engine) is StorageCause.DISK_FULL
        run(engine, FILLS_DISK, {"number": 1})
        assert cause_found(engine) is None
    finally:
        engine.dispose()
        tell(database, "DROP TABLE fills_disk", "DROP FUNCTION fill_disk")
