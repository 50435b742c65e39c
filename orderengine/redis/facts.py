"""Facts that a Redis server reports: its kind, its version and its eviction policy."""

from typing import NamedTuple

from orderengine.redis.client import REDIS_ERRORS, Client
from orderengine.redis.errors import RedisCause, cause_of


class RedisFacts(NamedTuple):
    """A server's kind and version, and its `maxmemory-policy`."""

    kind: str
    version: str
    policy: str


def redis_facts(client: Client) -> RedisFacts | RedisCause:
    """Ask the server; returns the cause if it refuses. `INFO` is allowed where `CONFIG` is not."""
    try:
        info = {**client.info("server"), **client.info("memory")}
    except REDIS_ERRORS as error:
        return cause_of(error)
    kind = "Valkey" if "valkey_version" in info else "Redis"
    version = str(info.get("valkey_version") or info.get("redis_version", "unknown"))
    return RedisFacts(kind, version, str(info.get("maxmemory_policy", "unknown")))
