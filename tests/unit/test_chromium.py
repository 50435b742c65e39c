"""How the page's tests find a browser, and what they do without one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.processes import ROOT
from tests.browser.chromium import NAMES, WHERE, NoChromium, find_chromium

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root installs a browser")
FAKE_APT = """#!/bin/sh
echo "$@" >> "{log}"
case "$*" in
  *install*chromium*) {install} ;;
esac
"""


def executable(path: Path, script: str = "#!/bin/sh\n") -> str:
    path.write_text(script)
    path.chmod(0o755)
    return str(path)


def environ_of(folder: Path) -> dict[str, str]:
    """An environment with only this folder on the PATH, and no browser of Playwright's."""
    return {"PATH": str(folder), "PLAYWRIGHT_BROWSERS_PATH": str(folder / "browsers")}


def require(folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run the program that `make test-browser` calls first."""
    return subprocess.run(
        [sys.executable, "-m", "tests.browser.chromium"],
        cwd=ROOT,
        env=environ_of(folder),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def a_machine(folder: Path, install: str) -> Path:
    """Fill a folder with programs, and an apt-get that runs `install`; returns its log of calls."""
    log = folder / "apt.log"
    executable(folder / "apt-get", FAKE_APT.format(log=log, install=install))
    for name in ("cp", "chmod"):
        (folder / name).symlink_to(f"/bin/{name}")
    return log


def test_the_named_executable_wins_over_those_on_the_path(tmp_path: Path) -> None:
    executable(tmp_path / "chromium")
    named = executable(tmp_path / "other")
    assert find_chromium({"CHROMIUM": named, "PATH": str(tmp_path)}) == named


@pytest.mark.parametrize("name", NAMES)
def test_each_usual_name_is_found(tmp_path: Path, name: str) -> None:
    installed = executable(tmp_path / name)
    assert find_chromium(environ_of(tmp_path)) == installed


def test_a_name_that_leads_nowhere_is_not_replaced_by_another_browser(tmp_path: Path) -> None:
    executable(tmp_path / "chromium")
    with pytest.raises(NoChromium, match="CHROMIUM=/nowhere"):
        find_chromium({"CHROMIUM": "/nowhere", "PATH": str(tmp_path)})


def test_the_browser_that_playwright_has_downloaded_is_found(tmp_path: Path) -> None:
    environ = environ_of(tmp_path)
    asked = [sys.executable, "-c", WHERE]
    own = subprocess.run(asked, env=environ, capture_output=True, text=True, check=True).stdout
    place = Path(own.strip())
    assert find_chromium(environ) is None
    assert place.is_relative_to(tmp_path)
    place.parent.mkdir(parents=True)
    executable(place)
    assert find_chromium(environ) == str(place)


@AS_ROOT
def test_root_installs_one_where_there_is_none(tmp_path: Path) -> None:
    log = a_machine(tmp_path, f"cp {tmp_path}/apt-get {tmp_path}/chromium")
    done = require(tmp_path)
    assert (done.returncode, done.stdout) == (0, f"{tmp_path}/chromium\n")
    assert log.read_text().splitlines() == [
        "update -q",
        "install -y -q --no-install-recommends chromium",
    ]
    assert require(tmp_path).stdout == done.stdout
    assert len(log.read_text().splitlines()) == 2


@AS_ROOT
@pytest.mark.parametrize("install", ["exit 100", ":"])
def test_one_that_can_not_be_installed_is_a_failure_that_says_what_to_do(
    tmp_path: Path, install: str
) -> None:
    a_machine(tmp_path, install)
    done = require(tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert ("status 100" in done.stderr) == (install != ":")
    assert "`.venv/bin/playwright install --with-deps chromium`" in done.stderr


def test_a_machine_without_apt_get_is_told_how_to_install_one(tmp_path: Path) -> None:
    done = require(tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "`sudo apt-get install chromium`" in done.stderr
    assert "CHROMIUM=/path/to/it" in done.stderr
