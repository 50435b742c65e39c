"""Health checks of a process: the database, the broker and the workers' heartbeat."""

from collections.abc import Callable, Mapping

from sqlalchemy import Engine as DatabaseEngine

from orderengine.domain.errors import DispatchUnavailable, StorageFault
from orderengine.execution.ports import Dispatcher
from orderengine.postgres.database import health_of
from orderengine.redis.check import Trouble
from orderengine.redis.errors import RedisCause
from orderengine.storage.probe import database_fault
from orderengine.stream.heartbeat import Heartbeat


class SystemProbes:
    """Implements `execution.ports.Probes` on the database, the broker and the heartbeat."""

    def __init__(
        self,
        database: DatabaseEngine,
        dispatcher: Dispatcher,
        heartbeat: Heartbeat,
        look_at_redis: Callable[[], Trouble | None],
    ) -> None:
        self._look_at_redis = look_at_redis
        self._seen: RedisCause | None = None
        self._database = database
        self._dispatcher = dispatcher
        self._heartbeat = heartbeat

    def database_fault(self) -> StorageFault | None:
        """Why orders cannot be written, or that the schema is not current; else None."""
        return database_fault(self._database)

    def lacks_connections(self) -> bool:
        """Whether a statement got no connection to PostgreSQL within the last minute."""
        return health_of(self._database).lacked_connections()

    def redis_trouble(self) -> tuple[str, str] | None:
        """Cause and explanation if Redis is unusable; takes seconds to find out."""
        trouble = self._look_at_redis()
        if trouble is None:
            return None
        self._seen = trouble.cause
        return trouble.cause, str(trouble)

    def degraded(self) -> Mapping[str, str]:
        """`redis` if it accepts no messages, `worker` if none was alive within the last 5 seconds.

        Each with its cause. Workers show that they are alive through Redis.
        """
        try:
            self._dispatcher.ping()
        except DispatchUnavailable as error:
            cause = error.cause
            if cause == RedisCause.NO_ANSWER and self._seen is not None:
                cause = self._seen  # more precise: with a wrong URL there is only a time-out
            return {"redis": cause, "worker": "unknown"}
        self._seen = None
        return {} if self._heartbeat.is_alive() else {"worker": "no_heartbeat"}
