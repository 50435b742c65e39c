"""A process and all its descendants."""

import signal

from benchmarks.accounting import read_processes
from harness.waiting import wait_until
from orderengine.local.processes import ProcessRef

EXIT_LIMIT_S = 20.0


def tree(root: int) -> set[int]:
    """A process and all its descendants."""
    processes = read_processes()
    found = {root}
    while grown := {each.pid for each in processes if each.parent in found} - found:
        found |= grown
    return found


def kill_tree(root: int | None) -> None:
    """SIGKILL a process and all its descendants, and wait until they are gone."""
    main = ProcessRef.of(root) if root is not None else None
    if root is None or main is None:
        return
    main.send(signal.SIGSTOP)  # it must not start another child while they are counted
    members = [ref for ref in map(ProcessRef.of, tree(root)) if ref]
    for ref in members:
        ref.send(signal.SIGKILL)
    wait_until(
        lambda: not any(ref.is_running() for ref in members), EXIT_LIMIT_S, "PostgreSQL survives"
    )
