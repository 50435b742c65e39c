"""The checks before the supervisor starts anything."""

import errno
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from orderengine.config.settings import ConfigurationError, Settings
from orderengine.local.environment import Address, Addresses, without_wallet
from orderengine.local.errors import LocalError
from orderengine.local.files import FolderLock, make_folder
from orderengine.local.localnet_server import (
    EmbeddedLocalnet,
    is_localnet,
    settings_before_start,
)
from orderengine.local.ports import obstacle
from orderengine.local.postgres_server import EmbeddedPostgres
from orderengine.local.processes import end_all
from orderengine.local.procfile import parse_procfile
from orderengine.local.redis_server import EmbeddedRedis
from orderengine.local.runfile import forget_run, live_run, load_run, state_folder
from orderengine.local.supervisor import Supervisor

# gunicorn's workers notice within a second that their master was killed, and end.
_LEFT_PORTS_S = 5.0
_POLL_S = 0.05


def run(root: Path, env: Mapping[str, str]) -> int:
    """Runs the stack of a checkout until it is told to stop; returns the exit status.

    Raises LocalError, before it starts anything, if the user has to change something.
    """
    addresses, commands = _plan(root, env)
    folder = state_folder(root)
    make_folder(folder)
    with FolderLock(folder / "run.lock") as lock:
        if not lock.acquire():
            raise _already_running(folder)
        patience_s = _LEFT_PORTS_S if stop_leftovers(folder) else 0.0
        _require_free(_listening(addresses, commands), patience_s)
        if addresses.redis_url is not None or addresses.database_url is not None:
            _require_servers(root, env)
        return Supervisor(root, env, addresses, commands).run()


def check(root: Path, env: Mapping[str, str]) -> int:
    """Returns 0, or raises LocalError if `run` would refuse; works before anything is installed.

    It changes nothing: `run` ends the leftovers of a killed run.
    """
    addresses, commands = _plan(root, env)
    folder = state_folder(root)
    if live_run(folder) is not None:
        raise _already_running(folder)
    if load_run(folder) is None:
        _require_free(_listening(addresses, commands), 0.0)
    return 0


def _plan(root: Path, env: Mapping[str, str]) -> tuple[Addresses, dict[str, str]]:
    addresses = Addresses.from_env(env)
    commands = _read_procfile(root)
    _require_settings(env, addresses)
    return addresses, commands


def _listening(addresses: Addresses, commands: Mapping[str, str]) -> list[Address]:
    return [addresses.api, *([addresses.flower] if "flower" in commands else [])]


def stop_leftovers(folder: Path) -> bool:
    """Ends the processes of a killed supervisor of this checkout; returns whether there was one."""
    leftover = load_run(folder)
    if leftover is not None:
        end_all(list(leftover.children.values()), signal.SIGTERM, timeout_s=3.0)
    servers = (
        EmbeddedRedis(folder / "redis"),
        EmbeddedPostgres(folder / "postgres"),
        EmbeddedLocalnet(folder / "localnet"),
    )
    for server in servers:
        server.end_survivor()
    forget_run(folder)
    return leftover is not None


def clean(root: Path, env: Mapping[str, str]) -> int:
    """Deletes the data of the embedded servers; LocalError while they are in use."""
    folder = state_folder(root)
    if not folder.exists():
        return 0
    with FolderLock(folder / "run.lock") as lock:
        if not lock.acquire():
            raise _already_running(folder)
        stop_leftovers(folder)
        EmbeddedPostgres(folder / "postgres", environ=env).remove()
        shutil.rmtree(folder)
    return 0


def _read_procfile(root: Path) -> dict[str, str]:
    try:
        commands = parse_procfile((root / "Procfile").read_text())
    except FileNotFoundError as error:
        raise LocalError(f"there is no Procfile in {root}") from error
    if "web" not in commands:
        raise LocalError("the Procfile has no `web` line")
    return commands


def _require_settings(env: Mapping[str, str], addresses: Addresses) -> None:
    """Raises LocalError for a wrong setting, which would make web and worker fail repeatedly."""
    urls = {"DATABASE_URL": "postgresql://embedded", "REDIS_URL": "redis://embedded"}
    try:
        given = {name: value for name, value in env.items() if value}
        if is_localnet(env):
            given = settings_before_start(given)
        settings = Settings.from_env({**urls, **given, "HOST": addresses.api.host})
        settings.asks_for_keys  # noqa: B018 - raises if AUTH is undecided
    except ConfigurationError as error:
        raise LocalError(str(error)) from error


def _require_servers(root: Path, env: Mapping[str, str]) -> None:
    """Raises LocalError if a server that the environment names does not answer, or is of no use.

    It asks in another process: this one would keep the clients' modules in memory.
    """
    command = [sys.executable, "-m", "orderengine.local", "check-servers", "--root", str(root)]
    asked = subprocess.run(
        command, env=without_wallet(env), capture_output=True, text=True, check=False
    )
    if asked.returncode != 0:
        raise LocalError(asked.stderr.strip().removeprefix("orderengine: "))


def _already_running(folder: Path) -> LocalError:
    other = live_run(folder)
    if other is None:
        return LocalError(f"another command is using {folder}: wait until it has ended")
    return LocalError(
        f"this checkout is already running at {other.api_url} (process {other.supervisor.pid}):"
        " stop it first, with Ctrl-C where it was started"
    )


def _require_free(addresses: Sequence[Address], patience_s: float) -> None:
    """Raises LocalError with every address that is not free within `patience_s`."""
    deadline = time.monotonic() + patience_s
    if patience_s and any(map(_trouble, addresses)):
        print("waiting for a port that the last run still holds", flush=True)
    while taken := list(filter(None, map(_trouble, addresses))):
        if time.monotonic() >= deadline:
            raise LocalError("\n".join(taken))
        time.sleep(_POLL_S)


def _trouble(address: Address) -> str | None:
    error = obstacle(address.port, address.host)
    if error is None:
        return None
    where = f"port {address.port} on {address.host}"
    if error.errno == errno.EADDRINUSE:
        return (
            f"{where} is taken: stop what listens there, or set {address.variable} to a free port"
        )
    return f"{where} cannot be used ({error.strerror}): set {address.variable} or HOST"
