"""What a Redis server says of itself: which one it is, and what it does when memory ends."""

from typing import NamedTuple

import redis

from orderengine.stream.client import REDIS_ERRORS


class RedisFacts(NamedTuple):
    """A server's kind and version, and its `maxmemory-policy`."""

    kind: str
    version: str
    policy: str


def redis_facts(client: redis.Redis) -> RedisFacts | None:
    """Ask the server; None without an answer. `INFO` is allowed where `CONFIG` is not."""
    try:
        told = {**client.info("server"), **client.info("memory")}
    except REDIS_ERRORS:
        return None
    kind = "Valkey" if "valkey_version" in told else "Redis"
    version = str(told.get("valkey_version") or told.get("redis_version", "unknown"))
    return RedisFacts(kind, version, str(told.get("maxmemory_policy", "unknown")))
