"""Calls the command line against a running stack."""

import contextlib
import json
import os
import pty
import subprocess
import sys

from harness.processes import ROOT
from tests.e2e.stack import TIMEOUT_S, Document, Stack


class Shell:
    """Calls the command like a script."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def __call__(self, *arguments: str, status: int = 0) -> str:
        return "".join(self._run(*arguments, status=status))

    def _run(self, *arguments: str, status: int) -> tuple[str, str]:
        ran = self._stack.command(*arguments)
        assert ran.returncode == status, (ran.stdout, ran.stderr)
        return ran.stdout, ran.stderr

    def on_a_terminal(self, *arguments: str) -> tuple[str, int]:
        """The output on a terminal, and the exit status."""
        ours, theirs = pty.openpty()
        command = subprocess.Popen(
            [sys.executable, "-m", "orderengine", *arguments, "--url", self._stack.url],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "TERM": "xterm", "COLUMNS": "120"},
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        told = b""
        with os.fdopen(ours, "rb", buffering=0) as terminal, contextlib.suppress(OSError):
            while chunk := terminal.read(65536):  # the end of a terminal is an error on Linux
                told += chunk
        return told.decode(), command.wait(TIMEOUT_S)

    def json(self, *arguments: str, status: int = 0) -> Document:
        told, _ = self._run(*arguments, "--json", status=status)
        document: Document = json.loads(told)
        return document
