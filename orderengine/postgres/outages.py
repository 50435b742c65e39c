"""Why PostgreSQL did not execute a statement: an outage with a cause, or a defect of ours."""

import threading
import time
from collections import Counter
from collections.abc import Mapping

import psycopg2
import structlog
from psycopg2 import errorcodes
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from orderengine.config.settings import libpq_note
from orderengine.domain.errors import StorageCause

log = structlog.get_logger(__name__)

RECENT_S = 15.0
"""How long a failed write shows that no order can be written."""

LOG_AGAIN_S = 60.0
"""The shortest time between two log lines about a recurring outage."""

WORDS: Mapping[StorageCause, str] = {
    StorageCause.NO_ANSWER: "PostgreSQL gives no answer",
    StorageCause.STARTING: "PostgreSQL accepts no connections yet, or no longer",
    StorageCause.READ_ONLY: "PostgreSQL is read-only: a standby, or default_transaction_read_only",
    StorageCause.DISK_FULL: "PostgreSQL's disk is full",
    StorageCause.OUT_OF_MEMORY: "PostgreSQL is out of memory",
    StorageCause.NO_CONNECTION_LEFT: (
        "PostgreSQL has no connection left: its max_connections, or a limit of the role or the"
        " database, must allow 16 for each web service"
        " and 2 * (ORDER_CONCURRENCY + 2) for each worker"
    ),
    StorageCause.POOL_IN_USE: "all connections of this process to PostgreSQL are in use",
    StorageCause.NO_ACCESS: "PostgreSQL refuses the user, password or database of DATABASE_URL",
    StorageCause.TLS: "PostgreSQL and DATABASE_URL do not agree about TLS (sslmode)",
    StorageCause.NO_RIGHTS: "the user of DATABASE_URL lacks rights on the engine's tables",
    StorageCause.MIGRATIONS: "the migrations were never run, or are behind",
}

_BY_CODE: Mapping[str, StorageCause] = {
    errorcodes.READ_ONLY_SQL_TRANSACTION: StorageCause.READ_ONLY,
    errorcodes.ADMIN_SHUTDOWN: StorageCause.STARTING,
    errorcodes.CRASH_SHUTDOWN: StorageCause.STARTING,
    errorcodes.CANNOT_CONNECT_NOW: StorageCause.STARTING,
    errorcodes.DISK_FULL: StorageCause.DISK_FULL,
    errorcodes.OUT_OF_MEMORY: StorageCause.OUT_OF_MEMORY,
    errorcodes.TOO_MANY_CONNECTIONS: StorageCause.NO_CONNECTION_LEFT,
    errorcodes.INSUFFICIENT_PRIVILEGE: StorageCause.NO_RIGHTS,
    errorcodes.INVALID_AUTHORIZATION_SPECIFICATION: StorageCause.NO_ACCESS,
    errorcodes.INVALID_PASSWORD: StorageCause.NO_ACCESS,
    errorcodes.INVALID_CATALOG_NAME: StorageCause.NO_ACCESS,
}

# The driver has no error code for a refused connection: only its text is left.
_BY_WORDS: tuple[tuple[str, StorageCause], ...] = (
    ("session is read-only", StorageCause.READ_ONLY),
    ("hot standby mode", StorageCause.READ_ONLY),
    ("the database system is", StorageCause.STARTING),
    ("too many clients", StorageCause.NO_CONNECTION_LEFT),
    ("too many connections", StorageCause.NO_CONNECTION_LEFT),
    ("connection slots are reserved", StorageCause.NO_CONNECTION_LEFT),
    ("no more connections allowed", StorageCause.NO_CONNECTION_LEFT),  # PgBouncer
    ("server does not support SSL", StorageCause.TLS),
    ("SSL error: certificate", StorageCause.TLS),
    ("does not match host name", StorageCause.TLS),
    ("root certificate file", StorageCause.TLS),
    ("no encryption", StorageCause.TLS),  # pg_hba.conf accepts TLS connections only
    ("password authentication failed", StorageCause.NO_ACCESS),
    ("no pg_hba.conf entry", StorageCause.NO_ACCESS),
    ("is not permitted to log in", StorageCause.NO_ACCESS),
    ("does not exist", StorageCause.NO_ACCESS),
    ("permission denied for database", StorageCause.NO_ACCESS),
)

_NOT_MIGRATED = {errorcodes.UNDEFINED_TABLE, errorcodes.UNDEFINED_COLUMN}


def lacks_migrations(error: BaseException) -> bool:
    """Whether a statement lacked a table or column of this release, for a hint to the operator."""
    original = error.orig if isinstance(error, DBAPIError) else error
    return getattr(original, "pgcode", None) in _NOT_MIGRATED


_DEFECTS = (
    *(DataError, IntegrityError, ProgrammingError),
    *(psycopg2.DataError, psycopg2.IntegrityError, psycopg2.ProgrammingError),
)


def cause_of(error: BaseException) -> StorageCause | None:
    """Why there is no answer; None for a faulty statement, which is a defect of ours.

    `error` is the driver's, or SQLAlchemy's around it.
    """
    if isinstance(error, PoolTimeoutError):
        return StorageCause.POOL_IN_USE
    original = error.orig if isinstance(error, DBAPIError) else error
    code = getattr(original, "pgcode", None)
    cause = _BY_CODE.get(code or "")
    if cause is None and code is None and isinstance(original, psycopg2.OperationalError):
        words = str(original)
        cause = next((each for found, each in _BY_WORDS if found in words), None)
    if isinstance(error, _DEFECTS):
        # Missing rights belong to an error class of defects, but the operator can fix them.
        return cause if cause is StorageCause.NO_RIGHTS else None
    return cause or StorageCause.NO_ANSWER


def driver_words(error: BaseException) -> str:
    """The driver's text in one line; it names the server, but no password."""
    return " ".join(str(getattr(error, "orig", None) or error).split())


class PoolHealth:
    """The recent results of one connection pool's statements; shared by all threads.

    `doubts` counts the moments after which earlier connections may lead to a server that is
    read-only or gone. `failures` counts missing answers.
    """

    def __init__(self) -> None:
        self.doubts = 0
        self.failures: Counter[StorageCause] = Counter()
        self._lock = threading.Lock()
        self._cause: StorageCause | None = None
        self._write_failed: tuple[float, StorageCause] | None = None
        self._lacked_at = float("-inf")
        self._logged_at: dict[StorageCause, float] = {}

    def doubt(self, opened_at: int) -> None:
        """Record that a connection failed which was opened when `doubts` was `opened_at`."""
        with self._lock:
            # A connection from before the last doubt says nothing about later ones.
            if opened_at == self.doubts:
                self.doubts += 1

    def failed(self, cause: StorageCause, *, writing: bool) -> None:
        """Record a statement without an answer; logs the first one of a cause."""
        now = time.monotonic()
        with self._lock:
            began, self._cause = self._cause is not cause, cause
            self.failures[cause] += 1
            if writing:
                self._write_failed = now, cause
            if cause in {StorageCause.NO_CONNECTION_LEFT, StorageCause.POOL_IN_USE}:
                self._lacked_at = now
            began &= now - self._logged_at.get(cause, float("-inf")) > LOG_AGAIN_S
            if began:
                self._logged_at[cause] = now
        if began:
            text = WORDS[cause] + libpq_note()
            log.warning("postgresql_unavailable", cause=cause.value, error=text)

    def succeeded(self, *, writing: bool) -> None:
        """Record a statement with an answer."""
        if self._write_failed is None and self._cause is None:
            return  # the usual case needs no lock
        with self._lock:
            if writing:
                self._write_failed = None
            ended = self._write_failed is None and self._cause is not None
            if ended:
                self._cause = None
        if ended:
            log.info("postgresql_available")

    def lacked_connections(self) -> bool:
        """Whether a statement got no connection within the last minute."""
        return time.monotonic() - self._lacked_at < LOG_AGAIN_S

    def write_fault(self) -> StorageCause | None:
        """The cause of the last write's failure, if recent."""
        found = self._write_failed
        if found is None or time.monotonic() - found[0] > RECENT_S:
            return None
        return found[1]
