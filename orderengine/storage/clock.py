"""The database's time without a round trip for each look at it."""

import threading
import time
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, text

from orderengine.database import DATABASE_ERRORS
from orderengine.domain.errors import StorageUnavailable

RESYNC_S = 60.0


def _steady_s() -> float:
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


class DatabaseClock:
    """Implements `execution.ports.Clock`: the database's time, read once a minute.

    Between two readings the host's steady clock carries it on, so its wall clock never counts;
    where there is one that goes on while the host sleeps, that one.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._base = datetime.fromtimestamp(0, UTC)

    def now(self) -> datetime:
        """The current time, aware, UTC; raises StorageUnavailable if it was never read."""
        with self._lock:
            age_s = _steady_s() - self._read_at
            if age_s > RESYNC_S:
                self._resync(known=age_s != float("inf"))
            return self._base + timedelta(seconds=_steady_s() - self._read_at)

    def _resync(self, *, known: bool) -> None:
        try:
            with self._engine.connect() as connection:
                started = _steady_s()
                base = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
        except DATABASE_ERRORS as error:
            if known:
                return
            raise StorageUnavailable("PostgreSQL told no time") from error
        self._read_at = (started + _steady_s()) / 2
        self._base = base.astimezone(UTC)
