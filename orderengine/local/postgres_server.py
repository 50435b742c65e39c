"""An embedded PostgreSQL."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from orderengine.local.binaries import find_postgres
from orderengine.local.errors import ServerError
from orderengine.local.files import write_private
from orderengine.local.ports import LOOPBACK
from orderengine.local.privileges import (
    reachable_binaries,
    reachable_home,
    run_as,
    unprivileged_user,
)
from orderengine.local.processes import ProcessRef, User, command_line
from orderengine.local.server import EmbeddedServer

USER = "orderengine"

_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "32MB",
    "max_wal_size": "256MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}
_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
_STATUS_LINE = 7  # of postmaster.pid, counted from 0, as `pg_ctl` reads it


class EmbeddedPostgres(EmbeddedServer):
    """PostgreSQL on the loopback interface, with one database and its data in the folder.

    `durable=False` trades the data's survival of a power cut for speed.
    """

    name: ClassVar[str] = "postgres"
    # Fast shutdown; SIGTERM would wait until every client has gone.
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT
    _bin_dir: Path
    _home: Path
    _run_as: User | None = None

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int | None = None,
        durable: bool = True,
        database: str = "orderengine",
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        super().__init__(data_dir, port=port, durable=durable, environ=environ)
        if not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", database):
            raise ValueError(f"not a plain database name: {database!r}")
        self._database = database

    @property
    def url(self) -> str:
        """`postgresql://` with user and password; known after the first start."""
        return f"postgresql://{USER}:{self.password}@{LOOPBACK}:{self.port}/{self._database}"

    def is_ready(self) -> bool:
        """Whether the server that we started accepts connections."""
        if not self.is_running:
            return False
        lines = self._postmaster_lines()
        return (
            len(lines) > _STATUS_LINE
            and lines[0] == str(self.pid)
            and lines[_STATUS_LINE].strip() == "ready"
        )

    def kill(self) -> None:
        """Ends the server at once, with its backends, which are not in its process group."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            try:
                self._process.wait(0.5)
            except subprocess.TimeoutExpired:
                super().kill()

    def remove(self) -> None:
        """Stops the server and deletes its data, wherever that had to be kept."""
        self.stop()
        location = self.data_dir / "location"
        if location.exists():
            shutil.rmtree(location.read_text(), ignore_errors=True)
        shutil.rmtree(self.data_dir, ignore_errors=True)

    @property
    def _cluster(self) -> Path:
        return self._home / "cluster"

    def _user(self) -> User | None:
        return self._run_as

    def _prepare(self) -> None:
        bin_dir = find_postgres(self._environ)
        self._run_as = unprivileged_user(self.data_dir / "cluster")
        self._home = reachable_home(self._run_as, self.data_dir)
        self._run_as = unprivileged_user(self._cluster)
        self._bin_dir = reachable_binaries(self._run_as, bin_dir, self._home)
        if not self._cluster.exists():
            self._create_cluster()
        elif self._database_file.exists() and self._database_file.read_text() == self._database:
            self._forget_stale_pid()
        else:
            self._forget_stale_pid()
            self._create_database(self._cluster)
        write_private(self._database_file, self._database)

    def _command(self) -> list[str]:
        settings = {**_SETTINGS, "port": str(self.port), **({} if self.durable else _NOT_DURABLE)}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [str(self._bin_dir / "postgres"), "-D", str(self._cluster), *options]

    @property
    def _database_file(self) -> Path:
        return self.data_dir / "database"

    def _create_cluster(self) -> None:
        """Uses another name first, so that an interrupted attempt is never taken for a cluster."""
        draft = self._home / "cluster.new"
        password = self._home / "initial-password"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        write_private(password, self.password)
        if self._run_as:
            for path in (draft, password):
                os.chown(path, self._run_as.uid, self._run_as.gid)
        try:
            command = [str(self._bin_dir / "initdb"), "-D", str(draft), f"--pwfile={password}"]
            command += [f"--username={USER}", "--auth=scram-sha-256", "--encoding=UTF8"]
            command += ["--locale=C", "--no-instructions", *([] if self.durable else ["--no-sync"])]
            made = run_as(self._run_as, command, self.environment())
        finally:
            password.unlink()
        if made.returncode != 0:
            raise ServerError(
                "PostgreSQL could not create its data (DATABASE_URL names a server of your own):"
                f"\n{made.stdout.strip()}"
            )
        self._create_database(draft)
        draft.replace(self._cluster)

    def _create_database(self, cluster: Path) -> None:
        """Uses single-user mode, which needs no driver and no running server."""
        command = [str(self._bin_dir / "postgres"), "--single", "-D", str(cluster)]
        command += ["-c", f"fsync={'on' if self.durable else 'off'}", "postgres"]
        statement = f'CREATE DATABASE "{self._database}"\n'
        made = run_as(self._run_as, command, self.environment(), statement)
        problems = [line for line in made.stdout.splitlines() if "ERROR:" in line]
        if made.returncode != 0 or any("already exists" not in line for line in problems):
            raise ServerError(f"the database could not be created:\n{made.stdout.strip()}")

    def _postmaster_lines(self) -> list[str]:
        try:
            return (self._cluster / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    def _forget_stale_pid(self) -> None:
        """Removes a stale pid file: PostgreSQL does not start if another process has that pid."""
        first_line = next(iter(self._postmaster_lines()), "")
        if not first_line.isdecimal():
            return
        holder = ProcessRef.of(int(first_line))
        if holder is None:
            return
        if str(self._cluster) in command_line(holder.pid):
            holder.end(self.stop_signal, timeout_s=5.0)
        else:
            (self._cluster / "postmaster.pid").unlink()
