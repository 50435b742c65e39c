"""A wrong `REDIS_URL`: each process and command says in one line the fault and the remedy."""

import json
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from orderengine.local.ports import LOOPBACK, free_port
from orderengine.local.procfile import parse_procfile, shell_line
from tests.integration.wrong_redis import FAULTS, PASSWORD, ROOT, Places, places
from tests.servers import Servers

__all__ = ["places"]

LIMIT_S = 120.0


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
            assert "REDIS_URL has ?family=, which is not supported: remove it" in line, command
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
