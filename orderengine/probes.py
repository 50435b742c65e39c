"""Looks at what a process stands on: the database, the broker and the workers' heartbeat."""

from collections.abc import Callable, Mapping

from sqlalchemy import Engine as DatabaseEngine

from orderengine.database import condition_of
from orderengine.domain.errors import DispatchUnavailable, StorageFault
from orderengine.execution.ports import Dispatcher
from orderengine.redis_errors import RedisCause
from orderengine.redis_look import Trouble
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
        """None when orders can be written and the schema is current, else what is wrong."""
        return database_fault(self._database)

    def lacks_connections(self) -> bool:
        """Whether a statement found no connection to PostgreSQL within the last minute."""
        return condition_of(self._database).lacked_connections()

    def redis_trouble(self) -> tuple[str, str] | None:
        """Why Redis is of no use, and that in words; takes seconds, in which it looks around."""
        trouble = self._look_at_redis()
        if trouble is None:
            return None
        self._seen = trouble.cause
        return trouble.cause, str(trouble)

    def degraded(self) -> Mapping[str, str]:
        """`redis` if it takes no messages, `worker` if none gave a sign of life for five seconds.

        Each with its cause. Workers show themselves through Redis.
        """
        try:
            self._dispatcher.ping()
        except DispatchUnavailable as error:
            cause = error.cause
            if cause == RedisCause.NO_ANSWER and self._seen is not None:
                cause = self._seen  # the URL is wrong, and a time-out tells nothing of it
            return {"redis": cause, "worker": "unknown"}
        self._seen = None
        return {} if self._heartbeat.is_alive() else {"worker": "no_heartbeat"}
