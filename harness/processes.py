"""Programs with a log each, which are started one by one and ended together."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals
from types import TracebackType
from typing import Self

from orderengine.local.processes import ProcessRef, end_all, outcome, spawn

ROOT = Path(__file__).parent.parent
START_TIMEOUT_S = 180.0
STOP_TIMEOUT_S = 20.0
KILL_TIMEOUT_S = 5.0
TAIL_LINES = 60


class Processes:
    """Programs in a checkout, each in a session of its own.

    A program's log is in the folder, and continues after a restart under the same name.
    """

    checkout = ROOT
    """Whose programs they are; another one has another release."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._refs: dict[str, ProcessRef | None] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, Exception):
            error.add_note(self.tails())
        self.stop()

    def pid(self, name: str) -> int:
        """The process id of a program."""
        return self._running[name].pid

    def start(self, name: str, command: Sequence[str], environ: Mapping[str, str]) -> None:
        """Start a program; its shell replaces itself by the program."""
        with self._log(name).open("ab") as log:
            self._running[name] = spawn(command, env=environ, cwd=self.checkout, output=log)
        self._refs[name] = ProcessRef.of(self.pid(name))

    def run(self, name: str, command: Sequence[str], environ: Mapping[str, str]) -> None:
        """Run a program to its end; raises RuntimeError with its last output if it fails."""
        self.start(name, command, environ)
        if self.wait(name, START_TIMEOUT_S) != outcome(0):
            raise RuntimeError(self.tail(name))
        del self._running[name], self._refs[name]

    def is_running(self, name: str) -> bool:
        """Whether a program has not ended."""
        return self._running[name].poll() is None

    def require_running(self, *names: str) -> None:
        """Raise RuntimeError with its last output if one of these, or any program, has ended."""
        for name in names or self._running:
            if not self.is_running(name):
                raise RuntimeError(f"{name} has ended\n{self.tail(name)}")

    def wait(self, name: str, timeout_s: float = STOP_TIMEOUT_S) -> str:
        """Wait for a program to end; returns its exit code or signal in words."""
        return outcome(self._running[name].wait(timeout_s))

    def signal(self, name: str, number: Signals) -> None:
        """Signal a program and all its descendants, as a host does."""
        os.killpg(self.pid(name), number)

    def stop(self, number: Signals = SIGTERM) -> list[str]:
        """End all programs with their descendants; returns the names of those it had to kill."""
        refs = [ref for ref in self._refs.values() if ref]
        for ref in refs:
            ref.send(number, to_group=True)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        late = []
        for name, process in self._running.items():
            # A child that was not waited for keeps its process group, which would seem alive.
            try:
                process.wait(max(deadline - time.monotonic(), 0.0))
            except subprocess.TimeoutExpired:
                late.append(name)
        end_all(refs, SIGKILL, KILL_TIMEOUT_S)
        for process in self._running.values():
            process.wait()
        return late

    def logs(self, name: str) -> str:
        """The whole log of a program, across restarts."""
        with contextlib.suppress(FileNotFoundError):
            return self._log(name).read_text("utf-8", "replace")
        return ""

    def tail(self, name: str) -> str:
        """The end of a program's log."""
        return "\n".join([f"--- {name}", *self.logs(name).splitlines()[-TAIL_LINES:]])

    def tails(self) -> str:
        """The end of each log."""
        return "\n".join(map(self.tail, self._running))

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"


def base_environ(folder: Path) -> dict[str, str]:
    """The minimal environment of every program: no variable of the caller affects it."""
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {"PATH": programs, "HOME": str(folder)}
