"""The system's Chromium: found, or installed with apt-get where that is allowed.

Run as a program it prints the path of the executable, and on failure says what to do.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping

NAMES = ("chromium", "chromium-browser", "google-chrome")
COMMANDS = (
    ("apt-get", "update", "-q"),
    ("apt-get", "install", "-y", "-q", "--no-install-recommends", "chromium"),
)
HELP = (
    "no Chromium was found (looked for CHROMIUM and {names}). Install one, for instance with "
    "`sudo apt-get install chromium`, or set CHROMIUM=/path/to/it"
)
FLAGS = (
    "--no-sandbox",  # it refuses to run as root with one
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class NoChromium(Exception):
    """There is no browser, and none could be installed; says what to do."""


def find_chromium(environ: Mapping[str, str] = os.environ) -> str | None:
    """The path of the executable: what CHROMIUM names, else the first one that is on the PATH.

    Raises NoChromium if CHROMIUM names something else than an executable.
    """
    named = environ.get("CHROMIUM")
    if named:
        found = shutil.which(named)
        if found is None:
            raise NoChromium(f"CHROMIUM={named} is no executable")
        return found
    path = environ.get("PATH", "")
    return next((found for name in NAMES if (found := shutil.which(name, path=path))), None)


def require_chromium() -> str:
    """The path of the executable, which is installed if it is missing and apt-get may do that."""
    found = find_chromium()
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        for command in COMMANDS:
            subprocess.run(command, check=True, stdout=sys.stderr)
        found = find_chromium()
    if found is None:
        raise NoChromium(HELP.format(names=", ".join(NAMES)))
    return found


if __name__ == "__main__":
    try:
        print(require_chromium())
    except (NoChromium, subprocess.CalledProcessError) as error:
        sys.exit(f"orderengine: {error}")
