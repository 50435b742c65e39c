"""Run file, private files, locks, and the backoff of restarts."""

import os
import pwd
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from orderengine.local import processes
from orderengine.local.files import FolderLock, denied, last_lines, make_folder, write_private
from orderengine.local.privileges import reachable_binaries
from orderengine.local.processes import ProcessRef, outcome
from orderengine.local.runfile import Run, forget_run, live_run, load_run, own_ref
from orderengine.local.team import Backoff


def a_run() -> Run:
    return Run(
        supervisor=own_ref(),
        api_url="http://127.0.0.1:3000",
        database_url="postgresql://me:secret@h/db",
        redis_url="redis://:secret@h/0",
        flower_port=5555,
        children={"web": own_ref()},
    )


def test_a_run_is_found_while_its_supervisor_lives(tmp_path: Path) -> None:
    run = a_run()
    run.save(tmp_path)
    assert live_run(tmp_path) == run
    assert (tmp_path / "run.json").stat().st_mode & 0o777 == 0o600
    forget_run(tmp_path)
    assert load_run(tmp_path) is None


def test_a_run_whose_pid_belongs_to_a_stranger_now_is_stale(tmp_path: Path) -> None:
    run = a_run()
    replace(run, supervisor=replace(run.supervisor, started="long ago")).save(tmp_path)
    assert live_run(tmp_path) is None
    assert load_run(tmp_path) is not None


def test_a_run_of_before_the_machine_started_is_stale(tmp_path: Path) -> None:
    run = a_run()
    replace(run, supervisor=replace(run.supervisor, boot="another")).save(tmp_path)
    assert live_run(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"supervisor": 1}', '{"supervisor": {}}'])
def test_a_run_file_that_says_nothing_is_no_run(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    assert load_run(tmp_path) is None


def test_an_ended_process_that_nobody_has_waited_for_does_not_run() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.read()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert ProcessRef.of(process.pid) is None
    process.stdout.close()
    process.wait()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="members are found in /proc")
def test_a_group_of_zombies_holds_nothing() -> None:
    process = subprocess.Popen(["/bin/sleep", "1000"], start_new_session=True)
    ref = ProcessRef.of(process.pid)
    assert ref is not None
    assert processes._holds_on(ref)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    os.killpg(process.pid, 0)  # its group is still there
    assert not processes._holds_on(ref)
    process.wait()


def test_restarts_wait_longer_and_longer_until_one_lasts() -> None:
    backoff = Backoff()
    assert [backoff.delay_s(1) for _ in range(7)] == [0.5, 1, 2, 4, 8, 10, 10]
    assert backoff.delay_s(30) == 0.5
    assert backoff.delay_s(1) == 1


def test_how_a_process_ended_is_told_in_words() -> None:
    assert outcome(3) == "exit code 3"
    assert outcome(-signal.SIGKILL) == "signal SIGKILL"
    assert outcome(-1000) == "signal 1000"


def test_private_files_are_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "password"
    write_private(path, "one")
    write_private(path, "two")
    assert path.read_text() == "two"
    assert [entry.name for entry in tmp_path.iterdir()] == ["password"]


def test_folders_above_keep_their_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    make_folder(tmp_path / "a" / "b")
    assert tmp_path.stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "a").stat().st_mode & 0o066 == 0


def test_whoever_may_not_use_a_path_reads_whose_it_is(tmp_path: Path) -> None:
    owner = pwd.getpwuid(os.geteuid()).pw_name
    (tmp_path / "state").mkdir()
    told = denied(tmp_path / "state" / "run.lock")
    assert f"{tmp_path / 'state'} belongs to {owner}" in told


def test_a_lock_has_one_holder(tmp_path: Path) -> None:
    with FolderLock(tmp_path / "lock") as first, FolderLock(tmp_path / "lock") as second:
        assert first.acquire()
        assert first.acquire()
        assert not second.acquire()
        first.release()
        assert second.acquire()


def test_the_end_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert last_lines(log, 2) == []
    log.write_text("a\nb\nc\n")
    assert last_lines(log, 2) == ["b", "c"]


def test_whoever_runs_postgres_with_its_own_files_needs_no_copy_of_them(tmp_path: Path) -> None:
    programs = tmp_path / "install" / "bin"
    programs.mkdir(parents=True)
    (programs / "postgres").touch(mode=0o700)
    home = tmp_path / "home"
    home.mkdir()
    assert reachable_binaries(None, programs, home) == programs
    assert list(home.iterdir()) == []
