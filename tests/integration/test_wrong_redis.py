"""A wrong `REDIS_URL`: each process and command says in one line the fault and the remedy."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
from sqlalchemy import Engine

from orderengine.cli.common import Surroundings
from orderengine.dispatch.app import create_celery
from orderengine.dispatch.dispatcher import CeleryDispatcher
from orderengine.local.ports import LOOPBACK, free_port
from orderengine.local.procfile import parse_procfile, shell_line
from orderengine.probes import SystemProbes
from orderengine.redis_errors import RedisCause
from orderengine.redis_look import look
from orderengine.stream.breaker import Breaker
from orderengine.stream.client import create_client
from orderengine.stream.heartbeat import Heartbeat
from tests.cli_desk import call
from tests.integration.operators import surroundings_of
from tests.servers import Servers

ROOT = Path(__file__).parents[2]
CERTIFICATE = ROOT / "tests" / "data" / "self_signed.pem"
PASSWORD = "secret-of-the-tests"
USERS = {
    "no-commands": "~* &* +@all -lpush",
    "no-keys": "~other:* &* +@all",
    "no-channels": "~* resetchannels +@all",
    "no-subscribing": "~* &* +@all -subscribe",
    "no-taking": "~* &* +@all -brpop",
    "no-info": "~* &* +@all -info",
    "as-documented": (
        "~settle ~intake ~orderengine:* ~_kombu.* ~unacked* ~*.pidbox ~*celery* &*"
        " +@all -@admin -@dangerous +info"
    ),
    "turned-off": "off ~* &* +@all",
}
TIMEOUT_S = 0.5
LIMIT_S = 120.0


class Places:
    """Ports: the tests' Redis at `redis`, and servers that are not Redis."""

    def __init__(self, servers: Servers, stack: ExitStack) -> None:
        self.redis = urlsplit(servers.redis_url).port or 0
        self.postgres = urlsplit(servers.database_url).port or 0
        self.nobody = free_port()
        web = stack.enter_context(ThreadingHTTPServer((LOOPBACK, 0), BaseHTTPRequestHandler))
        threading.Thread(target=web.serve_forever, daemon=True).start()
        stack.callback(web.shutdown)
        self.web = web.server_port
        silent = stack.enter_context(socket.create_server((LOOPBACK, 0)))
        self.silent = silent.getsockname()[1]
        self.secured: int = stack.enter_context(tls_server())


@contextmanager
def tls_server() -> Iterator[int]:
    """A port that completes a TLS handshake, and does nothing else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return  # closed by the end of the test
            try:
                context.wrap_socket(connection, server_side=True).close()
            except OSError:
                connection.close()

    with socket.create_server((LOOPBACK, 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def places(servers: Servers) -> Iterator[Places]:
    admin = redis.Redis.from_url(servers.redis_url)
    with ExitStack() as stack, admin:
        for name, rules in USERS.items():
            state = [] if rules.startswith("off") else ["on"]
            admin.execute_command("ACL", "SETUSER", name, *state, f">{PASSWORD}", *rules.split())  # type: ignore[no-untyped-call]
        yield Places(servers, stack)
        admin.execute_command("ACL", "DELUSER", *USERS)  # type: ignore[no-untyped-call]


def user(name: str) -> Callable[[Places], str]:
    return lambda at: f"redis://{name}:{PASSWORD}@{LOOPBACK}:{at.redis}/0"


Fault = tuple[Callable[[Places], str], RedisCause, str, str]
FAULTS: dict[str, Fault] = {
    "no password": (
        lambda at: f"redis://{LOOPBACK}:{at.redis}/0",
        RedisCause.NO_ACCESS,
        "asks for a password, and REDIS_URL has none",
        "put user:password@ in front of the host",
    ),
    "wrong password": (
        lambda at: f"redis://:{PASSWORD}@{LOOPBACK}:{at.redis}/0",
        RedisCause.NO_ACCESS,
        "refuses the user or password of REDIS_URL",
        "correct them",
    ),
    "a user that is off": (
        user("turned-off"),
        RedisCause.NO_ACCESS,
        "refuses the user or password of REDIS_URL",
        "correct them",
    ),
    "no right to a command": (user("no-commands"), RedisCause.NO_RIGHTS, "lpush", "grant"),
    "no right to a key": (user("no-keys"), RedisCause.NO_RIGHTS, "access a key", "grant"),
    "no right to a channel": (
        user("no-channels"),
        RedisCause.NO_RIGHTS,
        "may not PUBLISH on orderengine:events",
        "grant",
    ),
    "no right to subscribe": (
        user("no-subscribing"),
        RedisCause.NO_RIGHTS,
        "may not SUBSCRIBE on orderengine:events",
        "grant",
    ),
    "no right to take": (
        user("no-taking"),
        RedisCause.NO_RIGHTS,
        "may not BRPOP on settle",
        "grant",
    ),
    "TLS asked of a server without": (
        lambda at: f"rediss://:{PASSWORD}@{LOOPBACK}:{at.redis}/0",
        RedisCause.TLS,
        "speaks no TLS",
        "write redis:// instead of rediss:// in REDIS_URL",
    ),
    "no TLS asked of a server with": (
        lambda at: f"redis://:{PASSWORD}@{LOOPBACK}:{at.secured}/0",
        RedisCause.TLS,
        "speaks TLS only",
        "write rediss:// instead of redis:// in REDIS_URL",
    ),
    "a certificate that nobody signed": (
        lambda at: f"rediss://:{PASSWORD}@{LOOPBACK}:{at.secured}/0",
        RedisCause.TLS,
        "shows a certificate that is not trusted (self-signed certificate)",
        "REDIS_SSL_CERT_REQS=none",
    ),
    "a web server": (
        lambda at: f"redis://:{PASSWORD}@{LOOPBACK}:{at.web}/0",
        RedisCause.WRONG_SERVER,
        "is no Redis: a web server listens there",
        "correct host and port in REDIS_URL",
    ),
    "a web server, with TLS": (
        lambda at: f"rediss://:{PASSWORD}@{LOOPBACK}:{at.web}/0",
        RedisCause.WRONG_SERVER,
        "is no Redis: a web server listens there",
        "correct host and port in REDIS_URL",
    ),
    "PostgreSQL": (
        lambda at: f"redis://:{PASSWORD}@{LOOPBACK}:{at.postgres}/0",
        RedisCause.WRONG_SERVER,
        "is no Redis: PostgreSQL listens there",
        "correct host and port in REDIS_URL",
    ),
    "silence": (
        lambda at: f"redis://:{PASSWORD}@{LOOPBACK}:{at.silent}/0",
        RedisCause.NO_ANSWER,
        "gives no answer (Timeout",
        "is REDIS_URL right, and the server up?",
    ),
    "nobody": (
        lambda at: f"redis://:{PASSWORD}@{LOOPBACK}:{at.nobody}/0",
        RedisCause.NO_ANSWER,
        "gives no answer (Connection refused)",
        "is REDIS_URL right, and the server up?",
    ),
    "an unknown host": (
        lambda _: f"redis://:{PASSWORD}@no-such-host.invalid:6379/0",
        RedisCause.NO_ANSWER,
        "has a host name that is not known",
        "correct the host in REDIS_URL",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_is_told_in_one_line_with_what_to_do(places: Places, fault: str) -> None:
    url, cause, found, advice = FAULTS[fault]
    trouble = look(url(places), TIMEOUT_S)
    assert trouble is not None
    told = str(trouble)
    assert trouble.cause is cause
    assert found in told
    assert advice in told
    assert "REDIS_URL" in told or cause is RedisCause.NO_RIGHTS
    assert PASSWORD not in told
    assert "\n" not in told


def test_the_rights_that_the_documentation_names_suffice(places: Places) -> None:
    documented = (ROOT / "docs" / "operations.md").read_text("utf-8").replace("\n", " ")
    for right in USERS["as-documented"].split():
        assert right in documented
    assert look(user("as-documented")(places)) is None


def test_a_number_of_no_database_is_told(servers: Servers) -> None:
    trouble = look(servers.redis_url.rpartition("/")[0] + "/99")
    assert trouble is not None
    assert trouble.cause is RedisCause.NO_DATABASE
    assert "/99 has no database of the number at the end of REDIS_URL" in str(trouble)


def test_a_redis_that_serves_has_no_trouble_and_is_left_as_it_was(
    redis_client: "redis.Redis", redis_url: str
) -> None:
    assert look(redis_url) is None
    assert redis_client.keys("*") == []


@pytest.mark.parametrize("fault", ["no TLS asked of a server with", "PostgreSQL"])
def test_what_a_process_saw_at_its_start_is_the_cause_until_redis_serves(
    places: Places, database: Engine, redis_url: str, fault: str
) -> None:
    given, cause, found, _ = FAULTS[fault]
    url = given(places)

    def probes_of(url: str) -> SystemProbes:
        dispatcher = CeleryDispatcher(create_celery(url, timeout_s=TIMEOUT_S), Breaker(0.0))
        heartbeat = Heartbeat(create_client(url, TIMEOUT_S))
        return SystemProbes(database, dispatcher, heartbeat, lambda: look(url, TIMEOUT_S))

    probes = probes_of(url)
    assert probes.degraded()["redis"] == RedisCause.NO_ANSWER
    trouble = probes.redis_trouble()
    assert trouble is not None
    assert trouble[0] == cause
    assert found in trouble[1]
    assert probes.degraded()["redis"] == cause
    assert "redis" not in probes_of(redis_url).degraded()


def found_by_doctor(around: Surroundings, url: str) -> dict[str, object]:
    given = Surroundings(environ={**around.environ, "REDIS_URL": url})
    ran = call("doctor", "--no-api", "--no-flower", "--json", around=given)
    checks = {each["name"]: each for each in json.loads(ran.stdout.splitlines()[-1])["checks"]}
    redis_check: dict[str, object] = checks["redis"]
    return redis_check


def test_doctor_tells_it_and_minds_no_missing_right_to_info(
    places: Places, database: Engine, database_url: str, redis_url: str
) -> None:
    around = surroundings_of(database, database_url, redis_url)
    closed = found_by_doctor(around, FAULTS["no password"][0](places))
    assert "asks for a password, and REDIS_URL has none" in str(closed["detail"])
    assert closed["advice"] == "put user:password@ in front of the host in REDIS_URL"
    quiet = found_by_doctor(around, user("no-info")(places))
    assert quiet["ok"]
    assert "it tells nothing of itself (no_rights)" in str(quiet["detail"])


def line_of(name: str) -> list[str]:
    commands = parse_procfile((ROOT / "Procfile").read_text("utf-8"))
    return ["/bin/sh", "-c", shell_line(commands[name])]


COMMANDS: dict[str, list[str]] = {
    "web": line_of("web"),
    "worker": line_of("worker"),
    "flower": line_of("flower"),
    "check-redis": [sys.executable, "-m", "orderengine.local", "check-redis"],
    "run": [sys.executable, "-m", "orderengine.local", "run"],
    "stuck": [sys.executable, "-m", "orderengine", "orders", "stuck"],
}


def started(
    command: str, servers: Servers, redis_url: str, *arguments: str
) -> "subprocess.Popen[str]":
    env = {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "DATABASE_URL": servers.database_url,
        "REDIS_URL": redis_url,
        "HOST": LOOPBACK,
        "PORT": str(free_port()),
        "FLOWER_PORT": str(free_port()),
    }
    return subprocess.Popen(
        [*COMMANDS[command], *arguments],
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def test_each_command_ends_with_one_line_about_an_option_that_does_not_exist(
    servers: Servers, tmp_path: Path
) -> None:
    url = f"redis://:{PASSWORD}@{LOOPBACK}:6379/0?family=0"

    def told(command: str) -> tuple[str, int]:
        more = ["--root", str(checkout(tmp_path))] if command == "run" else []
        process = started(command, servers, url, *more)
        return process.communicate(timeout=LIMIT_S)[0], process.returncode

    with ThreadPoolExecutor(3) as threads:
        for command, (output, status) in zip(COMMANDS, threads.map(told, COMMANDS), strict=True):
            (line,) = [line for line in output.splitlines() if line.strip()]
            assert "REDIS_URL has ?family=, which is no option here: leave it out" in line, command
            assert PASSWORD not in line
            assert status != 0


def checkout(folder: Path) -> Path:
    """A folder in which a stack can start and keep its state."""
    (folder / "Procfile").write_text((ROOT / "Procfile").read_text("utf-8"), "utf-8")
    return folder


def test_run_ends_with_one_line_before_it_starts_anything(
    places: Places, servers: Servers, tmp_path: Path
) -> None:
    root = str(checkout(tmp_path))
    url = FAULTS["TLS asked of a server without"][0](places)
    process = started("run", servers, url, "--root", root)
    (line,) = process.communicate(timeout=LIMIT_S)[0].splitlines()
    assert "speaks no TLS" in line
    assert "write redis:// instead of rediss:// in REDIS_URL" in line
    assert process.returncode == 1


def test_each_process_that_goes_on_logs_what_is_wrong_at_its_start(
    places: Places, servers: Servers
) -> None:
    url, cause, found, advice = FAULTS["no password"]

    def logged(command: str) -> dict[str, str]:
        """The line that names REDIS_URL; without one, it reads on to the time limit."""
        with started(command, servers, url(places)) as process:
            limit = threading.Timer(LIMIT_S, os.killpg, (process.pid, signal.SIGKILL))
            limit.start()
            try:
                for line in process.stdout or ():
                    if '"setting":"REDIS_URL"' in line.replace(" ", ""):
                        told: dict[str, str] = json.loads(line)
                        return told
            finally:
                limit.cancel()
                os.killpg(process.pid, signal.SIGKILL)
        raise AssertionError(f"{command} says nothing of REDIS_URL")

    with ThreadPoolExecutor(3) as threads:
        for line in threads.map(logged, ("web", "worker", "flower")):
            assert line["cause"] == cause
            assert found in line["error"]
            assert advice in line["error"]
