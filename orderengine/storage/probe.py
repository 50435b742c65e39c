"""Checks that PostgreSQL takes orders and has the schema that this code expects."""

from dataclasses import dataclass

from sqlalchemy import Engine, text
from sqlalchemy.exc import ProgrammingError

from orderengine.domain.errors import StorageCause, StorageFault, StorageUnavailable
from orderengine.postgres.database import DATABASE_ERRORS, Statement, health_of, outages_as, run
from orderengine.postgres.outages import WORDS

SCHEMA_REVISION = "0025"

# The rights needed to accept and move an order. Checking rights needs no write.
_PROBE = Statement(
    """
SELECT (SELECT version_num FROM alembic_version) AS revision,
       pg_is_in_recovery() OR CAST(current_setting('transaction_read_only') AS boolean)
           AS read_only,
       (SELECT string_agg(right_name || ' on ' || table_name, ', ')
        FROM (VALUES ('orders', 'SELECT'), ('orders', 'INSERT'), ('orders', 'UPDATE'),
                     ('order_events', 'SELECT'), ('order_events', 'INSERT'),
                     ('transactions', 'SELECT'), ('transactions', 'INSERT'),
                     ('transactions', 'UPDATE'), ('settlements', 'INSERT'),
                     ('trading_halts', 'SELECT'), ('price_watches', 'INSERT'),
                     ('price_watches', 'SELECT'), ('price_watches', 'UPDATE'),
                     ('idempotency_keys', 'SELECT'), ('idempotency_keys', 'INSERT'))
             AS wanted (table_name, right_name)
        WHERE NOT coalesce(has_table_privilege(to_regclass(table_name), right_name), true))
           AS denied"""
)

_ONLY_WRITES_TELL = {
    StorageCause.DISK_FULL,
    StorageCause.OUT_OF_MEMORY,
    StorageCause.NO_RIGHTS,
    StorageCause.NO_CONNECTION_LEFT,
}

_CONNECTION_LIMIT = text(
    """
SELECT least(
    CAST(current_setting('max_connections') AS integer)
        - CAST(current_setting('superuser_reserved_connections') AS integer)
        - CAST(coalesce(current_setting('reserved_connections', true), '0') AS integer),
    nullif(r.rolconnlimit, -1), nullif(d.datconnlimit, -1)
) AS allowed, pg_backend_pid() AS pid
FROM pg_roles r, pg_database d
WHERE r.rolname = current_user AND d.datname = current_database()"""
)


@dataclass(frozen=True, slots=True)
class ConnectionLimit:
    """How many connections the server allows the engine's user, and whether through a pooler."""

    allowed: int
    is_pooled: bool


def database_fault(engine: Engine) -> StorageFault | None:
    """Why orders cannot be written, or that the schema is not current; else None.

    Never raises. A fault that only a write can show, such as a full disk, comes from this process's
    last write, if that was a moment ago.
    """
    try:
        with outages_as(StorageUnavailable, "PostgreSQL gives no answer"):
            (row,) = run(engine, _PROBE, {})
    except ProgrammingError:
        return StorageFault(StorageCause.MIGRATIONS, "the migrations were never run")
    except StorageUnavailable as error:
        return StorageFault(error.cause, WORDS[error.cause])
    if row.read_only:
        return StorageFault(StorageCause.READ_ONLY, WORDS[StorageCause.READ_ONLY])
    if row.denied:
        detail = f"the user of DATABASE_URL may not {row.denied}"
        return StorageFault(StorageCause.NO_RIGHTS, detail)
    if row.revision is None or row.revision < SCHEMA_REVISION:
        detail = f"migrations are behind: {row.revision or 'none'} instead of {SCHEMA_REVISION}"
        return StorageFault(StorageCause.MIGRATIONS, detail)
    cause = health_of(engine).write_fault()
    if cause in _ONLY_WRITES_TELL:
        return StorageFault(cause, f"the last order could not be written: {WORDS[cause]}")
    return None


def connection_limit(engine: Engine) -> ConnectionLimit | None:
    """How many connections are allowed; None without an answer."""
    try:
        with engine.connect() as connection:
            row = connection.execute(_CONNECTION_LIMIT).one()
            driver = connection.connection.dbapi_connection
            return ConnectionLimit(row.allowed, is_pooled=_known_pid(driver) != row.pid)
    except DATABASE_ERRORS:
        return None


def _known_pid(driver: object) -> object:
    """The server process's id as the driver learned it; with a pooler it is not the real one."""
    info = getattr(driver, "info", None)
    return getattr(info, "backend_pid", None)
