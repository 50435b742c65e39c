"""Redis clients that answer in time or not at all, and leave a server that refuses writes."""

import hashlib
from collections.abc import Sequence
from typing import Any, cast

import redis
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError
from redis.retry import Retry

from orderengine.redis.errors import is_from_replica, is_to_be_left, is_worth_repeating

REDIS_ERRORS = (redis.RedisError, OSError)
"""Raised for a missing answer or a refusal."""

MAX_CONNECTIONS = 10_000
_ANY_KEY = "orderengine:primary"


class Script:
    """A Lua script, known to the server by its hash."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


class Pool(redis.ConnectionPool):
    """A pool whose connections can all be dropped at once."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._departures = 0
        self._lent: dict[Any, int] = {}
        super().__init__(*args, **options)

    def get_connection(self, *args: Any, **options: Any) -> Any:
        """An unused connection."""
        departures = self._departures
        connection = super().get_connection(*args, **options)
        self._lent[connection] = departures
        return connection

    def release(self, connection: Any) -> None:
        """Take a connection back; closes it if `leave` was called meanwhile."""
        if self._lent.pop(connection, self._departures) != self._departures:
            connection.disconnect()
        super().release(connection)

    def leave(self) -> None:
        """Close idle connections now, and the others when they come back.

        After a peer vanishes silently, every pooled connection is dead, and each would cost its own
        time-out. A demoted server would refuse on each of them.
        """
        self._departures += 1
        self.disconnect(inuse_connections=False)


class Client(redis.Redis):
    """A client that drops its connections to a server that does not answer or refuses writes.

    It repeats a refused command once, over a new connection: the refusal had no effect, and the new
    connection may lead to another server. `demotions` counts answers of former primaries.
    """

    demotions = 0

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send a command and return the answer."""
        try:
            return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        except REDIS_ERRORS as error:
            self.note(error)
            if not is_worth_repeating(error):
                raise
        return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]

    def run(self, script: Script, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        """Run a script by its hash; if the server does not know it, send its text."""
        given = len(keys), *keys, *arguments
        try:
            return self.execute_command("EVALSHA", script.sha, *given)
        except NoScriptError:
            return self.execute_command("EVAL", script.text, *given)

    def require_primary(self) -> None:
        """Raise the refusal of a server that is not a primary, and drop the connections to it.

        A replica answers reads even if it follows no primary any more. GETEX without options
        changes nothing, yet every server treats it as a write.
        """
        self.getex(_ANY_KEY)

    def note(self, error: Exception) -> None:
        """Drop the connections to the server if this error, of one of them, calls for it."""
        if is_to_be_left(error):
            self.demotions += is_from_replica(error)
            self.connection_pool.leave()  # type: ignore[attr-defined]  # made by `create_client`


def create_client(url: str, timeout_s: float) -> Client:
    """Make a client whose every network wait ends after `timeout_s` seconds.

    `url` is `redis://` or `rediss://`; nothing is connected yet. Only a refused command is sent
    again: `redis.Redis` would retry ten times, and its caller has no time for that. Taking a
    connection from the pool checks it, so that one which the server closed costs nothing. There is
    no health check, because a PING would take as long to fail as the command itself. RESP2
    suffices, and keeps redis-py from negotiating maintenance notifications.
    """
    pool = Pool.from_url(
        url,
        protocol=2,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        socket_keepalive=True,
        health_check_interval=0,
        retry=Retry(NoBackoff(), 0),
        # A process's threads bound its connections; redis-py raises at its default of 100.
        max_connections=MAX_CONNECTIONS,
    )
    return cast("Client", Client.from_pool(pool))
