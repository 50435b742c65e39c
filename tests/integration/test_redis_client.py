"""The commands of a client: they survive faults, and never get another one's answer."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis

from harness.waiting import wait_until
from orderengine.local.redis_server import EmbeddedRedis
from orderengine.redis.client import Client, Script, create_client
from tests.integration.streams import frozen

ECHO = Script("return ARGV[1]")


@pytest.fixture
def ours(redis_url: str) -> Iterator[Client]:
    ours = create_client(redis_url, 0.5)
    yield ours
    ours.close()


def connection_id(ours: Client) -> int:
    return int(ours.execute_command("CLIENT", "ID"))


def test_one_connection_serves_a_thread_again_and_again(ours: Client) -> None:
    assert len({connection_id(ours) for _ in range(10)}) == 1


def test_threads_never_share_one(ours: Client) -> None:
    def echoed(number: int) -> bool:
        return bool(ours.execute_command("ECHO", str(number)) == str(number).encode())

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(echoed, range(500)))


def test_a_script_that_the_server_does_not_know_is_given_in_full(ours: Client) -> None:
    for _ in range(2):
        ours.execute_command("SCRIPT", "FLUSH")
        assert ours.run(ECHO, [], ["said"]) == b"said"
        assert ours.run(ECHO, ["key"], ["again"]) == b"again"


def test_a_connection_that_the_server_closed_costs_nothing(
    ours: Client, redis_client: redis.Redis
) -> None:
    before = connection_id(ours)
    redis_client.client_kill_filter(_id=str(before))
    assert connection_id(ours) != before


def test_a_refusal_is_raised_and_the_connection_kept(ours: Client) -> None:
    before = connection_id(ours)
    with pytest.raises(redis.ResponseError, match="unknown command"):
        ours.execute_command("NONSENSE")
    assert connection_id(ours) == before


def test_a_server_that_became_a_replica_is_left_by_all_connections(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path / "redis", durable=False) as server:
        ours = create_client(server.url, 3.0)
        with create_client(server.url, 5.0) as client:
            before = two_connections(ours, client)
            client.replicaof("127.0.0.1", "1")
            with pytest.raises(redis.exceptions.ReadOnlyError):
                ours.execute_command("SET", "key", "1")
            client.replicaof("NO", "ONE")
            after = two_connections(ours, client)
        assert before.isdisjoint(after)
        ours.close()


def test_a_connection_in_use_when_its_server_is_left_is_not_used_again(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path / "redis", durable=False) as server:
        ours = create_client(server.url, 3.0)
        with create_client(server.url, 5.0) as client, ThreadPoolExecutor(1) as other:
            before = connection_id(ours)
            waiting = other.submit(ours.execute_command, "BLPOP", "gate", "0")
            wait_until(lambda: client.info("clients")["blocked_clients"] == 1)
            ours.note(redis.ConnectionError())
            client.lpush("gate", "open")
            assert list(waiting.result()) == [b"gate", b"open"]
        assert connection_id(ours) != before
        ours.close()


def test_an_answer_that_nobody_waited_for_is_not_taken_for_the_next_one(
    ours: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    ours.execute_command("PING")  # connects first: else the interrupt hits the greeting
    with monkeypatch.context() as patched:
        patched.setattr("redis._parsers._HiredisParser.read_response", interrupted)
        with pytest.raises(KeyboardInterrupt):
            ours.execute_command("BLPOP", "nothing", "0.2")
    assert ours.execute_command("ECHO", "second") == b"second"


def test_a_late_answer_is_not_taken_for_the_next_one(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path / "redis", durable=False) as server:
        ours = create_client(server.url, 0.2)
        assert ours.execute_command("ECHO", "first") == b"first"
        with frozen(server), pytest.raises(redis.TimeoutError):
            ours.execute_command("ECHO", "second")
        assert ours.execute_command("ECHO", "third") == b"third"
        ours.close()


def two_connections(ours: Client, client: redis.Redis) -> set[int]:
    """The ids of two connections, which are idle afterwards."""
    with ThreadPoolExecutor(1) as other:
        waiting = other.submit(ours.execute_command, "BLPOP", "gate", "0")
        wait_until(lambda: client.info("clients")["blocked_clients"] == 1)
        first = connection_id(ours)
        client.lpush("gate", "open")
        waiting.result()
    return {first, connection_id(ours)}


def test_after_a_timeout_no_connection_is_trusted(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path / "redis", durable=False) as server:
        ours = create_client(server.url, 3.0)
        with create_client(server.url, 5.0) as client:
            before = two_connections(ours, client)
            with frozen(server), pytest.raises(redis.TimeoutError):
                ours.execute_command("PING")
            after = two_connections(ours, client)
        assert len(before) == len(after) == 2
        assert before.isdisjoint(after)
        ours.close()


def test_a_server_that_is_away_is_told_and_found_again(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path / "redis", durable=False) as server:
        ours = create_client(server.url, 0.2)
        server.kill()
        for _ in range(2):
            with pytest.raises(redis.ConnectionError):
                ours.execute_command("PING")
        server.start()
        assert ours.ping()
        ours.close()


def test_a_child_process_makes_connections_of_its_own(
    ours: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = connection_id(ours)
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert connection_id(ours) != before


def test_dropped_connections_are_closed(ours: Client, redis_client: redis.Redis) -> None:
    before = connection_id(ours)
    ours.close()
    assert redis_client.client_list(client_id=[str(before)]) == []
    assert connection_id(ours) != before


def test_a_long_outage_uses_up_no_connections(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path / "redis", durable=False) as server:
        ours = create_client(server.url, 0.2)
        ours.connection_pool.max_connections = 3
        server.kill()
        for _ in range(5):
            with pytest.raises(redis.ConnectionError):
                ours.execute_command("PING")
            ours.close()
        server.start()
        assert ours.ping()
        ours.close()
