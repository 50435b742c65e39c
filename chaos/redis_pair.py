"""A primary and a replica of Redis behind one address, and their fail-overs."""

import contextlib
from pathlib import Path
from typing import Any, Self

import redis

from harness.waiting import wait_until
from orderengine.local.files import make_folder, write_private
from orderengine.local.ports import LOOPBACK
from orderengine.local.redis_server import EmbeddedRedis

LIMIT_S = 30.0


class RedisPair:
    """Two servers with one password: `primary` takes writes, and `replica` follows it.

    A proxy asks for `port` at each new connection. `move_address` moves it to the current primary;
    open connections stay where they are.
    """

    def __init__(self, first: EmbeddedRedis, folder: Path) -> None:
        make_folder(folder)
        write_private(folder / "password", first.password)
        self.primary = first
        self.replica = EmbeddedRedis(folder, durable=first.durable)
        self._address = first
        self._second = self.replica

    def __enter__(self) -> Self:
        self.primary.start()
        self.replica.start()
        self._follow()
        return self

    def __exit__(self, *_: object) -> None:
        self._second.stop()

    @property
    def port(self) -> int:
        """The port to which the address leads now."""
        return self._address.port

    def client(self, server: EmbeddedRedis) -> redis.Redis:
        """A client of one of the two servers."""
        return redis.Redis.from_url(server.url)

    def demote(self) -> None:
        """Swap the roles as planned: the former primary becomes a replica of the new one."""
        new, old = self.replica, self.primary
        with self.client(old) as client:
            client.execute_command("FAILOVER", "TO", LOOPBACK, new.port, "TIMEOUT", 10_000)
        wait_until(lambda: self._role(new) == "master", LIMIT_S, "no replica took over")
        wait_until(lambda: self._role(old) == "slave", LIMIT_S, "the old primary went on")
        self.primary, self.replica = new, old

    def lose(self) -> None:
        """Kill the primary and promote the replica."""
        self.primary.kill()
        with self.client(self.replica) as client:
            client.replicaof("NO", "ONE")
        self.primary, self.replica = self.replica, self.primary

    def move_address(self) -> None:
        """Lead new connections to the primary."""
        self._address = self.primary

    def restore_replica(self) -> None:
        """Start the replica if it is down, and wait until it follows the primary."""
        self.replica.start()
        self._follow()

    def _follow(self) -> None:
        for server in (self.primary, self.replica):
            with self.client(server) as client:
                client.config_set("masterauth", server.password)
                # Otherwise it waits five seconds for further replicas.
                client.config_set("repl-diskless-sync-delay", 0)
        with self.client(self.replica) as client:
            client.replicaof(LOOPBACK, str(self.primary.port))
        wait_until(self._is_in_step, LIMIT_S, "the replica does not follow")

    def _is_in_step(self) -> bool:
        told = self._told(self.replica)
        return told.get("master_link_status") == "up" and not told.get("master_sync_in_progress")

    def _role(self, server: EmbeddedRedis) -> str:
        return str(self._told(server).get("role"))

    def _told(self, server: EmbeddedRedis) -> dict[str, Any]:
        with contextlib.suppress(redis.RedisError), self.client(server) as client:
            return dict(client.info("replication"))
        return {}
