"""The embedded servers as processes: their data, their secrets, and their survivors."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psycopg2
import pytest
import redis

from harness.waiting import wait_until
from orderengine.local.errors import ServerError
from orderengine.local.ports import is_free
from orderengine.local.postgres_server import EmbeddedPostgres
from orderengine.local.processes import ProcessRef
from orderengine.local.redis_server import EmbeddedRedis
from orderengine.local.server import EmbeddedServer
from tests.integration.embedded import pid_of, query, read, running_with, write

SERVERS: list[type[EmbeddedServer]] = [EmbeddedRedis, EmbeddedPostgres]

both = pytest.mark.parametrize("kind", SERVERS, ids=lambda kind: kind.name)
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become another user")


@both
def test_data_password_and_port_survive_a_restart(kind: type[EmbeddedServer], folder: Path) -> None:
    with kind(folder) as first:
        write(first)
        url = first.url
    with kind(folder) as second:
        assert second.url == url
        assert read(second) == "yes"


@both
def test_a_stop_leaves_no_process_and_no_port(kind: type[EmbeddedServer], folder: Path) -> None:
    with kind(folder) as server:
        ref = ProcessRef.of(pid_of(server))
        port = server.port
    assert ref is not None
    assert not ref.is_running()
    assert is_free(port)
    assert not running_with(str(folder))


@both
def test_a_killed_server_starts_again_with_its_data_on_its_port(
    kind: type[EmbeddedServer], folder: Path
) -> None:
    with kind(folder) as server:
        write(server)
        port = server.port
        if isinstance(server, EmbeddedRedis):  # it syncs its file every second
            with redis.Redis.from_url(server.url) as client:
                client.waitaof(1, 0, 0)
        killed = server.process
        assert killed is not None
        killed.kill()
        killed.wait()
        server.start()
        assert server.port == port
        assert read(server) == "yes"


@both
def test_a_killed_server_does_not_keep_the_next_object_from_starting(
    kind: type[EmbeddedServer], folder: Path
) -> None:
    first = kind(folder).start()
    os.kill(pid_of(first), signal.SIGKILL)
    first.stop()
    with kind(folder) as second:
        assert second.is_ready()


@both
def test_a_server_that_outlived_its_supervisor_is_stopped_by_the_next_start(
    kind: type[EmbeddedServer], folder: Path
) -> None:
    first = kind(folder).start()
    write(first)
    survivor = ProcessRef.of(pid_of(first))
    assert survivor is not None
    first._lock.release()  # as the kernel does when the holder is killed
    with kind(folder) as second:
        assert not survivor.is_running()
        assert read(second) == "yes"
    first.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the next start cleans up")
@both
def test_a_server_dies_with_its_supervisor(kind: type[EmbeddedServer], folder: Path) -> None:
    program = (
        "import signal, sys, pathlib\n"
        f"from {kind.__module__} import {kind.__name__}\n"
        f"server = {kind.__name__}(pathlib.Path(sys.argv[1])).start()\n"
        "print(server.pid, flush=True)\n"
        "signal.pause()\n"
    )
    command = [sys.executable, "-c", program, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        server = ProcessRef.of(int(supervisor.stdout.readline()))
        supervisor.kill()
    assert server is not None
    wait_until(lambda: not server.is_running())


@both
def test_two_objects_can_not_run_the_server_of_one_folder(
    kind: type[EmbeddedServer], folder: Path
) -> None:
    with kind(folder) as first:
        with pytest.raises(ServerError, match="another process is running"):
            kind(folder).start()
        assert first.is_ready()


@both
def test_secrets_are_private_and_on_no_command_line(
    kind: type[EmbeddedServer], folder: Path
) -> None:
    with kind(folder) as server:
        assert server.password in server.url
        assert not running_with(server.password)
        assert server.password not in (server.data_dir / "server.log").read_text()
        holders = [
            path for path in folder.iterdir() if path.is_file() and "password" in path.read_text()
        ]
        for path in [folder / "password", *holders]:
            assert path.stat().st_mode & 0o777 == 0o600


@both
def test_a_taken_port_is_an_error_when_it_was_asked_for(
    kind: type[EmbeddedServer], folder: Path
) -> None:
    with EmbeddedRedis(folder / "other") as other:
        server = kind(folder / "mine", port=other.port)
        with pytest.raises(ServerError, match=f"port {other.port} "):
            server.start()


def test_redis_refuses_a_wrong_password_and_evicts_nothing(folder: Path) -> None:
    with EmbeddedRedis(folder, durable=False) as server:
        wrong = redis.Redis.from_url(server.url.replace(server.password, "wrong"))
        with wrong, pytest.raises(redis.AuthenticationError):
            wrong.ping()
        with redis.Redis.from_url(server.url, decode_responses=True) as client:
            policy = client.config_get("maxmemory-policy")
    assert policy == {"maxmemory-policy": "noeviction"}


def test_postgres_refuses_a_wrong_password_and_has_the_asked_database(folder: Path) -> None:
    with EmbeddedPostgres(folder, durable=False, database="first_test") as server:
        wrong = server.url.replace(server.password, "wrong")
        with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
            psycopg2.connect(wrong)
        assert query(server, "SELECT current_database()") == "first_test"
        assert query(server, "SHOW server_encoding") == "UTF8"
        assert query(server, "SHOW fsync") == "off"
        assert query(server, "SHOW unix_socket_directories") == ""
    with EmbeddedPostgres(folder, database="second_test") as server:
        assert query(server, "SELECT current_database()") == "second_test"
        assert query(server, "SHOW fsync") == "on"


def test_postgres_starts_though_a_stranger_has_the_pid_it_left_behind(folder: Path) -> None:
    with EmbeddedPostgres(folder, durable=False) as server:
        cluster = server._cluster
        text = (cluster / "postmaster.pid").read_text()
    _, _, rest = text.partition("\n")
    (cluster / "postmaster.pid").write_text(f"{os.getpid()}\n{rest}")
    with EmbeddedPostgres(folder, durable=False) as server:
        assert server.is_ready()


def test_postgres_after_an_interrupted_first_start(folder: Path) -> None:
    (folder / "cluster.new").mkdir()
    (folder / "cluster.new" / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(folder, durable=False) as server:
        assert server.is_ready()
