"""A wrong `REDIS_URL`: each process and command says in one line the fault and the remedy."""

import json
import signal
import sys
from pathlib import Path

from harness.processes import ROOT
from harness.stack import Stack, procfile_lines
from harness.waiting import wait_until
from orderengine.local.ports import LOOPBACK, free_port
from tests.integration.wrong_redis import FAULTS, PASSWORD, Places, places
from tests.servers import Servers

__all__ = ["places"]

LIMIT_S = 120.0
LINES = ("web", "worker", "flower")
COMMANDS: dict[str, list[str]] = {
    **{name: line for name, line in procfile_lines().items() if name in LINES},
    "check-redis": [sys.executable, "-m", "orderengine.local", "check-redis"],
    "run": [sys.executable, "-m", "orderengine.local", "run"],
    "stuck": [sys.executable, "-m", "orderengine", "orders", "stuck"],
}


def on(redis_url: str, servers: Servers, folder: Path) -> Stack:
    """A stack with this broker, of which nothing runs."""
    return Stack(servers.database_url, redis_url, folder, FLOWER_PORT=str(free_port()))


def test_each_command_ends_with_one_line_about_an_option_that_does_not_exist(
    servers: Servers, tmp_path: Path
) -> None:
    stack = on(f"redis://:{PASSWORD}@{LOOPBACK}:6379/0?family=0", servers, tmp_path)
    for name, command in COMMANDS.items():
        more = ["--root", str(checkout(tmp_path))] if name == "run" else []
        stack.start(name, [*command, *more], stack.environ)
    for name in COMMANDS:
        assert stack.wait(name, LIMIT_S) != "exit code 0"
        (line,) = [line for line in stack.logs(name).splitlines() if line.strip()]
        assert "REDIS_URL has ?family=, which is not supported: remove it" in line, name
        assert PASSWORD not in line


def checkout(folder: Path) -> Path:
    """A folder in which a stack can start and keep its state."""
    (folder / "Procfile").write_text((ROOT / "Procfile").read_text("utf-8"), "utf-8")
    return folder


def test_run_ends_with_one_line_before_it_starts_anything(
    places: Places, servers: Servers, tmp_path: Path
) -> None:
    stack = on(FAULTS["TLS asked of a server without"][0](places), servers, tmp_path)
    stack.start("run", [*COMMANDS["run"], "--root", str(checkout(tmp_path))], stack.environ)
    assert stack.wait("run", LIMIT_S) == "exit code 1"
    (line,) = stack.logs("run").splitlines()
    assert "speaks no TLS" in line
    assert "write redis:// instead of rediss:// in REDIS_URL" in line


def told_of_redis(stack: Stack, name: str) -> dict[str, str] | None:
    """The line in which a program names REDIS_URL."""
    for line in stack.logs(name).splitlines():
        if '"setting":"REDIS_URL"' in line.replace(" ", ""):
            told: dict[str, str] = json.loads(line)
            return told
    return None


def test_each_process_that_goes_on_logs_what_is_wrong_at_its_start(
    places: Places, servers: Servers, tmp_path: Path
) -> None:
    url, cause, found, advice = FAULTS["no password"]
    stack = on(url(places), servers, tmp_path)
    try:
        for name in LINES:
            stack.start_line(name)
        for name in LINES:
            wait_until(lambda name=name: told_of_redis(stack, name) is not None, LIMIT_S)  # type: ignore[misc]
            line = told_of_redis(stack, name)
            assert line is not None
            assert line["cause"] == cause
            assert found in line["error"]
            assert advice in line["error"]
    finally:
        stack.stop(signal.SIGKILL)
