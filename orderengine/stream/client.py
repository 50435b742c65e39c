"""Redis clients that answer in time or not at all, and leave a server that takes no writes."""

from typing import Any, cast

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from orderengine.redis_errors import is_from_replica, is_to_be_left

REDIS_ERRORS = (redis.RedisError, OSError)
"""What an answer that did not come, or a refusal, raises."""

MAX_CONNECTIONS = 10_000
_ANY_KEY = "orderengine:primary"


class Pool(redis.ConnectionPool):
    """A pool of connections that can be left all at once."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._departures = 0
        self._lent: dict[Any, int] = {}
        super().__init__(*args, **options)

    def get_connection(self, *args: Any, **options: Any) -> Any:
        """A connection that nobody uses."""
        departures = self._departures
        connection = super().get_connection(*args, **options)
        self._lent[connection] = departures
        return connection

    def release(self, connection: Any) -> None:
        """Take a connection back; it is closed if it was left meanwhile."""
        if self._lent.pop(connection, self._departures) != self._departures:
            connection.disconnect()
        super().release(connection)

    def leave(self) -> None:
        """Close the connections that nobody uses, and the others as soon as they come back.

        A peer that vanished without a word leaves every pooled connection dead, and each of them
        would cost its own time-out; a server that was demoted would refuse on each.
        """
        self._departures += 1
        self.disconnect(inuse_connections=False)


class Client(redis.Redis):
    """A client that leaves a server which gives no answer, or takes no writes now.

    A command that such a server has refused is sent once more, over a new connection: that one may
    lead to another server, and nothing has happened. `demotions` counts the answers of servers
    that are no primary any more.
    """

    demotions = 0

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send a command and return the answer."""
        try:
            return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        except REDIS_ERRORS as error:
            self.note(error)
            if not isinstance(error, redis.ResponseError) or not is_to_be_left(error):
                raise
        return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]

    def require_primary(self) -> None:
        """Raise the refusal of a server that is no primary; by then its connections are left.

        A replica answers whoever only reads, also when it follows no primary any more. GETEX
        without options changes nothing, and is a write to every server.
        """
        self.getex(_ANY_KEY)

    def note(self, error: Exception) -> None:
        """Leave the server if this error of one of its connections says so."""
        if is_to_be_left(error):
            self.demotions += is_from_replica(error)
            self.connection_pool.leave()  # type: ignore[attr-defined]  # made by `create_client`


def create_client(url: str, timeout_s: float) -> Client:
    """Make a client whose every wait on the network ends after `timeout_s` seconds.

    `url` is `redis://` or `rediss://`; nothing is connected yet. A command that was not refused is
    sent once and never again: `redis.Redis` would try ten more times, and the caller has a better
    use for the time. A connection is looked at when it is taken from the pool, so that one which
    the server closed costs nothing; a PING before a command would take as long to fail as the
    command itself, hence no health check. RESP2 suffices, and keeps redis-py from negotiating
    maintenance notifications.
    """
    pool = Pool.from_url(
        url,
        protocol=2,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        socket_keepalive=True,
        health_check_interval=0,
        retry=Retry(NoBackoff(), 0),
        # The threads of a process bound its connections; redis-py's own bound of 100 raises.
        max_connections=MAX_CONNECTIONS,
    )
    return cast("Client", Client.from_pool(pool))
