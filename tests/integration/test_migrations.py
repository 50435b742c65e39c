"""The migrations: up, down to empty, up again, and no difference from the tables in the code."""

import re
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import alembic.command
import pytest
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, NullPool, create_engine, event, text

from orderengine.domain.documents import fill_from, fill_leg_from, route_from
from orderengine.domain.order import TERMINAL_STATUSES, OrderStatus
from orderengine.execution.network import SwapLeg
from orderengine.settlement.wire import legs_from
from orderengine.storage.probe import SCHEMA_REVISION
from orderengine.storage.statuses import IS_COUNTED_AT_MOST, IS_EXPIRABLE
from orderengine.storage.terms import LIMITS, LIMITS_COLUMNS, TERMS, TERMS_COLUMNS, guard
from tests.servers import Servers

QUOTE = """jsonb_build_object('dex', {dex}, 'pool', {pool}, 'poolKind', 'cpmm', 'side', 'sell',
    'baseAmount', '100000', 'baseDecimals', 6, 'quoteAmount', '{amount}', 'price', '230',
    'midPrice', '231', 'fee', '0.05', 'marketImpactBps', '1.5',
    'quotedAt', '2026-11-22T12:00:00.000000Z', 'expiresAt', '2026-11-22T12:00:05.000000Z')"""
CONFIRMED_BEFORE_SPLITS = f"""
INSERT INTO orders (id, client_id, symbol, side, quantity, slippage_tolerance_bps, status, version,
    attempt, dex, route, fill)
VALUES (gen_random_uuid(), 'local', 'AAPL', 'sell', 0.1, 100, 'confirmed', 5, 1, 'meteora',
    jsonb_build_object('dex', 'meteora', 'refusals', CAST('{{}}' AS jsonb), 'quotes',
        jsonb_build_array({QUOTE.format(dex="'raydium'", pool="'r-1'", amount=22_000_000)},
                          {QUOTE.format(dex="'meteora'", pool="'m-1'", amount=23_000_000)})),
    CAST('{{"baseAmount": "100000", "quoteAmount": "22900000", "executedPrice": "229",
        "fee": "0.05", "marketImpactBps": "1.5", "slippagePct": "0.4",
        "landedAt": "2026-11-22T12:00:03.000000Z"}}' AS jsonb))"""  # noqa: S608 - constants
EXECUTED_BEFORE_SPLITS = """
INSERT INTO sim_transactions (signature, order_id, attempt, venue, pool, symbol, side, base_amount,
    limit_amount, last_valid_height, received_at, lands_at, outcome, executed_base_amount,
    executed_quote_amount, fee, market_impact_bps)
VALUES ('s', gen_random_uuid(), 1, 'meteora', 'm-1', 'AAPL', 'sell', 100000, 22770000, 9, now(),
    now(), 'executed', 100000, 22900000, 0.05, 1.5)"""

HOLDERS = text(
    """
SELECT state FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND objid = x'0DE4E61'::integer AND granted"""
)


@pytest.fixture
def connection(servers: Servers) -> Iterator[Connection]:
    """A connection with a new, empty schema as its search path."""
    url = servers.database_url.replace("postgresql://", "postgresql+psycopg2://")
    schema = f"migrations_{uuid4().hex}"
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as opened:
        opened.execute(text(f"CREATE SCHEMA {schema}"))
        opened.execute(text(f"SET search_path TO {schema}"))
        opened.commit()
        yield opened
        opened.rollback()
        opened.execute(text(f"DROP SCHEMA {schema} CASCADE"))
        opened.commit()


@pytest.fixture
def config(alembic_config: Config, connection: Connection) -> Iterator[Config]:
    alembic_config.attributes["connection"] = connection
    yield alembic_config
    alembic_config.attributes.pop("connection", None)


def tables(connection: Connection) -> set[str]:
    found = connection.execute(
        text("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
    )
    return set(found.scalars())


def literals(connection: Connection, name: str) -> set[str]:
    """The texts that a constraint or an index compares columns with."""
    found = connection.execute(
        text(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE conname = :name AND connamespace = current_schema()::regnamespace"
            " UNION ALL SELECT indexdef FROM pg_indexes"
            " WHERE indexname = :name AND schemaname = current_schema()"
        ),
        {"name": name},
    )
    return set(re.findall(r"'(\w+)'::text(?!\[)", found.scalar_one())) - {"cause"}


def test_up_check_down_and_up_again(config: Config, connection: Connection) -> None:
    alembic.command.upgrade(config, "head")
    up = tables(connection)
    assert {"orders", "order_events", "transactions", "settlements"} <= up
    alembic.command.check(config)
    alembic.command.downgrade(config, "base")
    assert tables(connection) == {"alembic_version"}
    alembic.command.upgrade(config, "head")
    assert tables(connection) == up


def test_the_newest_constraints_and_indexes_have_the_statuses_of_the_table(
    config: Config, connection: Connection
) -> None:
    """`alembic check` does not compare the text of constraints, nor conditions of indexes."""
    alembic.command.upgrade(config, "head")
    told = {
        "ck_orders_status": set(OrderStatus),
        "ck_orders_due_at": set(TERMINAL_STATUSES),
        "ix_order_events_one_terminal": set(TERMINAL_STATUSES),
        "ix_orders_expires_at": set(re.findall(r"'(\w+)'", IS_EXPIRABLE)),
        "ix_orders_waiting": {OrderStatus.WAITING},
        "ix_orders_client_waiting": {OrderStatus.WAITING},
    }
    for name, statuses in told.items():
        assert literals(connection, name) == statuses, name
    counted = set(re.findall(r"'(\w+)'", IS_COUNTED_AT_MOST)) - {"cause"}
    assert literals(connection, "ix_order_events_counted") == counted


@pytest.mark.parametrize(("name", "rules"), [("terms", TERMS), ("limits", LIMITS)])
def test_the_newest_triggers_keep_the_rules_of_the_code(
    config: Config, connection: Connection, name: str, rules: Mapping[str, str]
) -> None:
    alembic.command.upgrade(config, "head")
    source = connection.execute(
        text(
            "SELECT prosrc FROM pg_proc WHERE proname = :name"
            " AND pronamespace = current_schema()::regnamespace"
        ),
        {"name": f"refuse_wrong_{name}"},
    ).scalar_one()
    assert source == guard(rules)
    columns = {"terms": TERMS_COLUMNS, "limits": LIMITS_COLUMNS}[name]
    assert set(re.findall(r"NEW\.(?!id\b)(\w+)", source)) <= set(columns)


def test_what_was_stored_before_splits_is_read_after_them(
    config: Config, connection: Connection
) -> None:
    alembic.command.upgrade(config, "0002")
    connection.execute(text(CONFIRMED_BEFORE_SPLITS))
    connection.execute(text(EXECUTED_BEFORE_SPLITS))
    alembic.command.upgrade(config, "head")
    route, fill = connection.execute(text("SELECT route, fill FROM orders")).one()
    assert route_from(route).legs == (route_from(route).quotes[1],)
    assert route_from(route).legs[0].limit_amount == 22_770_000
    assert (fill_from(fill).legs[0].pool, fill_from(fill).legs[0].quote_amount) == (
        "m-1",
        22_900_000,
    )
    ledger = connection.execute(text("SELECT legs, executed_legs FROM sim_transactions")).one()
    assert legs_from(ledger.legs) == (SwapLeg("meteora", "m-1", 100_000),)
    assert fill_leg_from(ledger.executed_legs[0]).quote_amount == 22_900_000
    alembic.command.downgrade(config, "0002")
    found = connection.execute(text("SELECT venue, pool FROM sim_transactions")).one()
    assert tuple(found) == ("meteora", "m-1")


def test_an_older_release_leaves_a_newer_schema_as_it_is(
    config: Config, connection: Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    alembic.command.upgrade(config, "head")
    there = tables(connection)
    connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    alembic.command.upgrade(config, "head")
    assert "the schema is 9999, of a newer release" in capsys.readouterr().out
    assert tables(connection) == there
    for revision in ("base", "0001"):
        with pytest.raises(CommandError, match="9999"):
            alembic.command.downgrade(config, revision)
    connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    with pytest.raises(CommandError, match="0000"):
        alembic.command.upgrade(config, "head")


def test_a_transaction_holds_the_lock_of_a_migration_while_an_index_is_made(
    config: Config, connection: Connection
) -> None:
    """A pooler in transaction mode gives a session to others unless a transaction is open."""
    states: list[str] = []

    def look(*args: Any) -> None:
        if "CONCURRENTLY" in args[2]:
            with connection.engine.connect() as other:
                states.extend(other.execute(HOLDERS).scalars())

    event.listen(connection, "before_cursor_execute", look)
    alembic.command.upgrade(config, "head")
    assert set(states) == {"idle in transaction"}


def test_a_migration_waits_for_a_lock_and_holds_up_nobody(
    config: Config, connection: Connection
) -> None:
    """A statement that waits for a lock on the table would block all statements behind it."""
    alembic.command.upgrade(config, "0009")
    schema = connection.execute(text("SELECT current_schema()")).scalar_one()
    given_up = threading.Event()
    event.listen(connection.engine, "handle_error", lambda _: given_up.set())
    with (
        connection.engine.connect() as reader,
        connection.engine.connect() as writer,
        ThreadPoolExecutor(1) as threads,
    ):
        reader.execute(text(f"SELECT FROM {schema}.orders"))
        migrated = threads.submit(alembic.command.upgrade, config, "head")
        try:
            assert given_up.wait(60.0)
            writer.execute(text(f"LOCK TABLE {schema}.orders IN ROW EXCLUSIVE MODE"))
            assert not migrated.done()
        finally:
            writer.rollback()
            reader.rollback()
        migrated.result()


def test_no_migration_waits_for_long_behind_an_index_that_is_made_concurrently(
    config: Config, connection: Connection
) -> None:
    alembic.command.upgrade(config, "0008")
    bounds: list[str] = []

    def look(*args: Any) -> None:
        # Validating a constraint keeps nobody waiting, so it may wait itself.
        if args[2].startswith("ALTER TABLE orders") and "VALIDATE" not in args[2]:
            args[1].execute("SHOW lock_timeout")
            bounds.append(args[1].fetchone()[0])

    event.listen(connection, "before_cursor_execute", look)
    alembic.command.upgrade(config, "head")
    assert set(bounds) == {"300ms"}


def test_the_probe_knows_the_newest_revision(config: Config, connection: Connection) -> None:
    alembic.command.upgrade(config, "head")
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    assert found == SCHEMA_REVISION
