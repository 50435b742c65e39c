"""Connections to PostgreSQL: autocommit, pooled, and with time limits on the client's side."""

import contextlib
import hashlib
import re
import select
from collections import namedtuple
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg2
import psycopg2.errors
import psycopg2.extensions
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    DisconnectionError,
    IntegrityError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import PoolProxiedConnection

from orderengine.domain.errors import StorageCause, StorageUnavailable
from orderengine.domain.json_text import json_value
from orderengine.postgres.outages import WORDS, PoolHealth, cause_of
from orderengine.postgres.sessions import Connector, end_pooled, wait_bounded

Row = Any
"""A row of a result: a named tuple of its columns."""

CONNECT_TIMEOUT_S = 2
_KEEPALIVES = {"keepalives_idle": 30, "keepalives_interval": 5, "keepalives_count": 3}
POOL_TIMEOUT_S = 1.0

ON_THE_SERVER: Mapping[str, str | int] = {"statement_timeout": 1500}
"""Makes PostgreSQL itself end a statement, in ms, before the client gives up on it.

Otherwise the server would go on with a statement whose rows nobody wants any more.
"""

BY_INDEX: Mapping[str, str | int] = {
    **ON_THE_SERVER,
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_sort": "off",
    "max_parallel_workers_per_gather": 0,
}
"""Makes the planner read in the order of an index, whatever its statistics say."""

DATABASE_DEFECTS = (DataError, IntegrityError, ProgrammingError)
"""Errors for a faulty statement, unless `cause_of` finds a cause."""

DATABASE_ERRORS = (DBAPIError, PoolTimeoutError)
"""Errors for a missing answer."""


def create_database_engine(
    url: str,
    *,
    pool_size: int,
    application: str,
    max_overflow: int | None = None,
    writes: bool = True,
    pool_timeout_s: float = POOL_TIMEOUT_S,
) -> Engine:
    """Make an engine whose every statement is a transaction of its own.

    One statement decides each step of an order, so nothing ever locks a row while a process
    sleeps. `url` must name the psycopg2 driver. No session state is set, so that a pooled host in
    transaction mode works, too. `max_overflow` connections may be open beyond `pool_size`; the
    default is `pool_size`. A statement waits `pool_timeout_s` seconds for a free connection. With
    `writes`, connections go to a server that takes writes, else to any server.
    """
    psycopg2.extensions.set_wait_callback(wait_bounded)
    health = PoolHealth()
    engine = create_engine(
        url,
        isolation_level="AUTOCOMMIT",
        pool_size=pool_size,
        max_overflow=pool_size if max_overflow is None else max_overflow,
        pool_timeout=pool_timeout_s,
        pool_recycle=1800,
        connect_args={
            **_KEEPALIVES,
            "connect_timeout": CONNECT_TIMEOUT_S,
            "application_name": application,
            "target_session_attrs": "read-write" if writes else "any",
        },
        json_deserializer=json_value,
        pool_reset_on_return=None,  # no transaction is ever left open
        execution_options={_HEALTH: health},
    )
    event.listen(engine, "do_connect", Connector())
    event.listen(engine, "connect", _Opened(health))
    event.listen(engine, "checkout", _refuse_suspect)
    return engine


def health_of(engine: Engine) -> PoolHealth:
    """The recent results of an engine's statements."""
    health: PoolHealth = engine.get_execution_options()[_HEALTH]
    return health


_PARAMETER = re.compile(r"(?<![:\w]):([a-z_]\w*)")
_PREPARED = "orderengine.prepared"
_PLAIN_ONLY = "orderengine.plain_only"
_USED_BEFORE = "orderengine.used_before"
_HEALTH = "orderengine.health"
_OPENED_AT = "orderengine.opened_at"
_WRITES = re.compile(r"\b(INSERT INTO|UPDATE \w|DELETE FROM)")


class Statement:
    """One SQL statement with `:named` parameters, parsed and planned once per connection.

    Planning these statements costs PostgreSQL more than running them. The prepared name is a hash
    of the text, so that a statement which another client prepared on a shared server connection is
    the same one. Raises ValueError for a percent sign, which the driver would interpret.

    `settings` apply to this statement alone: they are sent with it, and PostgreSQL runs the
    statements of one message in one transaction, also behind a pooler in transaction mode.
    """

    def __init__(self, sql: str, settings: Mapping[str, str | int] | None = None) -> None:
        if "%" in sql:
            raise ValueError("a statement must not contain a percent sign")
        changes = (f"SET LOCAL {name} = {value}; " for name, value in (settings or {}).items())
        self.local = local = "".join(changes)
        names = list(dict.fromkeys(_PARAMETER.findall(sql)))
        places = {name: f"${number}" for number, name in enumerate(names, start=1)}
        self.sql = sql
        self.writes = _WRITES.search(sql) is not None
        self.plain = local + _PARAMETER.sub(r"%(\1)s", sql)
        self.name = f"orderengine_{hashlib.sha256(sql.encode()).hexdigest()[:16]}"
        body = _PARAMETER.sub(lambda found: places[found[1]], sql)
        arguments = ", ".join(f"%({name})s" for name in names)
        self.prepare = f"PREPARE {self.name} AS {body}"
        self.execute = f"{local}EXECUTE {self.name}" + (f"({arguments})" if names else "")
        self._record: Any = None

    def rows(self, cursor: DBAPICursor) -> list[Row]:
        """The rows that this statement returned."""
        columns = cursor.description
        if self._record is None or len(self._record._fields) != len(columns):
            names = [column[0] for column in columns]
            self._record = namedtuple("Row", names, rename=True)  # type: ignore[misc]
        return list(map(self._record._make, cursor.fetchall()))


@contextmanager
def outages_as(unavailable: type[Exception], no_answer: str) -> Iterator[None]:
    """Turn a missing answer into `unavailable`; an error of ours stays as it is."""
    try:
        yield
    except DATABASE_ERRORS as error:
        cause = cause_of(error)
        if cause is None:
            raise
        outage = unavailable(_outage_text(no_answer, error, cause))
        if isinstance(outage, StorageUnavailable):
            outage.cause = cause
        raise outage from error


def _outage_text(no_answer: str, error: Exception, cause: StorageCause) -> str:
    # A server that refuses has answered, so its cause says enough.
    return (
        f"{no_answer}: {type(error).__name__}" if cause is StorageCause.NO_ANSWER else WORDS[cause]
    )


def run(engine: Engine, statement: Statement, values: Mapping[str, Any]) -> list[Row]:
    """Run one statement as a transaction of its own; raises SQLAlchemy's errors.

    The pool is SQLAlchemy's, but the cursor is the driver's: a result of SQLAlchemy's own costs as
    much time as the whole exchange with the server (docs/decisions/0035-lean-processes.md).
    """
    health = health_of(engine)
    try:
        connection = engine.raw_connection()
        try:
            rows = _run(connection, statement, values)
        except psycopg2.Error as error:
            _suspect_connections(connection, health, error)
            raise
        finally:
            _give_back(connection)
    except (psycopg2.Error, DBAPIError, PoolTimeoutError) as error:
        _note(health, statement, error)
        if not isinstance(error, psycopg2.Error):
            raise
        raise DBAPIError.instance(
            statement.sql, None, error, psycopg2.Error, hide_parameters=True, dialect=engine.dialect
        ) from error
    health.succeeded(writing=statement.writes)
    return rows


def _note(health: PoolHealth, statement: Statement, error: Exception) -> None:
    cause = cause_of(error)
    if cause is not None and not isinstance(error, psycopg2.errors.LockNotAvailable):
        health.failed(cause, writing=statement.writes)


def _suspect_connections(
    connection: PoolProxiedConnection, health: PoolHealth, error: Exception
) -> None:
    """Replace a connection that leads to the wrong server or to none.

    Connections that were opened earlier are replaced as well, when they are used next.
    """
    lent = connection.dbapi_connection
    is_lost = lent is None or bool(lent.closed)
    cause = cause_of(error)
    if is_lost or cause in {StorageCause.READ_ONLY, StorageCause.STARTING}:
        health.doubt(connection.info.get(_OPENED_AT, health.doubts))
        if not is_lost:
            if cause is StorageCause.READ_ONLY:
                end_pooled(lent)
            connection.invalidate()


def _give_back(connection: PoolProxiedConnection) -> None:
    lent = connection.dbapi_connection
    if lent is not None and lent.closed:
        connection.invalidate()
    else:
        connection.close()


def _run(
    connection: PoolProxiedConnection, statement: Statement, values: Mapping[str, Any]
) -> list[Row]:
    cursor = connection.cursor()
    if not connection.info.get(_PLAIN_ONLY):
        _prepare(connection, cursor, statement)
        try:
            cursor.execute(statement.execute, values)
            return statement.rows(cursor)
        except _NOT_PREPARED_HERE:
            # Nothing was run. Send the plain statement, now and later on this connection.
            connection.info[_PLAIN_ONLY] = True
    cursor.execute(statement.plain, values)
    return statement.rows(cursor)


_NOT_PREPARED_HERE = (
    psycopg2.errors.InvalidSqlStatementName,  # a pooler in transaction mode chose another server
    psycopg2.errors.FeatureNotSupported,  # a migration has changed the type of a column
)


def _prepare(connection: PoolProxiedConnection, cursor: DBAPICursor, statement: Statement) -> None:
    prepared: set[str] = connection.info.setdefault(_PREPARED, set())
    if statement.name in prepared:
        return
    with contextlib.suppress(psycopg2.errors.DuplicatePreparedStatement):
        cursor.execute(statement.prepare)
    prepared.add(statement.name)


class _Opened:
    """Notes on each new connection the number of doubts so far."""

    def __init__(self, health: PoolHealth) -> None:
        self._health = health

    def __call__(self, _dbapi_connection: Any, record: Any) -> None:
        record.info[_HEALTH] = self._health
        record.info[_OPENED_AT] = self._health.doubts


def _refuse_suspect(dbapi_connection: Any, record: Any, _proxy: Any) -> None:
    """Replace a connection that is in doubt, or that the server closed while it was idle.

    An idle socket is readable only after a close or a notice; checking it needs no round trip,
    unlike a ping before every statement. A new connection is not checked: if the server ends two in
    a row, the pool gives up with an error of its own kind, and the first statement fails as well.
    """
    if not record.info.setdefault(_USED_BEFORE, False):
        record.info[_USED_BEFORE] = True
        return
    if record.info[_OPENED_AT] != record.info[_HEALTH].doubts:
        raise DisconnectionError("the connection may lead to a server that takes no writes")
    poller = select.poll()
    poller.register(dbapi_connection.fileno(), select.POLLIN)
    if poller.poll(0):
        raise DisconnectionError("the server closed the connection")
