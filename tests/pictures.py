"""Draws the pictures of docs/command-line.md from the commands' real output on a terminal.

`python -m tests.pictures` starts its own stack.
"""

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from harness.processes import ROOT
from harness.waiting import wait_until
from tests.e2e.stack import Stack
from tests.servers import test_servers

IMAGES = ROOT / "docs" / "images"
COLUMNS = 118
ROWS = 40
CONTROL = re.compile(r"\x1b\[(\d*)A|\x1b\[2K|\x1b\[\?25[lh]|[\r\n]")
# Drops fonts from another site, which a picture in a README must not request.
TEMPLATE = re.sub(r"@font-face \{\{.*?\}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)

ORDERS = [
    ("BTC", "buy", "0.05"),
    ("ETH", "sell", "1.25"),
    ("JUP", "buy", "250"),
    ("RAY", "sell", "100"),
]


def main() -> None:
    """Run a stack, place some orders, and draw what four commands print."""
    with (
        test_servers() as servers,
        tempfile.TemporaryDirectory() as folder,
        Stack(servers.database_url, servers.redis_url, Path(folder)) as stack,
    ):
        environ = {
            "PATH": os.environ["PATH"],
            "DATABASE_URL": servers.database_url,
            "REDIS_URL": servers.redis_url,
        }
        stack.follow_many([stack.post(*order) for order in ORDERS])
        stack.follow(stack.post("BTC", "buy", "400"))
        stack.post("AAPL", "buy", "10", type="limit", limitPrice="202")
        at = ("--url", stack.url)  # this stack, not one that runs in the checkout
        draw("cli-submit", "submit AAPL buy 10 --watch", environ, at)
        draw("cli-quotes", "quotes SOL buy 20000 --max-legs 2", environ, at)
        draw("cli-list", "list", environ, at)
        stack.kill("worker")
        stack.wait("worker")
        wait_until(lambda: "worker" in stack.get("/readyz")["degraded"])
        draw("cli-doctor", "doctor --no-flower", environ, at)


def draw(name: str, command: str, environ: Mapping[str, str], at: Sequence[str] = ()) -> None:
    """Draw the terminal at the end of this command; `at` are the options that name the stack."""
    shown = screen(printed([*command.split(), *at], environ))
    width = max(COLUMNS, *(len(Text.from_ansi(line)) for line in shown))
    console = Console(file=io.StringIO(), record=True, width=width, force_terminal=True)
    console.print(Text(f"$ orderengine {command}", "bold"))
    for line in shown:
        console.print(Text.from_ansi(line), soft_wrap=True)
    console.save_svg(str(IMAGES / f"{name}.svg"), title="orderengine", code_format=TEMPLATE)


def printed(arguments: Sequence[str], environ: Mapping[str, str]) -> str:
    """Everything that the command writes to a terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    command = subprocess.Popen(
        [sys.executable, "-m", "orderengine", *arguments],
        cwd=ROOT,
        env={**environ, "TERM": "xterm-256color"},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    told = b""
    with os.fdopen(ours, "rb", buffering=0) as terminal, suppress(OSError):
        while chunk := terminal.read(65536):  # the end of a terminal is an error on Linux
            told += chunk
    command.wait()
    return told.decode()


def screen(text: str) -> list[str]:
    """The lines on the screen, after the control codes that move up and overwrite lines."""
    lines, row, at = [""], 0, 0
    for found in CONTROL.finditer(text):
        lines[row] += text[at : found.start()]
        at = found.end()
        if found[1] is not None:
            row -= int(found[1] or 1)
        elif found[0] == "\x1b[2K":
            lines[row] = ""
        elif found[0] == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
    lines[row] += text[at:]
    return [line.rstrip() for line in lines if line.strip()]


if __name__ == "__main__":
    main()
