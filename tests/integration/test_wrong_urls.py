"""A wrong URL of a server: each command says in one line which one, and why."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from orderengine.cli.common import Surroundings
from orderengine.config.settings import sqlalchemy_url
from orderengine.local.ports import free_port
from tests.cli_desk import call
from tests.servers import Servers

ROOT = Path(__file__).parents[2]
NO_REDIS = "redis://127.0.0.1:1/0"
COMMANDS = {
    "alembic": ["-m", "alembic", "upgrade", "head"],
    "migrate": ["-m", "orderengine.local", "migrate"],
    "keys": ["-m", "orderengine", "keys", "list"],
    "stuck": ["-m", "orderengine", "orders", "stuck"],
    "export": ["-m", "orderengine", "export", "orders"],
    "prune": ["-m", "orderengine", "prune", "--older-than", "30d"],
    "worker": ["-m", "celery", "-A", "orderengine.worker.app", "worker"],
    "flower": ["-m", "orderengine.worker.flower"],
    "web": [
        *("-m", "gunicorn", "--config", "python:orderengine.webserver.gunicorn_conf"),
        "orderengine.api.app:create_app()",
    ],
}


def told_by(command: str, database_url: str, **foreign: str) -> str:
    """The only line that a command writes before it fails."""
    env = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": database_url,
        "REDIS_URL": NO_REDIS,
        "HOST": "127.0.0.1",
        **foreign,
    }
    arguments = [sys.executable, *COMMANDS[command]]
    ran = subprocess.run(
        arguments, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode != 0
    (line,) = [line for line in (ran.stdout + ran.stderr).splitlines() if line.strip()]
    assert "secret" not in line
    return line


TellHere = Callable[..., str]


@pytest.fixture
def told_here(monkeypatch: pytest.MonkeyPatch) -> TellHere:
    """As `told_by`, for the command line in this process, which starts several times as fast."""

    def told(command: str, database_url: str, **foreign: str) -> str:
        for name, value in foreign.items():
            monkeypatch.setenv(name, value)
        urls = {"DATABASE_URL": database_url, "REDIS_URL": NO_REDIS}
        package, *arguments = COMMANDS[command][1:]
        assert package == "orderengine"
        done = call(*arguments, around=Surroundings(environ=urls))
        assert done.exit_code != 0
        (line,) = [line for line in done.output.splitlines() if line.strip()]
        assert "secret" not in line
        return line

    return told


@pytest.mark.parametrize("command", sorted(COMMANDS.keys() - {"flower"}))
def test_an_option_that_another_client_knows_is_named(command: str) -> None:
    line = told_by(command, "postgresql://me:secret@127.0.0.1/db?pgbouncer=true")
    assert "DATABASE_URL has ?pgbouncer=" in line


@pytest.mark.parametrize("command", ["alembic", "migrate", "keys", "stuck", "export"])
def test_a_server_that_is_not_there_is_named(command: str, told_here: TellHere) -> None:
    port = free_port()
    tell = told_here if command in {"keys", "export"} else told_by
    line = tell(command, f"postgresql://me:secret@127.0.0.1:{port}/db")
    assert "DATABASE_URL" in line
    assert str(port) in line


@pytest.mark.parametrize("command", ["alembic", "keys", "stuck"])
def test_a_database_that_is_not_there_is_told(
    command: str, servers: Servers, told_here: TellHere
) -> None:
    tell = told_by if command == "alembic" else told_here
    line = tell(command, f"{servers.database_url}_absent")
    refused = "PostgreSQL refuses the user, password or database of DATABASE_URL"
    assert refused in line
    assert line.startswith(f"{refused} (") or command == "alembic"


@pytest.mark.parametrize("name", ["GUNICORN_CMD_ARGS", "SCRIPT_NAME"])
def test_a_variable_that_would_overrule_the_configuration_of_web_is_named(name: str) -> None:
    foreign = {name: "--workers 3"}
    line = told_by("web", "postgresql://me:secret@127.0.0.1/db", **foreign)
    assert f"{name} would change how this process runs" in line


@pytest.mark.parametrize("command", ["alembic", "keys", "web", "worker", "flower"])
def test_a_python_path_that_hides_an_installed_module_is_named(
    command: str, tmp_path: Path
) -> None:
    hiding = tmp_path / "flask_smorest.py"
    hiding.touch()
    line = told_by(command, "postgresql://me:secret@127.0.0.1/db", PYTHONPATH=str(tmp_path))
    assert f"PYTHONPATH leads to {hiding} instead of the installed flask_smorest" in line


@pytest.mark.parametrize("name", ["CELERY_WORKER_QUEUES", "CELERY_WORKER_POOL"])
def test_a_variable_that_celery_reads_as_an_option_of_the_worker_is_named(name: str) -> None:
    line = told_by("worker", "postgresql://me:secret@127.0.0.1/db", **{name: "foreign"})
    assert name in line


@pytest.mark.parametrize("host", ["x86_64-conda-linux-gnu", "192.0.2.1"])
def test_a_host_on_which_no_process_can_listen_is_named(host: str) -> None:
    line = told_by("web", "postgresql://me:secret@127.0.0.1/db", HOST=host, AUTH="off")
    assert f"HOST is {host}" in line


@pytest.mark.parametrize(
    ("command", "name", "value"),
    [
        ("alembic", "PGSSLMODE", "require"),
        ("keys", "PGSSLMODE", "require"),
        ("stuck", "PGSSLMODE", "require"),
        ("alembic", "PGOPTIONS", "-c nonsense=x"),
        ("keys", "PGSERVICE", "absent"),
    ],
)
def test_a_variable_of_libpq_that_keeps_from_the_server_is_named(
    command: str, name: str, value: str, servers: Servers, told_here: TellHere
) -> None:
    tell = told_here if command == "stuck" or name == "PGSERVICE" else told_by
    line = tell(command, servers.database_url, **{name: value})
    assert name in line


def test_tls_asked_of_a_server_without_is_told(servers: Servers, told_here: TellHere) -> None:
    line = told_here("stuck", f"{servers.database_url}?sslmode=require")
    assert "do not agree about TLS (sslmode): " in line
    assert "server does not support SSL" in line
    assert "DATABASE_URL is " in line


@pytest.fixture
def empty_database(servers: Servers) -> Iterator[str]:
    """A database that was never migrated."""
    engine = create_engine(sqlalchemy_url(servers.database_url), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("CREATE DATABASE never_migrated_test"))
        yield servers.database_url.rpartition("/")[0] + "/never_migrated_test"
        connection.execute(text("DROP DATABASE never_migrated_test WITH (FORCE)"))
    engine.dispose()


@pytest.mark.parametrize("command", ["stuck", "export", "prune"])
def test_a_database_that_was_never_migrated_is_told(
    command: str, empty_database: str, told_here: TellHere
) -> None:
    tell = told_by if command == "stuck" else told_here
    line = tell(command, empty_database)
    assert line.startswith("the migrations were never run, or are behind: run make migrate (")


def test_doctor_tells_a_database_that_was_never_migrated(empty_database: str) -> None:
    env = {"PATH": os.environ["PATH"], "DATABASE_URL": empty_database, "REDIS_URL": NO_REDIS}
    arguments = [sys.executable, "-m", "orderengine", "doctor", "--no-api", "--no-flower"]
    ran = subprocess.run(
        arguments, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode == 1
    assert "the migrations were never run" in ran.stdout
    assert "Traceback" not in ran.stderr
