"""Redis clients that answer in time or not at all."""

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

REDIS_ERRORS = (redis.RedisError, OSError)
"""What an answer that did not come, or a refusal, raises."""

MAX_CONNECTIONS = 10_000


def create_client(url: str, timeout_s: float) -> redis.Redis:
    """Make a client whose every wait on the network ends after `timeout_s` seconds.

    `url` is `redis://` or `rediss://`; nothing is connected yet. A command is sent once and never
    again: `redis.Redis` would try ten more times, and the caller has a better use for the time.
    A connection is looked at when it is taken from the pool, so that one which the server closed
    costs nothing; a PING before a command would take as long to fail as the command itself, hence
    no health check. RESP2 suffices, and keeps redis-py from negotiating maintenance notifications.
    """
    return redis.Redis.from_url(
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


def drop_idle_connections(client: redis.Redis) -> None:
    """Forget the connections that nobody uses now: after a failure none of them can be trusted.

    A peer that vanished without a word leaves every pooled connection dead, and each of them would
    cost its own time-out.
    """
    client.connection_pool.disconnect(inuse_connections=False)
