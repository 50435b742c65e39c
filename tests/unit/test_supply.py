"""The installed versions are the locked ones, and every lock has hashes."""

import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = tuple(sorted(path.name for path in ROOT.glob("requirements*.txt")))
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")


def entries(lock: str) -> list[str]:
    """Each requirement of a lock with its hashes, on one line."""
    text = (ROOT / lock).read_text("utf-8").replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]


def pins(lock: str) -> dict[str, str]:
    found = [re.match(r"([\w.\[\],-]+)==(\S+)", entry) for entry in entries(lock)]
    return {each[1].partition("[")[0]: each[2] for each in found if each}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_has_one_version_and_the_hashes_of_everything(lock: str) -> None:
    assert len(entries(lock)) == len(pins(lock)) >= 1
    for entry in entries(lock):
        assert re.search(r" --hash=sha256:[0-9a-f]{64}\b", entry), entry
    assert (ROOT / lock).with_suffix(".in").exists()


def test_the_locks_of_one_environment_agree() -> None:
    known: dict[str, str] = {}
    locks = ("", "-servers", "-solana", "-dev")
    for lock in (f"requirements{name}.txt" for name in locks):
        for name, pinned in pins(lock).items():
            assert known.setdefault(name, pinned) == pinned, name


def test_what_is_installed_is_what_was_locked() -> None:
    looked_at = 0
    for name, pinned in pins("requirements-dev.txt").items():
        try:
            installed = version(name)
        except PackageNotFoundError:
            continue  # for another platform or Python
        looked_at += 1
        assert installed == pinned, name
    assert looked_at > 50


def test_nothing_is_installed_without_its_hash() -> None:
    installs = [line for line in MAKEFILE.splitlines() if "pip install" in line]
    assert len(installs) == 1
    assert "--require-hashes" in installs[0]
    assert set(LOCKS) == {
        "requirements.txt",
        "requirements-audit.txt",
        "requirements-clients.txt",
        "requirements-dev.txt",
        "requirements-program.txt",
        "requirements-servers.txt",
        "requirements-solana.txt",
    }
    for lock in LOCKS:
        assert f"-r {lock}" in MAKEFILE
