"""The states of an unusable Redis in words, with advice for each.

Imports no client: commands that never use Redis need the words, too.
"""

from collections.abc import Mapping

CAUSES: Mapping[str, tuple[str, str]] = {
    "no_answer": ("gives no answer", "is REDIS_URL right, and the server up?"),
    "read_only_replica": (
        "is a replica and accepts no writes",
        "point REDIS_URL, or the address behind it, to the primary",
    ),
    "too_few_replicas": (
        "accepts no writes, for lack of replicas (min-replicas-to-write)",
        "bring its replicas back, or let one of them take over",
    ),
    "disk_full": (
        "cannot write to its disk, and accepts no writes",
        "make room on its disk; its log names the error",
    ),
    "out_of_memory": (
        "has reached its maxmemory",
        "give it more memory, or start a worker if messages wait",
    ),
    "loading": ("is loading its data", "wait until it has loaded it"),
    "no_access": (
        "refuses the user or password of REDIS_URL",
        "correct them: REDIS_URL has user:password@ in front of the host",
    ),
    "no_rights": (
        "denies the user of REDIS_URL a command, key or channel",
        "grant the rights that docs/operations.md names",
    ),
    "wrong_server": (
        "is a cluster node, or not a Redis",
        "point REDIS_URL to a single Redis or Valkey, or its primary",
    ),
    "no_database": (
        "has no database with the number at the end of REDIS_URL",
        "end REDIS_URL in /0, or raise the server's databases",
    ),
    "tls": (
        "does not agree with REDIS_URL about TLS",
        "write rediss:// in REDIS_URL for a server with TLS, redis:// for one without",
    ),
    "refused": (
        "refuses messages",
        "check REDIS_URL; the log line redis_unavailable has the server's answer",
    ),
}
"""For each value of `RedisCause`: the server's state, and advice."""


def state_and_advice(cause: str) -> tuple[str, str]:
    """The words for a cause, and advice; an unknown cause of another release is shown as it is."""
    return CAUSES.get(cause, (f"takes no messages: {cause}", "see docs/operations.md"))
