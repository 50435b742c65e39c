"""The children that the supervisor keeps running: lines of the Procfile, and any other `Child`."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from orderengine.local.loop import Loop
from orderengine.local.output import Lines
from orderengine.local.processes import kill_group, spawn
from orderengine.local.procfile import is_single_program, shell_line

_READ_BYTES = 65_536


class Child(Protocol):
    """Something with a process that can be started again; an embedded server is one."""

    @property
    def name(self) -> str:
        """The name that the user sees."""

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """The process as last started."""

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended."""

    @property
    def last_lines(self) -> list[str]:
        """The last lines that it wrote."""

    def launch(self) -> None:
        """Starts the process; LocalError or OSError if it cannot."""

    def is_ready(self) -> bool:
        """Whether it does its work; called from another thread."""

    def request_stop(self) -> None:
        """Asks the process to end, and does not wait."""

    def kill(self) -> None:
        """Ends the process at once."""

    def clean_up(self) -> None:
        """Call it after the process has ended, before the next launch."""


class ProcfileChild:
    """A line of the Procfile, run by the shell in its own session."""

    def __init__(
        self,
        name: str,
        command: str,
        *,
        root: Path,
        env: Mapping[str, str],
        loop: Loop,
        write: Callable[[str, str], None],
        probe: Callable[[], bool] = lambda: True,
    ) -> None:
        self.name = name
        self._command = command
        self._root = root
        self._env = env
        self._loop = loop
        self._write = write
        self._probe = probe
        self._process: subprocess.Popen[bytes] | None = None
        self._lines = Lines()

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """The process as last started."""
        return self._process

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def last_lines(self) -> list[str]:
        """The last lines since the last launch."""
        return self._lines.last

    def launch(self) -> None:
        """Starts the line; its output goes to the loop."""
        self._lines = Lines()
        self._process = spawn(
            ["/bin/sh", "-c", shell_line(self._command)],
            env=self._env,
            cwd=self._root,
            output=subprocess.PIPE,
        )
        if self._process.stdout is not None:
            os.set_blocking(self._process.stdout.fileno(), False)
            self._loop.watch(self._process.stdout, self._read)

    def is_ready(self) -> bool:
        """The result of the probe."""
        return self._probe()

    def request_stop(self) -> None:
        """Sends SIGTERM to the program, which ends its own children, or to a shell's group."""
        if self._process is not None and self.is_running:
            to_program = is_single_program(self._command)
            with contextlib.suppress(ProcessLookupError):
                (os.kill if to_program else os.killpg)(self._process.pid, signal.SIGTERM)

    def kill(self) -> None:
        """Sends SIGKILL to the whole group."""
        if self._process is not None and self.is_running:
            kill_group(self._process.pid)
            self._process.wait()

    def clean_up(self) -> None:
        """Kills what the process left behind, and shows its last output."""
        if self._process is None:
            return
        kill_group(self._process.pid)
        if self._process.stdout is not None and not self._process.stdout.closed:
            while self._read():
                pass
            for line in self._lines.finish():
                self._write(self.name, line)
            self._hang_up()

    def _read(self) -> bool:
        """Reads the available output; returns whether there may be more."""
        if self._process is None or self._process.stdout is None or self._process.stdout.closed:
            return False
        try:
            data = os.read(self._process.stdout.fileno(), _READ_BYTES)
        except BlockingIOError:
            return False
        for line in self._lines.feed(data):
            self._write(self.name, line)
        if not data:
            self._hang_up()
        return bool(data)

    def _hang_up(self) -> None:
        if self._process and self._process.stdout and not self._process.stdout.closed:
            self._loop.forget(self._process.stdout)
            self._process.stdout.close()
