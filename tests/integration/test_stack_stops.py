"""A stack stops in time, and leaves no processes behind."""

import time
from pathlib import Path

import pytest

from harness import processes as module
from harness.processes import STOP_TIMEOUT_S, Processes, base_environ
from harness.waiting import stretched, wait_until
from orderengine.local.processes import ProcessRef

START_LIMIT_S = 60.0
STUBBORN = "trap '' TERM; sleep 1000 & echo $!; wait; wait"


def test_a_program_that_leaves_at_once_is_not_waited_for(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    processes.start("obedient", ["/bin/sleep", "1000"], base_environ(tmp_path))
    began = time.monotonic()
    processes.stop()
    assert time.monotonic() - began < stretched(STOP_TIMEOUT_S / 2)


def test_a_program_that_does_not_leave_is_killed_with_what_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STOP_TIMEOUT_S", 0.1)
    processes = Processes(tmp_path)
    processes.start("stubborn", ["/bin/sh", "-c", STUBBORN], base_environ(tmp_path))
    log = tmp_path / "stubborn.log"
    wait_until(lambda: log.read_text("utf-8").endswith("\n"), START_LIMIT_S, "no child was told")
    both = [ProcessRef.of(pid) for pid in (processes.pid("stubborn"), int(log.read_text("utf-8")))]
    processes.stop()
    assert [ref is not None and ref.is_running() for ref in both] == [False, False]
    assert None not in both
