"""The lines of the Procfile, started unchanged by a plain shell, as a host does."""

import base64
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.processes import ROOT, STOP_TIMEOUT_S
from harness.waiting import wait_until
from orderengine.local.ports import LOOPBACK, free_port
from orderengine.local.processes import command_line
from orderengine.local.procfile import parse_procfile
from tests.e2e.conftest import next_redis_url, scratch_database
from tests.e2e.foreign import FOREIGN_TO_ALL
from tests.e2e.stack import Stack
from tests.servers import Servers

FLOWER_TIMEOUT_S = 15.0
COMMAND_TIMEOUT_S = 60.0
EVERYWHERE = "0.0.0.0"


class Deployment(Stack):
    """All lines of the Procfile, each started by nothing but a shell."""

    def __init__(self, database_url: str, redis_url: str, folder: Path, **environ: str) -> None:
        self.flower_port = free_port()
        flower_port = str(self.flower_port)
        super().__init__(database_url, redis_url, folder, FLOWER_PORT=flower_port, **environ)
        lines = parse_procfile((ROOT / "Procfile").read_text("utf-8"))
        self.lines = {name: ["/bin/sh", "-c", line] for name, line in lines.items()}

    def start_flower(self, **environ: str) -> None:
        """Start Flower and wait until it listens."""
        self.environ |= environ
        self.start_line("flower")
        wait_until(lambda: self.flower("/healthcheck") is not None, FLOWER_TIMEOUT_S)

    def flower(self, path: str, credentials: str = "") -> tuple[int, str] | None:
        """Status and page of Flower; None while nothing listens."""
        token = base64.b64encode(credentials.encode()).decode()
        headers = {"Authorization": f"Basic {token}"} if credentials else {}
        url = f"http://{LOOPBACK}:{self.flower_port}{path}"
        request = urllib.request.Request(url, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return None

    def line(self, name: str, **environ: str) -> "subprocess.CompletedProcess[str]":
        """Run a line that ends by itself."""
        return subprocess.run(
            self.lines[name],
            cwd=ROOT,
            env={**self.environ, **environ},
            capture_output=True,
            text=True,
            timeout=FLOWER_TIMEOUT_S,
            check=False,
        )

    def command_line_of_ours(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command of the engine's command line in the environment of the lines."""
        return subprocess.run(
            [sys.executable, "-m", "orderengine", *arguments],
            cwd=ROOT,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )

    def command_line(self, name: str) -> str:
        return command_line(self.pid(name))

    def end_repeatedly(self, *names: str) -> bool:
        """Send SIGTERM to those that still run; returns True if none does."""
        running = [name for name in names if self.is_running(name)]
        for name in running:
            self.kill(name, signal.SIGTERM)
        return not running


@pytest.fixture(scope="module")
def stack_database_url(servers: Servers) -> Iterator[str]:
    """A new database without tables, because the release line makes them."""
    with scratch_database(servers) as url:
        yield url


@pytest.fixture(scope="module")
def deployment(
    stack_database_url: str, stack_redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("deployment")
    with Deployment(
        stack_database_url, stack_redis_url, folder, SIM_SETTLEMENT_MS="300-500"
    ) as running:
        running.start_flower()
        yield running


def shown(page: str) -> set[str]:
    """The texts of a page, without its markup."""
    return {text.strip() for text in re.split(r"<[^>]*>", page)}


def test_an_order_runs(deployment: Deployment) -> None:
    stream = deployment.follow(deployment.post("SOL", "sell", "2.5"))
    assert stream.statuses == ["pending", "routing", "building", "submitted", "confirmed"]
    assert stream.code == 1000


def test_flower_shows_the_worker_to_everybody_on_this_machine(deployment: Deployment) -> None:
    def sees_the_worker() -> bool:
        answer = deployment.flower("/workers")
        return answer is not None and answer[0] == 200 and "celery@" in answer[1]

    wait_until(sees_the_worker, FLOWER_TIMEOUT_S)


def test_flower_shows_how_long_the_queues_are(deployment: Deployment) -> None:
    def sees_the_queues() -> bool:
        answer = deployment.flower("/broker")
        return answer is not None and answer[0] == 200 and {"settle", "intake"} <= shown(answer[1])

    wait_until(sees_the_queues, FLOWER_TIMEOUT_S)


def test_no_variable_of_another_tool_changes_how_the_lines_run(
    stack_database_url: str, servers: Servers, tmp_path: Path
) -> None:
    url = next_redis_url(servers)
    settings = {"SIM_SETTLEMENT_MS": "300-500", **FOREIGN_TO_ALL}
    with Deployment(stack_database_url, url, tmp_path, **settings) as led_astray:
        led_astray.start_flower()
        for command in (
            ("submit", "SOL", "sell", "2.5", "--watch", "--url", led_astray.url),
            ("doctor", "--url", led_astray.url),
        ):
            ran = led_astray.command_line_of_ours(*command)
            assert (ran.returncode, ran.stderr) == (0, "")


def test_flower_refuses_to_be_open_to_the_world(deployment: Deployment) -> None:
    refused = deployment.line("flower", FLOWER_HOST=EVERYWHERE, FLOWER_PORT=str(free_port()))
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert "FLOWER_BASIC_AUTH must be set" in refused.stderr


def test_flower_in_public_asks_for_its_password_and_tells_it_nobody(
    stack_redis_url: str, tmp_path: Path
) -> None:
    public = Deployment("", stack_redis_url, tmp_path)
    try:
        public.start_flower(FLOWER_HOST=EVERYWHERE, FLOWER_BASIC_AUTH="me:open-sesame")
        for credentials, status in (("", 401), ("me:other", 401), ("me:open-sesame", 200)):
            answer = public.flower("/workers", credentials)
            assert answer is not None
            assert answer[0] == status
            assert "open-sesame" not in answer[1]
        assert "orderengine.worker.flower" in public.command_line("flower")
        assert "open-sesame" not in public.command_line("flower") + public.logs("flower")
    finally:
        public.stop()
    assert public.wait("flower") == "exit code 0"


def test_everything_drains_however_often_it_is_told_to(
    stack_database_url: str, servers: Servers, tmp_path: Path
) -> None:
    names = ("web", "worker", "flower")
    url, long = next_redis_url(servers), "8000-8000"
    with Deployment(stack_database_url, url, tmp_path, SIM_SETTLEMENT_MS=long) as busy:
        busy.start_flower()
        with busy.following(busy.post_many(20)) as following:
            # All sockets must be open: a handshake that the stop interrupts has no close code.
            wait_until(
                lambda: "orderengine_open_sockets 20.0" in busy.text("/metrics"), 60.0, pause_s=0.1
            )
            wait_until(lambda: busy.logs("worker").count('"submitted"') > 2, timeout_s=60.0)
            wait_until(lambda: busy.end_repeatedly(*names), STOP_TIMEOUT_S)
        assert {each.result().code for each in following} <= {1000, 1012}
        assert [busy.wait(name) for name in names] == ["exit code 0"] * 3
