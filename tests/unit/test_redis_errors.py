"""Error answers of Redis: their causes, and which of them end the use of a connection."""

import ssl

import pytest
import redis
from kombu.exceptions import OperationalError
from redis.connection import DefaultParser

from orderengine.redis.advice import CAUSES
from orderengine.redis.errors import RedisCause, cause_of, is_to_be_left

ANSWERS = {
    "READONLY You can't write against a read only replica.": RedisCause.READ_ONLY_REPLICA,
    "READONLY Can not run script with write flag on readonly replica": (
        RedisCause.READ_ONLY_REPLICA
    ),
    "ERR Error running script (call to f_a): @user_script:1: @user_script: 1: -READONLY You can't"
    " write against a read only replica.": RedisCause.READ_ONLY_REPLICA,
    "UNBLOCKED force unblock from blocking operation, instance state changed (master"
    " -> replica?)": RedisCause.READ_ONLY_REPLICA,
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.": (
        RedisCause.READ_ONLY_REPLICA
    ),
    "NOREPLICAS Not enough good replicas to write.": RedisCause.TOO_FEW_REPLICAS,
    "MISCONF Errors writing to the AOF file: No space left on device": RedisCause.DISK_FULL,
    "LOADING Valkey is loading the dataset in memory": RedisCause.LOADING,
    "CLUSTERDOWN The cluster is down": RedisCause.WRONG_SERVER,
    "MOVED 3999 127.0.0.1:6381": RedisCause.WRONG_SERVER,
    "ERR DB index is out of range": RedisCause.NO_DATABASE,
    "ERR SELECT is not allowed in cluster mode": RedisCause.NO_DATABASE,
    "NOAUTH Authentication required.": RedisCause.NO_ACCESS,
    "WRONGPASS invalid username-password pair or user is disabled.": RedisCause.NO_ACCESS,
}
KEPT = {
    "NOPERM User default has no permissions to run the 'set' command": RedisCause.NO_RIGHTS,
    "ERR ACL failure in script: User default has no permissions to run the 'lpush' command": (
        RedisCause.NO_RIGHTS
    ),
    "OOM command not allowed when used memory > 'maxmemory'.": RedisCause.OUT_OF_MEMORY,
    "WRONGTYPE Operation against a key holding the wrong kind of value": RedisCause.REFUSED,
    "NOSCRIPT No matching script.": RedisCause.REFUSED,
    "ERR unknown command 'NONSENSE'": RedisCause.REFUSED,
}


def raised(answer: str) -> Exception:
    """The exception that redis-py raises for an answer."""
    error: Exception = DefaultParser.parse_error(answer)  # type: ignore[no-untyped-call]
    return error


@pytest.mark.parametrize(("answer", "cause"), ANSWERS.items())
def test_a_server_that_cannot_take_writes_now_is_left(answer: str, cause: RedisCause) -> None:
    assert (cause_of(raised(answer)), is_to_be_left(raised(answer))) == (cause, True)


@pytest.mark.parametrize(("answer", "cause"), KEPT.items())
def test_an_answer_that_says_nothing_against_the_server_keeps_the_connection(
    answer: str, cause: RedisCause
) -> None:
    assert (cause_of(raised(answer)), is_to_be_left(raised(answer))) == (cause, False)


@pytest.mark.parametrize(
    "error",
    [redis.ConnectionError("reset"), redis.TimeoutError("late"), OSError("unreachable")],
)
def test_a_missing_answer_ends_the_use_of_a_connection(error: Exception) -> None:
    assert (cause_of(error), is_to_be_left(error)) == (RedisCause.NO_ANSWER, True)


def test_another_protocol_is_the_wrong_server() -> None:
    assert cause_of(redis.InvalidResponse("Protocol Error: H")) is RedisCause.WRONG_SERVER


def test_an_error_that_kombu_wraps_is_judged_by_what_redis_said() -> None:
    wrapped = OperationalError("refused")
    wrapped.__cause__ = raised("READONLY You can't write against a read only replica.")
    assert cause_of(wrapped) is RedisCause.READ_ONLY_REPLICA
    assert cause_of(OperationalError("gone")) is RedisCause.NO_ANSWER


def test_an_answer_inside_a_pipeline_is_judged_by_its_code() -> None:
    error = raised("READONLY You can't write against a read only replica.")
    error.args = ("Command # 1 (HINCRBY orderengine:counts a 1) of pipeline caused error: …",)
    assert cause_of(error) is RedisCause.READ_ONLY_REPLICA


@pytest.mark.parametrize(
    ("behind", "cause"),
    [
        (ssl.SSLCertVerificationError("not trusted"), RedisCause.TLS),
        (ssl.SSLError("wrong version number"), RedisCause.TLS),
        (ssl.SSLEOFError("a connection that ended"), RedisCause.NO_ANSWER),
        (ConnectionRefusedError("refused"), RedisCause.NO_ANSWER),
    ],
)
def test_an_error_is_judged_by_what_the_system_said(behind: OSError, cause: RedisCause) -> None:
    error = redis.ConnectionError("Error 1 connecting")
    error.__context__ = behind  # redis-py raises while it handles one of these
    assert cause_of(error) is cause


def test_every_cause_has_words_and_advice() -> None:
    assert set(CAUSES) == {each.value for each in RedisCause}
