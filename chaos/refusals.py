"""The kinds of refusals of Redis towards a worker, and how to bring each about."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import redis

from orderengine.local.ports import LOOPBACK
from orderengine.local.redis_server import EmbeddedRedis

ADMIN = "admin"
BINDING = "_kombu.binding.settle"
NOWHERE = (LOOPBACK, "1")


class Administrator:
    """A user of the server whom no refusal affects."""

    def __init__(self, server: EmbeddedRedis) -> None:
        self.server = server
        with redis.Redis.from_url(server.url) as client:
            client.acl_setuser(
                ADMIN,
                enabled=True,
                passwords=[f"+{server.password}"],
                keys=["*"],
                channels=["*"],
                commands=["+@all"],
            )
        url = f"redis://{ADMIN}:{quote(server.password)}@{LOOPBACK}:{server.port}/0"
        self.client = redis.Redis.from_url(url)

    def everybody(self, *rules: str) -> None:
        """Change the rights of the engine's user."""
        command: Any = self.client.execute_command
        command("ACL", "SETUSER", "default", *rules)

    def set(self, name: str, value: str | int) -> None:
        """Change a setting of the server."""
        self.client.config_set(name, value)

    def cut(self) -> None:
        """End all other connections, so that the engine has to reconnect."""
        for kind in ("normal", "pubsub"):
            self.client.client_kill_filter(_type=kind, skipme=True)

    def save(self, *, well: bool) -> None:
        """Save the data to disk, and wait until that has succeeded or failed as requested."""
        file = self.server.data_dir / "dump.rdb"
        if well:
            shutil.rmtree(file)
        else:
            file.unlink(missing_ok=True)
            (file / "in the way").mkdir(parents=True)  # the saved file cannot replace a folder
        self.set("save", "3600 1000000")
        wanted = "ok" if well else "err"
        while self.client.info("persistence")["rdb_last_bgsave_status"] != wanted:
            try:
                self.client.bgsave()
            except redis.ResponseError:
                continue  # another save is running
        if well:
            self.set("save", "")


Step = Callable[[Administrator], object]


@dataclass(frozen=True)
class Refusal:
    """One kind of refusal: its beginning, its end, and the cause that the worker logs."""

    cause: str
    begin: Step
    end: Step
    is_met_at_connect_only: bool = False

    @contextmanager
    def by(self, admin: Administrator) -> Iterator[None]:
        """Make the server refuse during this block."""
        try:
            self.begin(admin)
            if self.is_met_at_connect_only:
                admin.cut()
            yield
        finally:
            self.end(admin)


def _other_password(admin: Administrator) -> None:
    admin.everybody("resetpass", ">another")


REFUSALS = {
    "too few replicas": Refusal(
        "too_few_replicas",
        lambda admin: admin.set("min-replicas-to-write", 1),
        lambda admin: admin.set("min-replicas-to-write", 0),
    ),
    "a demotion": Refusal(
        "read_only_replica",
        lambda admin: admin.client.replicaof(*NOWHERE),
        lambda admin: admin.client.replicaof("NO", "ONE"),
    ),
    "no memory": Refusal(
        "out_of_memory",
        lambda admin: admin.set("maxmemory", 1),
        lambda admin: admin.set("maxmemory", 0),
        is_met_at_connect_only=True,
    ),
    "a full disk": Refusal(
        "disk_full", lambda admin: admin.save(well=False), lambda admin: admin.save(well=True)
    ),
    "no right to write": Refusal(
        "no_rights",
        lambda admin: admin.everybody("-@write"),
        lambda admin: admin.everybody("+@all"),
    ),
    "no right to take": Refusal(
        "no_rights",
        lambda admin: admin.everybody("-brpop"),
        lambda admin: admin.everybody("+@all"),
    ),
    "no right to anything": Refusal(
        "no_rights",
        lambda admin: admin.everybody("-@all"),
        lambda admin: admin.everybody("+@all"),
    ),
    "another password": Refusal(
        "no_access",
        _other_password,
        lambda admin: admin.everybody("resetpass", f">{admin.server.password}"),
        is_met_at_connect_only=True,
    ),
    "an error that nobody knows": Refusal(
        "refused",
        lambda admin: admin.client.set(BINDING, "no set"),
        lambda admin: admin.client.delete(BINDING),
        is_met_at_connect_only=True,
    ),
}
