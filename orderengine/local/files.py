"""Our folders and files: private from the first byte, and never half written."""

import os
import pwd
from collections.abc import Callable
from pathlib import Path
from typing import Self

from orderengine.local.errors import LocalError

try:
    import fcntl
except ModuleNotFoundError as error:  # Windows
    raise LocalError(
        "neither the embedded servers nor gunicorn run on this platform: use WSL, where `make run`"
        " works. DATABASE_URL and REDIS_URL name servers of your own"
    ) from error


def make_folder(path: Path) -> None:
    """Creates the folder and those above it that are missing; existing ones keep their mode.

    Nobody else can list them. If we are root, others can pass through them: PostgreSQL refuses to
    run as root, and its folder is further down.
    """
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(exist_ok=True)
    path.chmod(0o711 if os.geteuid() == 0 else 0o700)


def write_private(path: Path, text: str) -> None:
    """Replaces the file in one step, with mode 0600."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)


def read_or_create(path: Path, create: Callable[[], str]) -> str:
    """The text of the file; creates the file if it does not exist."""
    try:
        return path.read_text()
    except FileNotFoundError:
        write_private(path, create())
        return path.read_text()


def last_lines(path: Path, count: int, window_bytes: int = 16_384) -> list[str]:
    """The last lines of a log; none if there is no log."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - window_bytes))
            return file.read().decode(errors="replace").splitlines()[-count:]
    except FileNotFoundError:
        return []


def denied(path: Path) -> str:
    """The message about a path that this user may not use: its owner, and what to do."""
    try:
        found = next(each for each in (path, *path.parents) if each.exists())
        owner = pwd.getpwuid(found.stat().st_uid).pw_name
    except (OSError, KeyError, StopIteration):
        return f"{path}: permission denied"
    return (
        f"{path}: permission denied; {found} belongs to {owner}: continue as {owner},"
        f" or let {owner} run make clean"
    )


class FolderLock:
    """A lock that the kernel releases when its holder dies, however it dies."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Takes the lock if nobody has it; returns whether we hold it now."""
        if self._descriptor is not None:
            return True
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Gives the lock back; does nothing if it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
