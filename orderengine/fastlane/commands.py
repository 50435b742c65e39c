"""Redis commands for each step of an order: one exchange, with nothing around it."""

import contextlib
import os
from collections import deque
from collections.abc import Sequence
from typing import Any

import redis
from redis.exceptions import NoScriptError

from orderengine.redis.commands import Script
from orderengine.redis.errors import is_from_replica, is_to_be_left


class FastCommands:
    """Implements `redis.commands.Commands` over connections that a pool of redis-py makes.

    redis-py's client counts and measures each command and prepares its retries, which takes as long
    as the exchange with the server; see docs/decisions/0042-fewer-layers.md. Safe for any thread.
    Raises redis-py's errors. After an error that is not the server's answer, or that shows a server
    without writes, all connections are dropped, so that callers connect anew instead of finding out
    on each connection. A command refused by such a server is sent once more: a new connection may
    lead to another server, and the refusal had no effect.

    `demotions` counts answers of servers that are no longer primaries.
    """

    def __init__(self, pool: redis.ConnectionPool) -> None:
        self.pool = pool
        self._idle: deque[Any] = deque()
        self._departures = 0
        self.demotions = 0

    def send(self, *command: Any) -> Any:
        """Send a command and return the server's answer."""
        try:
            return self._exchange(command)
        except redis.ResponseError as error:
            if not is_to_be_left(error):
                raise
            self.demotions += is_from_replica(error)
        return self._exchange(command)

    def _exchange(self, command: Sequence[Any]) -> Any:
        departures = self._departures
        connection = self._connected()
        try:
            connection.send_command(*command)
            return connection.read_response()
        except redis.ResponseError as error:
            if is_to_be_left(error):
                self.leave()
            raise  # otherwise the connection is fine
        except BaseException:
            connection.disconnect()  # a late answer must not be read as the next command's
            self.leave()
            raise
        finally:
            if departures != self._departures:
                connection.disconnect()
            self._idle.append(connection)

    def run(self, script: Script, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        """Run a script by its hash; if the server does not know it, send its text."""
        given = len(keys), *keys, *arguments
        try:
            return self.send("EVALSHA", script.sha, *given)
        except NoScriptError:
            return self.send("EVAL", script.text, *given)

    def leave(self) -> None:
        """Close all connections; those in use close when their command has ended."""
        self._departures += 1
        self.drop_idle()

    def drop_idle(self) -> None:
        """Close idle connections."""
        closed = []
        with contextlib.suppress(IndexError):  # empty: other threads take and drop them, too
            while True:
                connection = self._idle.pop()
                connection.disconnect()
                closed.append(connection)
        # Kept for reuse, which reconnects them: the pool counts all connections that it ever made.
        self._idle.extend(closed)

    def _connected(self) -> Any:
        """An idle connection, or a new one; it reconnects if the server has closed it."""
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return self.pool.make_connection()
            if connection.pid == os.getpid():
                break  # not one that a forked process has inherited
        if connection.is_connected and not _is_at_rest(connection):
            connection.disconnect()
        return connection


def _is_at_rest(connection: Any) -> bool:
    """True unless the server closed the connection or sent something unasked."""
    try:
        return not connection.can_read()
    except (redis.RedisError, OSError):
        return False
