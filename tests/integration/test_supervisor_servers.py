"""`python -m orderengine.local`: its refusals, and the servers that it starts."""

import json
import signal
import socket
from collections.abc import Iterator

import pytest

from orderengine.local.ports import free_port
from orderengine.local.processes import ProcessRef
from orderengine.local.runfile import load_run
from tests.integration.supervised import Supervised, edit_procfile, supervised
from tests.servers import Servers


@pytest.fixture
def stack(servers: Servers) -> Iterator[Supervised]:
    with supervised(servers.database_url) as stack:
        yield stack


@pytest.mark.parametrize("variable", ["PORT", "FLOWER_PORT"])
def test_a_taken_port_is_refused_before_anything_starts(stack: Supervised, variable: str) -> None:
    with socket.create_server(("127.0.0.1", int(stack.env[variable]))):
        stack.start()
        assert stack.process.wait(10) == 1
    stack.wait_for(
        f"^orderengine: port {stack.env[variable]} on 127.0.0.1 is taken.*set {variable}"
    )
    assert len(stack.lines) == 1


def test_a_second_run_of_the_checkout_is_refused_and_disturbs_nothing(stack: Supervised) -> None:
    stack.start_until_ready()
    first = stack.process
    stack.start()
    assert stack.process.wait(10) == 1
    stack.wait_for(f"already running at http://127.0.0.1:{stack.env['PORT']} .process {first.pid}")
    assert first.poll() is None
    assert all(ref.is_running() for ref in stack.children())


def test_a_wrong_setting_is_named_before_anything_starts(stack: Supervised) -> None:
    stack.env["SIM_SEED"] = "abc"
    stack.start()
    assert stack.process.wait(10) == 1
    stack.wait_for("^orderengine: SIM_SEED must be an integer")
    assert len(stack.lines) == 1


@pytest.mark.parametrize(
    ("variable", "url", "told"),
    [
        ("REDIS_URL", "redis://:secret@{}/0", "Redis at .* gives no answer "),
        ("DATABASE_URL", "postgresql://me:secret@{}/db", "the database does not answer: "),
        ("DATABASE_URL_UNPOOLED", "postgresql://me:secret@{}/db", "the database does not answer: "),
    ],
)
def test_a_server_that_is_not_there_is_named_before_anything_starts(
    stack: Supervised, variable: str, url: str, told: str
) -> None:
    stack.env[variable] = url.format(f"127.0.0.1:{free_port()}")
    stack.start()
    assert stack.process.wait(30) == 1
    stack.wait_for(f"^orderengine: {told}.*: is {variable} right, and the server up")
    assert len(stack.lines) == 1
    assert "secret" not in stack.lines[0]


def test_a_database_that_refuses_is_named_before_a_server_is_started(
    stack: Supervised, servers: Servers
) -> None:
    del stack.env["REDIS_URL"]
    stack.env["DATABASE_URL"] = f"{servers.database_url}_absent"
    stack.start()
    assert stack.process.wait(30) == 1
    stack.wait_for("^orderengine: .*does not exist: is DATABASE_URL right, and the server up")
    assert len(stack.lines) == 1


def test_a_failing_release_line_starts_nothing(stack: Supervised) -> None:
    edit_procfile(stack, "echo migrated", "echo broken; exit 3; echo")
    stack.start()
    assert stack.process.wait(10) == 1
    stack.wait_for("the release line failed: exit code 3")
    assert not any(line.startswith("web") for line in stack.lines)


def test_the_release_line_never_migrates_another_database_than_the_embedded_one(
    stack: Supervised,
) -> None:
    del stack.env["DATABASE_URL"]
    stack.env["DATABASE_URL_UNPOOLED"] = "postgresql://me:secret@somebody.else/db"
    (stack.root / ".env").write_text(f"DATABASE_URL_UNPOOLED={stack.env['DATABASE_URL_UNPOOLED']}")
    edit_procfile(stack, "echo migrated", 'echo "at ${DATABASE_URL_UNPOOLED:-$DATABASE_URL}"')
    stack.start_until_ready()
    stack.wait_for(r"release +\| at postgresql://orderengine:\*\*\*@127\.0\.0\.1:")
    assert stack.stop()[0] == 0


def test_migrations_alone_read_the_settings_file(stack: Supervised) -> None:
    (stack.root / "scripts").mkdir()
    (stack.root / "scripts" / "env.py").write_text(
        "import os\nprint('migrates', os.environ['DATABASE_URL'])\n"
    )
    (stack.root / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/scripts\n")
    del stack.env["DATABASE_URL"]
    (stack.root / ".env").write_text(
        "DATABASE_URL=postgresql://me:database-secret@127.0.0.1:1/db\n"
    )
    stack.start("migrate")
    stack.wait_for("^migrates postgresql://me:database-secret@127.0.0.1:1/db$")
    assert stack.process.wait(10) == 0


def test_migrations_alone_need_a_database(stack: Supervised) -> None:
    del stack.env["DATABASE_URL"]
    stack.start("migrate")
    assert stack.process.wait(10) == 1
    stack.wait_for("^orderengine: DATABASE_URL must be set$")
    assert len(stack.lines) == 1


def test_embedded_servers_are_started_kept_running_and_stopped_last(stack: Supervised) -> None:
    del stack.env["DATABASE_URL"], stack.env["REDIS_URL"]
    stack.start_until_ready()
    run = load_run(stack.folder)
    assert run is not None
    servers = {}
    for name in ("redis", "postgres"):
        fields = json.loads((stack.folder / name / "process.json").read_text())
        servers[name] = ProcessRef(**fields)
        servers[name].send(signal.SIGKILL)
        ended = stack.wait_for(f"{name} ended: signal SIGKILL")
        stack.wait_for(f"{name} is ready again", after=ended)
    for command, answer in (("check-redis", "^PONG$"), ("check-db", "^DB connected at: 20")):
        supervisor = stack.process
        stack.start(command)
        stack.wait_for(answer)
        assert stack.process.wait(10) == 0
        stack._started.append(supervisor)
    after = load_run(stack.folder)
    assert after is not None
    assert (after.redis_url, after.database_url) == (run.redis_url, run.database_url)
    status, seconds = stack.stop()
    assert status == 0
    assert seconds < 5
    assert not any(ref.is_running() for ref in servers.values())
    assert not list(stack.folder.glob("*/process.json"))


@pytest.mark.parametrize(
    ("command", "answer"), [("check-redis", "^PONG$"), ("check-db", "^DB connected at: 20")]
)
def test_a_check_without_a_stack_starts_the_server_for_itself(
    stack: Supervised, command: str, answer: str
) -> None:
    del stack.env["DATABASE_URL"], stack.env["REDIS_URL"]
    stack.start(command)
    stack.wait_for(answer)
    assert stack.process.wait(10) == 0
    assert len(stack.lines) == 1
    assert not list(stack.folder.glob("*/process.json"))


@pytest.mark.parametrize("command", ["check-redis", "check-db"])
def test_a_check_that_fails_says_so_in_one_line_without_the_password(
    stack: Supervised, command: str
) -> None:
    stack.env["REDIS_URL"] = f"redis://:redis-secret@127.0.0.1:{free_port()}/0"
    stack.env["DATABASE_URL"] = f"postgresql://me:database-secret@127.0.0.1:{free_port()}/db"
    stack.start(command)
    assert stack.process.wait(10) == 1
    stack.wait_for("^orderengine: .*(does not answer|gives no answer).*[Rr]efused")
    assert len(stack.lines) == 1
    assert "secret" not in stack.lines[0]


@pytest.mark.parametrize(
    ("command", "variable", "url", "answer"),
    [
        ("check-redis", "REDIS_URL", "rediss://h:1?ssl_cert_reqs=CERT_REQUIRED", "[Rr]efused"),
        ("check-redis", "REDIS_URL", "amqp://h", "^orderengine: REDIS_URL must be a redis"),
        ("check-db", "DATABASE_URL", "postgres://h:1/db", "[Rr]efused"),
        ("check-db", "DATABASE_URL", "mysql://h", "^orderengine: DATABASE_URL must be a postgres"),
    ],
)
def test_a_check_takes_the_urls_that_the_engine_takes(
    stack: Supervised, command: str, variable: str, url: str, answer: str
) -> None:
    stack.env[variable] = url.replace("://h", "://127.0.0.1")
    stack.start(command)
    assert stack.process.wait(10) == 1
    stack.wait_for(answer)
    assert len(stack.lines) == 1
