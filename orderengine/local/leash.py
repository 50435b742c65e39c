"""Runs as a script between fork and exec: ties the process to its parent, then runs the command.

usage: leash.py PARENT_PID DEATH_SIGNAL UID GID COMMAND [ARGUMENT ...]     (UID -1: keep the user)

On Linux the kernel sends DEATH_SIGNAL when the parent dies, even by SIGKILL. The tie is made here
because a `preexec_fn` is not safe in a process with threads, and after the change of user, which
would undo it.
"""

import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Never returns: the process becomes the command."""
    parent_pid, death_signal, uid, gid = map(int, arguments[:4])
    command = arguments[4:]
    tie = _kernel_call()  # loaded first: the other user may not be able to read our libraries
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    for ignored_by_python in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(ignored_by_python, signal.SIG_DFL)
    tie(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent_pid:  # the parent died before the tie
        sys.exit(1)
    try:
        os.execvp(command[0], command)  # noqa: S606 - no shell is the point
    except OSError as error:
        sys.exit(f"cannot run {command[0]}: {error.strerror}")


def _kernel_call() -> Callable[..., object]:
    """`prctl`, or a no-op on systems without it, where the next start cleans up."""
    try:
        import ctypes

        prctl: Callable[..., object] = ctypes.CDLL(None).prctl
    except (ImportError, AttributeError):
        return lambda *_: None
    return prctl


if __name__ == "__main__":
    main(sys.argv[1:])
