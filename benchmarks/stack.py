"""The servers, and the Procfile's web and worker on them, in a temporary folder."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from orderengine.local.ports import LOOPBACK, free_port
from orderengine.local.postgres_server import EmbeddedPostgres
from orderengine.local.processes import ProcessRef, end_all, spawn
from orderengine.local.procfile import parse_procfile, shell_line
from orderengine.local.redis_server import EmbeddedRedis

ROOT = Path(__file__).parent.parent
START_TIMEOUT_S = 180.0
STOP_TIMEOUT_S = 20.0
KILL_TIMEOUT_S = 5.0
POLL_S = 0.02
TAIL_LINES = 20

NO_DELAYS = {
    "SIM_QUOTE_LATENCY_MS": "0-0",
    "SIM_SETTLEMENT_MS": "0-0",
    "SIM_DRIFT_BPS": "0-0",
}


class CountingPostgres(EmbeddedPostgres):
    """PostgreSQL that counts its statements."""

    def _command(self) -> list[str]:
        return [*super()._command(), "-c", "shared_preload_libraries=pg_stat_statements"]


class Servers:
    """PostgreSQL and Redis as `make run` starts them: durable and empty."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.postgres: EmbeddedPostgres = CountingPostgres(folder / "postgres", durable=True)
        self.redis = EmbeddedRedis(folder / "redis", durable=True)

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.callback(self.postgres.remove)
            self.postgres.start(START_TIMEOUT_S)
            stack.callback(self.redis.stop)
            self.redis.start(START_TIMEOUT_S)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def redis_url(self, number: int) -> str:
        """The URL of a Redis database."""
        return f"{self.redis.url.rpartition('/')[0]}/{number}"


class Processes:
    """Programs with a log each, all stopped together."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, Exception):
            error.add_note("\n".join(self.tail(name) for name in self._running))
        self.stop()

    def pid(self, name: str) -> int:
        """The process id of a program."""
        return self._running[name].pid

    def start(self, name: str, command: Sequence[str], environ: Mapping[str, str]) -> None:
        """Start a program; its shell replaces itself by the program."""
        with self._log(name) as log:
            self._running[name] = spawn(command, env=environ, cwd=ROOT, output=log)

    def run(self, name: str, command: Sequence[str], environ: Mapping[str, str]) -> None:
        """Run a program to its end; raises RuntimeError with its last output if it fails."""
        self.start(name, command, environ)
        process = self._running.pop(name)
        if process.wait(START_TIMEOUT_S) != 0:
            raise RuntimeError(self.tail(name))

    def signal(self, name: str, number: signal.Signals) -> None:
        """Signal a program and all its descendants."""
        os.killpg(self.pid(name), number)

    def stop(self) -> None:
        """End all programs."""
        processes = list(self._running.values())
        refs = [ref for ref in (ProcessRef.of(process.pid) for process in processes) if ref]
        for ref in refs:
            ref.send(signal.SIGTERM, to_group=True)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        for process in processes:
            # A child that was not waited for keeps its process group, which would seem alive.
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(deadline - time.monotonic(), 0.0))
        end_all(refs, signal.SIGKILL, KILL_TIMEOUT_S)
        for process in processes:
            process.wait()
        self._running.clear()

    def require_running(self) -> None:
        """Raise RuntimeError if a program has ended."""
        for name, process in self._running.items():
            if process.poll() is not None:
                raise RuntimeError(f"{name} has ended")

    def tail(self, name: str) -> str:
        """The end of a program's log."""
        lines = (self._folder / f"{name}.log").read_text("utf-8", "replace").splitlines()
        return "\n".join([f"--- {name}", *lines[-TAIL_LINES:]])

    def _log(self, name: str) -> IO[bytes]:
        return (self._folder / f"{name}.log").open("ab")


class Stack(Processes):
    """The Procfile's release, web and worker lines, unchanged."""

    worker_names: Sequence[str] = ("worker",)

    def __init__(self, servers: Servers, **environ: str) -> None:
        super().__init__(servers.folder)
        self.port = free_port()
        self.lines = {
            name: ["/bin/sh", "-c", shell_line(line)]
            for name, line in parse_procfile((ROOT / "Procfile").read_text("utf-8")).items()
        }
        self.environ = {
            **base_environ(servers.folder),
            "DATABASE_URL": servers.postgres.url,
            "REDIS_URL": servers.redis_url(0),
            "HOST": LOOPBACK,
            "PORT": str(self.port),
            **environ,
        }

    def __enter__(self) -> Self:
        try:
            self.run("release", self.lines["release"], self.environ)
            for name in ("web", *self.worker_names):
                self.start(name, self.lines[name], self.environ)
            wait_until(self._is_ready, START_TIMEOUT_S, "the stack is not ready")
        except BaseException:
            self.stop()
            raise
        return self

    def _is_ready(self) -> bool:
        self.require_running()
        url = f"http://{LOOPBACK}:{self.port}/readyz"
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
            return bool(json.loads(answer.read())["status"] == "ok")
        return False


class TwoWorkers(Stack):
    """The same with a second worker, under another name as if it ran on another host."""

    worker_names = ("worker", "worker 2")

    def __init__(self, servers: Servers, **environ: str) -> None:
        super().__init__(servers, **environ)
        shell, option, line = self.lines["worker"]
        named = line.replace(" worker --", " worker --hostname worker2@%h --", 1)
        self.lines["worker 2"] = [shell, option, named]


def base_environ(folder: Path) -> dict[str, str]:
    """The minimal environment of every program: no variable of the caller affects a measurement."""
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {"PATH": programs, "HOME": str(folder)}


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """A new folder that PostgreSQL's own user can enter if the caller is root."""
    folder = Path(tempfile.mkdtemp(prefix="orderengine-bench-"))
    try:
        folder.chmod(0o711)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def wait_until(is_so: Callable[[], bool], timeout_s: float, complaint: str) -> None:
    """Poll until the condition holds; raises TimeoutError with the complaint."""
    deadline = time.monotonic() + timeout_s
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{complaint} after {timeout_s:.0f} s")
        time.sleep(POLL_S)
