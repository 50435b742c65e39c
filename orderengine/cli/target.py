"""The target of a command's rows: standard output, or a file, written whole or not at all."""

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from uuid import uuid4

import click

from orderengine.cli.common import Refusal, drop_output

STDOUT = "-"


class Target:
    """A path, or `-` for standard output.

    Rows for a file go to a temporary file beside it, which takes its name when all are written.
    Rows for a device or a pipe are written directly.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        file = Path(path)
        self._is_replaced = path != STDOUT and (file.is_file() or not file.exists())

    @property
    def left(self) -> str:
        """The message about the target after a command ends early."""
        if self._is_replaced:
            return f"{self._path} is unchanged"
        return "the output is incomplete"

    @contextmanager
    def opened(self) -> Iterator[IO[str]]:
        """Open it for writing; raises Refusal when it can not be written."""
        opened = self._replaced() if self._is_replaced else self._written()
        try:
            with opened as file:
                yield file
        except OSError as error:
            name = "standard output" if self._path == STDOUT else self._path
            raise Refusal(f"writing {name} failed: {error.strerror}; {self.left}") from error

    @contextmanager
    def _written(self) -> Iterator[IO[str]]:
        with click.open_file(self._path, "w", encoding="utf-8") as file:
            try:
                yield file
                file.flush()
            except OSError:
                if self._path == STDOUT:
                    drop_output()
                raise

    @contextmanager
    def _replaced(self) -> Iterator[IO[str]]:
        target = Path(self._path).resolve()  # a symbolic link stays one
        beside = target.with_name(f".{uuid4()}.part")
        try:
            with beside.open("x", encoding="utf-8") as file:
                if target.exists():
                    beside.chmod(target.stat().st_mode & 0o777)
                yield file
                file.flush()
                os.fsync(file.fileno())
            beside.replace(target)
        finally:
            with contextlib.suppress(OSError):
                beside.unlink()
