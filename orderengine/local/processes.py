"""Processes: tied to their parent, told apart from strangers with the same pid, ended as groups."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Self

_LEASH = Path(__file__).with_name("leash.py")
_POLL_S = 0.02


@dataclass(frozen=True)
class User:
    """The user that a process runs as."""

    uid: int
    gid: int


def spawn(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    output: IO[bytes] | int,
    death_signal: signal.Signals = signal.SIGTERM,
    user: User | None = None,
    umask: int = -1,
) -> subprocess.Popen[bytes]:
    """Starts the command in its own session; on Linux it dies with its parent.

    Call it from the main thread: for the kernel, the parent dies when the calling thread ends.
    """
    uid, gid = (user.uid, user.gid) if user else (-1, -1)
    arguments = map(str, (os.getpid(), int(death_signal), uid, gid))
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(_LEASH), *arguments, *command],
        env=dict(env),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        umask=umask,
    )


@cache
def _has_proc() -> bool:
    return Path("/proc/self/stat").exists()


@cache
def _boot() -> str:
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return "-"


def _started(pid: int) -> str | None:
    """The start time of the process, in the system's own form; None if it has ended."""
    if _has_proc():
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] in "ZX" else fields[19]
    report = subprocess.run(
        ["/bin/ps", "-o", "stat=,lstart=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.split(maxsplit=1)
    return None if len(report) < 2 or report[0].startswith("Z") else report[1].strip()


def command_line(pid: int) -> str:
    """The command of a running process; empty if it is not known."""
    if _has_proc():
        try:
            return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ")
        except OSError:
            return ""
    return subprocess.run(
        ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
    ).stdout


@dataclass(frozen=True)
class ProcessRef:
    """Identifies a process: its pid, its start time, and the boot of the machine."""

    pid: int
    started: str
    boot: str

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """The running process with that pid, if there is one."""
        started = _started(pid)
        return None if started is None else cls(pid, started, _boot())

    def is_running(self) -> bool:
        """Whether this very process still runs."""
        return self.boot == _boot() and _started(self.pid) == self.started

    def send(self, number: signal.Signals, *, to_group: bool = False) -> None:
        """Signals the process, or the group that it leads, if it still runs."""
        if self.is_running():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                (os.killpg if to_group else os.kill)(self.pid, number)

    def end(self, number: signal.Signals, timeout_s: float) -> None:
        """Ends the process and its group: asks with the signal, then kills what is left."""
        end_all([self], number, timeout_s)

    def is_stranger(self) -> bool:
        """Whether its pid may belong to another process by now."""
        return self.boot != _boot() or _started(self.pid) not in (None, self.started)


def end_all(refs: Sequence[ProcessRef], number: signal.Signals, timeout_s: float) -> None:
    """Ends processes and their groups together, as `ProcessRef.end` does one."""
    for ref in refs:
        ref.send(number, to_group=True)
    deadline = time.monotonic() + timeout_s
    while any(ref.is_running() for ref in refs) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    for ref in refs:
        # Without its leader the group is still ours: no new process gets the id of a group.
        if not ref.is_stranger():
            kill_group(ref.pid)
    while any(_holds_on(ref) for ref in refs) and time.monotonic() < deadline + 1:
        time.sleep(_POLL_S)


def _holds_on(ref: ProcessRef) -> bool:
    """Whether the process, or one of its group, still holds its resources, such as a port."""
    if ref.is_running():
        return True
    if ref.is_stranger():
        return False
    try:
        os.killpg(ref.pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return not _has_proc() or _has_living_member(ref.pid)


def _has_living_member(group: int) -> bool:
    """Whether a group has more than zombies, which hold nothing.

    Orphans stay zombies where nobody waits for them, as in a container without an init.
    """
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, group_id = status.read_text().rpartition(")")[2].split()[:3]
            if int(group_id) == group and state not in "ZX":
                return True
    return False


def kill_group(leader_pid: int) -> None:
    """Kills all that is left of a process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader_pid, signal.SIGKILL)


def outcome(returncode: int) -> str:
    """How a process ended, in words: its exit code or the name of the signal."""
    if returncode >= 0:
        return f"exit code {returncode}"
    try:
        return f"signal {signal.Signals(-returncode).name}"
    except ValueError:
        return f"signal {-returncode}"
