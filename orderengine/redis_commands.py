"""Redis commands that are sent for each step of an order: one exchange and nothing around it."""

import contextlib
import hashlib
import os
from collections import deque
from collections.abc import Sequence
from typing import Any

import redis
from redis.exceptions import NoScriptError

from orderengine.redis_errors import is_from_replica, is_to_be_left


class Script:
    """A Lua script, known to the server by its hash."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


class Commands:
    """Sends single commands over connections made as a pool of redis-py makes them.

    The client of redis-py counts, measures and prepares to repeat every command, which takes as
    long again as the exchange with the server; see docs/decisions/0042-fewer-layers.md. For any
    thread. redis-py's errors are raised. After one that is not the server's answer, or that says
    that the server takes no writes now, all connections are left: whoever comes next makes a new
    one, instead of finding out about each in turn. A command is sent once, and once more if such
    a server has refused it: a new connection may lead to another server, and nothing has happened.

    `demotions` counts the answers of servers that are no primary any more.
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
            raise  # else an answer like any other, as far as the connection goes
        except BaseException:
            connection.disconnect()  # what is still to come is no answer to the next command
            self.leave()
            raise
        finally:
            if departures != self._departures:
                connection.disconnect()
            self._idle.append(connection)

    def run(self, script: Script, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        """Run a script; a server that does not know it yet is given its text."""
        given = len(keys), *keys, *arguments
        try:
            return self.send("EVALSHA", script.sha, *given)
        except NoScriptError:
            return self.send("EVAL", script.text, *given)

    def leave(self) -> None:
        """Close all connections: those in use when their command has ended."""
        self._departures += 1
        self.drop_idle()

    def drop_idle(self) -> None:
        """Close the connections that nobody uses now."""
        closed = []
        with contextlib.suppress(IndexError):  # none left: other threads take and drop them too
            while True:
                connection = self._idle.pop()
                connection.disconnect()
                closed.append(connection)
        # They are made anew when they are used: the pool counts those that it has ever made.
        self._idle.extend(closed)

    def _connected(self) -> Any:
        """A connection that nobody uses; one that the server closed meanwhile is made anew."""
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return self.pool.make_connection()
            if connection.pid == os.getpid():
                break  # and not the parent's of a process that has forked
        if connection.is_connected and not _is_at_rest(connection):
            connection.disconnect()
        return connection


def _is_at_rest(connection: Any) -> bool:
    """True unless the server closed it, or said something that nobody asked for."""
    try:
        return not connection.can_read()
    except (redis.RedisError, OSError):
        return False
