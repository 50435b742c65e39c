"""Redis errors: what each says about the server, and whether to leave that server.

Every Redis client in this program uses this module, including those of Celery and kombu.
"""

import re
import ssl
from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

import redis


class RedisCause(StrEnum):
    """Why Redis did not execute a command; `/readyz` shows these values."""

    NO_ANSWER = "no_answer"
    """No connection, or no answer in time."""
    READ_ONLY_REPLICA = "read_only_replica"
    """The server is a replica: a former primary after a fail-over, or the wrong address."""
    TOO_FEW_REPLICAS = "too_few_replicas"
    """A primary that has lost its replicas, and refuses writes without them."""
    DISK_FULL = "disk_full"
    """The server cannot write to its disk, and refuses writes."""
    OUT_OF_MEMORY = "out_of_memory"
    """The server has reached its `maxmemory`."""
    LOADING = "loading"
    """The server loads its data, after a start or as a new replica."""
    NO_ACCESS = "no_access"
    """The user or the password is wrong or missing."""
    NO_RIGHTS = "no_rights"
    """The user lacks the right to a command, a key or a channel."""
    WRONG_SERVER = "wrong_server"
    """The server is a node of a cluster, or speaks another protocol."""
    NO_DATABASE = "no_database"
    """The server has no database of that number."""
    TLS = "tls"
    """The server does not speak TLS although it should, or its certificate is not trusted."""
    REFUSED = "refused"
    """Any other error answer."""


class _Kind(NamedTuple):
    cause: RedisCause
    is_left: bool


# A connection is dropped if another server may do better: with a moving address or name, a new
# connection reaches that server. Memory and rights are the same for every connection, and a server
# that lacks them is neither a former primary nor about to be replaced.
_KINDS = {
    "READONLY": _Kind(RedisCause.READ_ONLY_REPLICA, is_left=True),
    "UNBLOCKED": _Kind(RedisCause.READ_ONLY_REPLICA, is_left=True),
    "MASTERDOWN": _Kind(RedisCause.READ_ONLY_REPLICA, is_left=True),
    "REDIRECT": _Kind(RedisCause.READ_ONLY_REPLICA, is_left=True),
    "NOREPLICAS": _Kind(RedisCause.TOO_FEW_REPLICAS, is_left=True),
    "MISCONF": _Kind(RedisCause.DISK_FULL, is_left=True),
    "LOADING": _Kind(RedisCause.LOADING, is_left=True),
    "CLUSTERDOWN": _Kind(RedisCause.WRONG_SERVER, is_left=True),
    "MOVED": _Kind(RedisCause.WRONG_SERVER, is_left=True),
    "ASK": _Kind(RedisCause.WRONG_SERVER, is_left=True),
    "TRYAGAIN": _Kind(RedisCause.WRONG_SERVER, is_left=True),
    "CROSSSLOT": _Kind(RedisCause.WRONG_SERVER, is_left=True),
    "NOAUTH": _Kind(RedisCause.NO_ACCESS, is_left=True),
    "WRONGPASS": _Kind(RedisCause.NO_ACCESS, is_left=True),
    "DENIED": _Kind(RedisCause.NO_ACCESS, is_left=True),
    "NOPERM": _Kind(RedisCause.NO_RIGHTS, is_left=False),
    "OOM": _Kind(RedisCause.OUT_OF_MEMORY, is_left=False),
}
_NO_DATABASE = re.compile("DB index|SELECT is not allowed in cluster mode")
_CUT_OFF = (ssl.SSLEOFError, ssl.SSLZeroReturnError)
"""A TLS connection that ended, which is not a fault of TLS."""
_CODE = re.compile(rf"\b({'|'.join(_KINDS)})\b")


def cause_of(error: BaseException) -> RedisCause:
    """The cause of an error from redis-py, kombu or a socket."""
    return _kind(error).cause


def is_to_be_left(error: BaseException) -> bool:
    """True if this connection, and any other one to that server, has become useless."""
    return _kind(error).is_left


def is_worth_repeating(error: BaseException) -> bool:
    """True if a server refused a command, without effect, that another server may execute."""
    is_answer = any(isinstance(each, redis.ResponseError) for each in causes_of(error))
    return is_answer and is_to_be_left(error)


def is_from_replica(error: BaseException) -> bool:
    """True if the error is the answer of a replica, which may be a former primary."""
    return cause_of(error) is RedisCause.READ_ONLY_REPLICA


def _kind(error: BaseException) -> _Kind:
    for each in causes_of(error):
        if isinstance(each, redis.AuthenticationError):
            return _Kind(RedisCause.NO_ACCESS, is_left=True)
        if isinstance(each, ssl.SSLError) and not isinstance(each, _CUT_OFF):
            return _Kind(RedisCause.TLS, is_left=True)
        if isinstance(each, redis.RedisError) and (code := _code(each)):
            return _KINDS[code]
        if isinstance(each, redis.InvalidResponse):
            return _Kind(RedisCause.WRONG_SERVER, is_left=True)
        if isinstance(each, redis.ResponseError) and _NO_DATABASE.search(str(each)):
            return _Kind(RedisCause.NO_DATABASE, is_left=True)
        if isinstance(each, redis.ResponseError):
            return _Kind(RedisCause.REFUSED, is_left=False)
    return _Kind(RedisCause.NO_ANSWER, is_left=True)


def causes_of(error: BaseException) -> Iterator[BaseException]:
    """The error and its causes: kombu wraps the errors of redis-py.

    redis-py raises its own error while handling a system error, and does not name that as cause.
    """
    found: BaseException | None = error
    while found is not None:
        yield found
        context = found.__context__ if isinstance(found.__context__, OSError) else None
        found = found.__cause__ or context


def _code(error: redis.RedisError) -> str | None:
    """The code at the beginning of the answer; redis-py separates some codes from the text.

    A server before 7.0 puts the answer to a script's command into the middle of a sentence. Later
    servers give no code for a command that a script has no right to.
    """
    if "ACL failure in script" in str(error):
        return "NOPERM"
    if error.status_code in _KINDS:
        return error.status_code
    found = _CODE.search(str(error))
    return found and found[1]
