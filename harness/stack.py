"""The lines of the Procfile as running processes."""

import json
import signal
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from harness.processes import ROOT, START_TIMEOUT_S, Processes, base_environ
from harness.waiting import wait_until
from orderengine.local.ports import LOOPBACK, free_port
from orderengine.local.procfile import parse_procfile, shell_line


def procfile_lines(checkout: Path = ROOT) -> dict[str, list[str]]:
    """The command of each line of a checkout's Procfile."""
    text = (checkout / "Procfile").read_text("utf-8")
    return {
        name: ["/bin/sh", "-c", shell_line(line)] for name, line in parse_procfile(text).items()
    }


class Stack(Processes):
    """Lines of the Procfile on the servers of two URLs; `with` waits until they are ready.

    `environ` is added to the few variables of every process. A name in `starts` or `start_line`
    that is not a line, such as `worker-2`, must have been added to `lines`.
    """

    migrates = True
    """Whether it runs the release line first."""

    starts: Sequence[str] = ("web", "worker")
    """The lines that `with` starts."""

    ready_pause_s: float | None = None
    """The pause between two requests that ask whether it is ready; None as `wait_until` has it."""

    def __init__(self, database_url: str, redis_url: str, folder: Path, **environ: str) -> None:
        super().__init__(folder)
        self.port = free_port()
        self.url = f"http://{LOOPBACK}:{self.port}"
        self.lines = procfile_lines(self.checkout)
        self.environ = {
            **base_environ(folder),
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "HOST": LOOPBACK,
            "PORT": str(self.port),
            **environ,
        }

    def __enter__(self) -> Self:
        try:
            if self.migrates:
                self.run("release", self.lines["release"], self.environ)
            for name in self.starts:
                self.start_line(name)
            self.wait_ready()
        except BaseException as error:
            error.add_note(self.tails())
            self.stop(signal.SIGKILL)
            raise
        return self

    def start_line(self, name: str) -> None:
        """Start a line with the stack's settings."""
        self.start(name, self.lines[name], self.environ)

    def wait_ready(self) -> None:
        """Wait until it is ready; raises RuntimeError if one of its lines has ended."""
        wait_until(
            self._is_up, START_TIMEOUT_S, "the stack is not ready", pause_s=self.ready_pause_s
        )

    def is_ready(self) -> bool:
        """Whether `/readyz` reports nothing missing; raises OSError if nobody answers."""
        with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:  # noqa: S310
            return bool(json.loads(answer.read())["status"] == "ok")

    def _is_up(self) -> bool:
        self.require_running(*self.starts)
        try:
            return self.is_ready()
        except OSError:
            return False
