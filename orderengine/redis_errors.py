"""The answers of Redis that are errors: what each says of the server, and whether to stay there.

Every client of Redis in this program asks here, those of Celery and kombu too.
"""

import re
import ssl
from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

import redis


class RedisCause(StrEnum):
    """Why Redis did not do what it was asked; the values are told by `/readyz`."""

    NO_ANSWER = "no_answer"
    """No connection, or no answer in time."""
    READ_ONLY_REPLICA = "read_only_replica"
    """The server is a replica: an old primary after a fail-over, or the wrong address."""
    TOO_FEW_REPLICAS = "too_few_replicas"
    """A primary that has lost its replicas, and takes no writes without them."""
    DISK_FULL = "disk_full"
    """The server cannot write to its disk, and takes no writes."""
    OUT_OF_MEMORY = "out_of_memory"
    """The server has reached its `maxmemory`."""
    LOADING = "loading"
    """The server reads its data, after a start or as a new replica."""
    NO_ACCESS = "no_access"
    """The user or the password is wrong or missing."""
    NO_RIGHTS = "no_rights"
    """The user lacks the right to a command, a key or a channel."""
    WRONG_SERVER = "wrong_server"
    """The server is a node of a cluster, or speaks another protocol."""
    NO_DATABASE = "no_database"
    """The server has no database of that number."""
    TLS = "tls"
    """The server speaks no TLS where it is asked for, or its certificate is not trusted."""
    REFUSED = "refused"
    """Any other error answer."""


class _Kind(NamedTuple):
    cause: RedisCause
    is_left: bool


# A connection is left where another server may do better: behind a moving address or a name a new
# connection then reaches it. Memory and rights are the same for every connection to a server, and a
# server that lacks them is neither an old primary nor about to be replaced.
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
"""A connection over TLS that ended, as others do."""
_CODE = re.compile(rf"\b({'|'.join(_KINDS)})\b")


def cause_of(error: BaseException) -> RedisCause:
    """Why Redis did not do what it was asked, for an error of redis-py, kombu or a socket."""
    return _kind(error).cause


def is_to_be_left(error: BaseException) -> bool:
    """True if the connection is of no use any more, and neither is any other one to that server."""
    return _kind(error).is_left


def is_from_replica(error: BaseException) -> bool:
    """True if a server that is no primary, or none any more, has answered."""
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
    """The error and what it was raised from: kombu wraps what redis-py raises.

    redis-py raises its own error while it handles one of the system, and does not name that one.
    """
    found: BaseException | None = error
    while found is not None:
        yield found
        context = found.__context__ if isinstance(found.__context__, OSError) else None
        found = found.__cause__ or context


def _code(error: redis.RedisError) -> str | None:
    """The code that the answer begins with; redis-py keeps some apart from the text.

    A server before 7.0 puts the answer to a script's command into the middle of a sentence. One of
    7.0 or later has no code of its own for a command that a script lacks the right to.
    """
    if "ACL failure in script" in str(error):
        return "NOPERM"
    if error.status_code in _KINDS:
        return error.status_code
    found = _CODE.search(str(error))
    return found and found[1]
