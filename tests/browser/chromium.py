"""Finds a Chromium: the system's or Playwright's own, or installs one if apt-get may do that.

Run as a program it prints the path of the executable; on failure it says what to do.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome")
COMMANDS = (
    ("apt-get", "update", "-q"),
    ("apt-get", "install", "-y", "-q", "--no-install-recommends", "chromium"),
)
HELP = (
    "no Chromium was found (looked for {names}, and Playwright's own). Install one with"
    " `sudo apt-get install chromium` (Debian) or, where it can be downloaded,"
    " `.venv/bin/playwright install --with-deps chromium`; or set CHROMIUM=/path/to/it"
)
WHERE = """
from playwright.sync_api import sync_playwright
with sync_playwright() as playwright:
    print(playwright.chromium.executable_path)
"""
FLAGS = (
    "--no-sandbox",  # Chromium refuses to run as root with a sandbox
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class NoChromium(Exception):
    """There is no browser, and none could be installed; the message says what to do."""


def find_chromium(environ: Mapping[str, str] = os.environ) -> str | None:
    """The path of the executable: from CHROMIUM, else on the PATH, else Playwright's own.

    Raises NoChromium if CHROMIUM does not name an executable.
    """
    named = environ.get("CHROMIUM")
    if named:
        found = shutil.which(named)
        if found is None:
            raise NoChromium(f"CHROMIUM={named} is no executable")
        return found
    path = environ.get("PATH", "")
    on_path = (found for name in NAMES if (found := shutil.which(name, path=path)))
    return next(on_path, None) or _playwrights_own(environ)


def require_chromium() -> str:
    """The path of the executable; installs it if it is missing and apt-get may do that."""
    found = find_chromium()
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        _install()
        found = find_chromium()
    if found is None:
        raise NoChromium(HELP.format(names=", ".join(NAMES)))
    return found


def _install() -> None:
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in COMMANDS:
        ended = subprocess.run(command, check=False, stdout=sys.stderr, env=environ).returncode
        if ended != 0:
            told = f"`{' '.join(command)}` ended with status {ended}"
            raise NoChromium(f"{told}, and {HELP.format(names=', '.join(NAMES))}")


def _playwrights_own(environ: Mapping[str, str]) -> str | None:
    """The build that `playwright install chromium` has downloaded, if any."""
    asked = subprocess.run(
        [sys.executable, "-c", WHERE],
        env={**environ},
        capture_output=True,
        text=True,
        check=True,
    )
    return asked.stdout.strip() if Path(asked.stdout.strip()).is_file() else None


if __name__ == "__main__":
    try:
        print(require_chromium())
    except NoChromium as error:
        sys.exit(f"orderengine: {error}")
