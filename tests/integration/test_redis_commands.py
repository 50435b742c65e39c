"""Commands without redis-py's client: they survive faults, and never get another one's answer."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis

from harness.waiting import wait_until
from orderengine.fastlane.commands import FastCommands
from orderengine.local.redis_server import EmbeddedRedis
from orderengine.redis.client import create_client
from orderengine.redis.commands import Script
from tests.integration.streams import frozen

ECHO = Script("return ARGV[1]")


@pytest.fixture
def commands(redis_url: str) -> Iterator[FastCommands]:
    commands = FastCommands(create_client(redis_url, 0.5).connection_pool)
    yield commands
    commands.drop_idle()


def connection_id(commands: FastCommands) -> int:
    return int(commands.send("CLIENT", "ID"))


def test_one_connection_serves_a_thread_again_and_again(commands: FastCommands) -> None:
    assert len({connection_id(commands) for _ in range(10)}) == 1


def test_threads_never_share_one(commands: FastCommands) -> None:
    def echoed(number: int) -> bool:
        return bool(commands.send("ECHO", str(number)) == str(number).encode())

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(echoed, range(500)))


def test_a_script_that_the_server_does_not_know_is_given_in_full(commands: FastCommands) -> None:
    for _ in range(2):
        commands.send("SCRIPT", "FLUSH")
        assert commands.run(ECHO, [], ["said"]) == b"said"
        assert commands.run(ECHO, ["key"], ["again"]) == b"again"


def test_a_connection_that_the_server_closed_costs_nothing(
    commands: FastCommands, redis_client: redis.Redis
) -> None:
    before = connection_id(commands)
    redis_client.client_kill_filter(_id=str(before))
    assert connection_id(commands) != before


def test_a_refusal_is_raised_and_the_connection_kept(commands: FastCommands) -> None:
    before = connection_id(commands)
    with pytest.raises(redis.ResponseError, match="unknown command"):
        commands.send("NONSENSE")
    assert connection_id(commands) == before


def test_a_server_that_became_a_replica_is_left_by_all_connections(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path / "redis", durable=False) as server:
        commands = FastCommands(create_client(server.url, 3.0).connection_pool)
        with create_client(server.url, 5.0) as client:
            before = two_connections(commands, client)
            client.replicaof("127.0.0.1", "1")
            with pytest.raises(redis.exceptions.ReadOnlyError):
                commands.send("SET", "key", "1")
            client.replicaof("NO", "ONE")
            after = two_connections(commands, client)
        assert before.isdisjoint(after)
        commands.drop_idle()


def test_a_connection_in_use_when_its_server_is_left_is_not_used_again(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path / "redis", durable=False) as server:
        commands = FastCommands(create_client(server.url, 3.0).connection_pool)
        with create_client(server.url, 5.0) as client, ThreadPoolExecutor(1) as other:
            before = connection_id(commands)
            waiting = other.submit(commands.send, "BLPOP", "gate", "0")
            wait_until(lambda: client.info("clients")["blocked_clients"] == 1)
            commands.leave()
            client.lpush("gate", "open")
            assert waiting.result() == [b"gate", b"open"]
        assert connection_id(commands) != before
        commands.drop_idle()


def test_an_answer_that_nobody_waited_for_is_not_taken_for_the_next_one(
    commands: FastCommands, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    commands.send("PING")  # connects first: else the interrupt hits the greeting
    with monkeypatch.context() as patched:
        patched.setattr("redis.Connection.read_response", interrupted)
        with pytest.raises(KeyboardInterrupt):
            commands.send("BLPOP", "nothing", "0.2")
    assert commands.send("ECHO", "second") == b"second"


def test_a_late_answer_is_not_taken_for_the_next_one(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path / "redis", durable=False) as server:
        commands = FastCommands(create_client(server.url, 0.2).connection_pool)
        assert commands.send("ECHO", "first") == b"first"
        with frozen(server), pytest.raises(redis.TimeoutError):
            commands.send("ECHO", "second")
        assert commands.send("ECHO", "third") == b"third"
        commands.drop_idle()


def two_connections(commands: FastCommands, client: redis.Redis) -> set[int]:
    """The ids of two connections, which are idle afterwards."""
    with ThreadPoolExecutor(1) as other:
        waiting = other.submit(commands.send, "BLPOP", "gate", "0")
        wait_until(lambda: client.info("clients")["blocked_clients"] == 1)
        first = connection_id(commands)
        client.lpush("gate", "open")
        waiting.result()
    return {first, connection_id(commands)}


def test_after_a_timeout_no_connection_is_trusted(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path / "redis", durable=False) as server:
        commands = FastCommands(create_client(server.url, 3.0).connection_pool)
        with create_client(server.url, 5.0) as client:
            before = two_connections(commands, client)
            with frozen(server), pytest.raises(redis.TimeoutError):
                commands.send("PING")
            after = two_connections(commands, client)
        assert len(before) == len(after) == 2
        assert before.isdisjoint(after)
        commands.drop_idle()


def test_a_server_that_is_away_is_told_and_found_again(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path / "redis", durable=False) as server:
        commands = FastCommands(create_client(server.url, 0.2).connection_pool)
        server.kill()
        for _ in range(2):
            with pytest.raises(redis.ConnectionError):
                commands.send("PING")
        server.start()
        assert commands.send("PING") == b"PONG"
        commands.drop_idle()


def test_a_child_process_makes_connections_of_its_own(
    commands: FastCommands, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = connection_id(commands)
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert connection_id(commands) != before


def test_dropped_connections_are_closed(commands: FastCommands, redis_client: redis.Redis) -> None:
    before = connection_id(commands)
    commands.drop_idle()
    assert redis_client.client_list(client_id=[str(before)]) == []
    assert connection_id(commands) != before


def test_a_long_outage_uses_up_no_connections(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path / "redis", durable=False) as server:
        client = create_client(server.url, 0.2)
        client.connection_pool.max_connections = 3
        commands = FastCommands(client.connection_pool)
        server.kill()
        for _ in range(5):
            with pytest.raises(redis.ConnectionError):
                commands.send("PING")
            commands.drop_idle()
        server.start()
        assert commands.send("PING") == b"PONG"
        commands.drop_idle()
