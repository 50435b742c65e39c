"""The database's time without a round trip for each reading."""

import threading
import time
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, text

from orderengine.domain.errors import StorageUnavailable
from orderengine.postgres.database import DATABASE_ERRORS

RESYNC_S = 60.0
RETRY_S = 1.0
DOUBTFUL_S = 0.5


def _steady_s() -> float:
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


class DatabaseClock:
    """Implements `execution.ports.Clock`: the database's time, read once a minute.

    Between two readings the host's monotonic clock advances the time, so the host's wall clock
    never counts. A clock that goes on while the host sleeps is used where there is one.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._read_lock = threading.Lock()
        self._due_at = float("-inf")
        self._known = datetime.fromtimestamp(0, UTC), 0.0

    def now(self) -> datetime:
        """The current time, aware, UTC; raises StorageUnavailable if it was never read."""
        if _steady_s() >= self._due_at:
            self._resync()
        base, read_at = self._known
        return base + timedelta(seconds=_steady_s() - read_at)

    def _resync(self) -> None:
        """Read the time again; a thread does not wait while another one reads, except at first."""
        is_first = self._due_at == float("-inf")
        if not self._read_lock.acquire(blocking=is_first):
            return
        try:
            if _steady_s() >= self._due_at:
                self._read(is_first=self._due_at == float("-inf"))
        finally:
            self._read_lock.release()

    def _read(self, *, is_first: bool) -> None:
        try:
            with self._engine.connect() as connection:
                started = _steady_s()
                base = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
                ended = _steady_s()
        except DATABASE_ERRORS as error:
            if is_first:
                raise StorageUnavailable("PostgreSQL told no time") from error
            self._due_at = _steady_s() + RETRY_S
            return
        if ended - started > DOUBTFUL_S and not is_first:
            # This process slept before or after the answer: half of that time could be the error.
            self._due_at = ended + RETRY_S
            return
        self._known = base.astimezone(UTC), (started + ended) / 2
        self._due_at = ended + (RESYNC_S if ended - started <= DOUBTFUL_S else RETRY_S)
