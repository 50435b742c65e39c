"""Runs the migrations: each in a transaction of its own, one runner at a time."""

import time
from contextlib import contextmanager

from alembic import context
from alembic.util import CommandError
from psycopg2.errors import LockNotAvailable
from sqlalchemy import NullPool, create_engine, event, text
from sqlalchemy.exc import DBAPIError

from orderengine.config.settings import ConfigurationError, libpq_note, migration_database_url
from orderengine.postgres.outages import WORDS, cause_of, driver_words
from orderengine.settlement import tables as settlement_tables
from orderengine.storage import daily_tables, trading_tables

STORED = {each.metadata for each in (daily_tables, trading_tables)}  # one, which they share
METADATA = [*STORED, settlement_tables.metadata]
LOCK = 0x0_0DE_4E61  # arbitrary, but unused by other programs of the database
LOCK_POLL_S = 0.1
LOCK_WAIT_MS = 300
RETRY_S = 2.0


def run_offline() -> None:
    """Print the SQL instead of running it (`alembic upgrade head --sql`)."""
    context.configure(dialect_name="postgresql", target_metadata=METADATA, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


def run_online() -> None:
    """Migrate the configured database, or the connection that a test passes in."""
    connection = context.config.attributes.get("connection")
    if connection is not None:
        _migrate(connection)
        return
    writing = {"target_session_attrs": "read-write", "connect_timeout": 5}
    try:
        url = migration_database_url()
    except ConfigurationError as error:
        raise CommandError(str(error)) from error
    engine = create_engine(url, poolclass=NullPool, connect_args=writing)
    try:
        with engine.connect() as opened:
            _migrate(opened)
    except DBAPIError as error:
        cause = cause_of(error)
        if cause is None:
            raise
        # One line for whoever deploys; a traceback would tell less.
        raise CommandError(_told(cause, error)) from error
    finally:
        engine.dispose()


def _told(cause, error):
    """The cause and the driver's text, which names the server and no password."""
    words = driver_words(error)
    told = WORDS[cause] if words in WORDS[cause] else f"{WORDS[cause]}: {words}"
    named = "DATABASE_URL_UNPOOLED, or DATABASE_URL without it, names the database"
    return f"{told} ({named}{libpq_note()})"


def _migrate(connection):
    with _alone(connection):
        event.listen(connection, "begin", _bound_waits)
        is_told = False
        while not _has_migrated(connection):
            if not is_told:
                print("waits for a transaction that holds a lock; work goes on", flush=True)  # noqa: T201
                is_told = True
            time.sleep(RETRY_S)


def _bound_waits(connection):
    """Let each statement of the transaction wait only briefly for a lock.

    On a busy table, a statement that waits for a lock blocks everything behind it. Creating an
    index concurrently needs no such limit and has no transaction: it blocks nothing.
    """
    with connection.connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = {LOCK_WAIT_MS}")


def _has_migrated(connection):
    """Run the migrations; False if a lock was held and the rest must be tried again."""
    # Called here, because it checks that no transaction is open.
    context.configure(
        connection=connection,
        target_metadata=METADATA,
        compare_server_default=True,
        transaction_per_migration=True,
    )
    try:
        with context.begin_transaction():
            newer = _newer_revision()
            if newer is None:
                context.run_migrations()
            else:
                said = f"the schema is {newer}, of a newer release: nothing to migrate"
                print(said)  # noqa: T201
    except DBAPIError as error:
        if not isinstance(error.orig, LockNotAvailable):
            raise
        connection.rollback()
        return False
    return True


@contextmanager
def _alone(connection):
    """Hold an advisory lock that outlasts the transactions around a concurrently created index.

    An open transaction on another connection holds the lock: a pooler keeps the server's session
    for that transaction, and ends it when its client is gone. A concurrent index waits for all
    snapshots: an idle transaction holds none, but a statement waiting for the lock would.
    """
    with connection.engine.connect() as opened:
        keeper = opened.execution_options(isolation_level="READ COMMITTED")
        while not _took_lock(keeper):
            keeper.rollback()
            time.sleep(LOCK_POLL_S)
        keeper.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        connection.commit()
        try:
            yield
        finally:
            connection.rollback()


def _took_lock(keeper):
    asked = text("SELECT pg_try_advisory_xact_lock(:key)")
    return keeper.execute(asked, {"key": LOCK}).scalar()


def _newer_revision():
    """The schema's revision if an upgrade finds a schema of a newer release.

    A rolled-back release runs this too and must not fail: it works on newer schemas.
    """
    migration = context.get_context()
    if getattr(migration.opts["fn"], "__name__", "") != "upgrade":
        return None
    known = {script.revision for script in context.script.walk_revisions()}
    found = [each for each in migration.get_current_heads() if each not in known]
    return found[0] if found and found[0] > context.script.get_current_head() else None


if context.is_offline_mode():
    run_offline()
else:
    run_online()
