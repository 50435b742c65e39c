"""Single Redis commands and scripts, as the steps of an order send them."""

import hashlib
from collections.abc import Sequence
from typing import Any, Protocol

from redis.exceptions import NoScriptError


class Script:
    """A Lua script, known to the server by its hash."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


class Commands(Protocol):
    """Sends single commands; safe for any thread; raises redis-py's errors."""

    @property
    def demotions(self) -> int:
        """How often a server that is no longer a primary has answered."""

    def send(self, *command: Any) -> Any:
        """Send a command and return the server's answer."""

    def run(self, script: Script, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        """Run a script by its hash; if the server does not know it, send its text."""


class _Client(Protocol):
    """The part of `redis.client.Client` that this module uses."""

    demotions: int

    def execute_command(self, *command: Any) -> Any: ...


class ClientCommands:
    """Implements `Commands` with redis-py's own client."""

    def __init__(self, client: _Client) -> None:
        self._client = client

    @property
    def demotions(self) -> int:
        """How often a server that is no longer a primary has answered."""
        return self._client.demotions

    def send(self, *command: Any) -> Any:
        """Send a command and return the server's answer."""
        return self._client.execute_command(*command)

    def run(self, script: Script, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        """Run a script by its hash; if the server does not know it, send its text."""
        given = len(keys), *keys, *arguments
        try:
            return self.send("EVALSHA", script.sha, *given)
        except NoScriptError:
            return self.send("EVAL", script.text, *given)
