"""The base of the embedded servers: their folder, port, password and life cycle."""

import json
import os
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import ClassVar, Self

from orderengine.local.errors import ServerError
from orderengine.local.files import (
    FolderLock,
    last_lines,
    make_folder,
    read_or_create,
    write_private,
)
from orderengine.local.ports import free_port, is_free
from orderengine.local.processes import ProcessRef, User, kill_group, outcome, spawn

_POLL_S = 0.01
_FAILED_STARTS = 5
_SHOWN_LINES = 15
_KEPT_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


class EmbeddedServer(ABC):
    """A server on the loopback interface which keeps everything it needs in one folder.

    Port and password survive in that folder. At any time only one object can run the server of a
    folder; the next start stops a server that outlived its supervisor.
    """

    name: ClassVar[str]
    stop_signal: ClassVar[signal.Signals]

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int | None = None,
        durable: bool = True,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self.data_dir = Path(data_dir).resolve()
        self.durable = durable
        self._environ = environ
        self._port = port
        self._port_is_promised = port is not None
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = FolderLock(self.data_dir / "lock")
        self._pid_file = self.data_dir / "process.json"
        self._log = self.data_dir / "server.log"

    @property
    @abstractmethod
    def url(self) -> str:
        """The URL for clients, with the password; known after the first start."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether the server that we started answers its clients now."""

    @abstractmethod
    def _prepare(self) -> None:
        """Finds the binary and creates the data; called before the first launch."""

    @abstractmethod
    def _command(self) -> list[str]: ...

    @property
    def port(self) -> int:
        """The port on 127.0.0.1; ServerError before the first start."""
        if self._port is None:
            raise ServerError(f"{self.name} has no port before its first start")
        return self._port

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """The process as last started; None before the start and after a stop."""
        return self._process

    @property
    def pid(self) -> int | None:
        """The pid of the process as last started."""
        return self._process.pid if self._process else None

    @property
    def password(self) -> str:
        """The random password of this folder, which keeps it with mode 0600."""
        return read_or_create(self.data_dir / "password", lambda: os.urandom(24).hex())

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def last_lines(self) -> list[str]:
        """The last lines that the server wrote to its log."""
        return last_lines(self._log, _SHOWN_LINES)

    def launch(self) -> None:
        """Starts the process without waiting until it is ready; ServerError if it cannot."""
        if self.is_running:
            return
        self._hold_folder()
        try:
            if self._process is None:
                self._end_survivor()
                self._log.unlink(missing_ok=True)
                self._prepare()
            self._choose_port()
            self._spawn()
        except BaseException:
            if self._process is None:
                self._lock.release()
            raise

    def start(self, timeout_s: float = 30.0) -> Self:
        """Starts the server and waits until it is ready, at most as long as given.

        Raises ServerError with the server's last words.
        """
        deadline = time.monotonic() + timeout_s
        failures = 0
        self.launch()
        while not self.is_ready():
            if not self.is_running:
                # Another process took the port first, or a killed server is still shutting down.
                failures += 1
                if failures == _FAILED_STARTS:
                    raise self._failure(outcome(self._process.returncode if self._process else 0))
                time.sleep(0.1 * failures)
                self.launch()
            elif time.monotonic() > deadline:
                raise self._failure(f"not ready after {timeout_s:.0f} s")
            time.sleep(_POLL_S)
        self._port_is_promised = True
        return self

    def stop(self, timeout_s: float = 5.0) -> None:
        """Stops the server gracefully, or by force after the timeout; can be repeated."""
        if self._process is not None:
            self.request_stop()
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.kill()
            self.clean_up()
            self._pid_file.unlink(missing_ok=True)
            self._process = None
        self._lock.release()

    def request_stop(self) -> None:
        """Asks the server to stop without waiting for its clients."""
        if self._process is not None and self.is_running:
            self._process.send_signal(self.stop_signal)

    def clean_up(self) -> None:
        """Kills the rest of the process group."""
        if self._process is not None:
            kill_group(self._process.pid)

    def kill(self) -> None:
        """Ends the process at once, whatever it is doing."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def end_survivor(self) -> None:
        """Stops a server of this folder that outlived its supervisor, if there is one."""
        if self._pid_file.exists():
            self._hold_folder()
            self._end_survivor()
            self._lock.release()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _user(self) -> User | None:
        return None

    def _hold_folder(self) -> None:
        make_folder(self.data_dir)
        if not self._lock.acquire():
            raise ServerError(f"another process is running the {self.name} of {self.data_dir}")

    def _end_survivor(self) -> None:
        try:
            survivor = ProcessRef(**json.loads(self._pid_file.read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return
        survivor.end(self.stop_signal, timeout_s=5.0)
        self._pid_file.unlink()

    def _choose_port(self) -> None:
        if self._port_is_promised:
            if not is_free(self.port):
                raise ServerError(f"port {self.port} of {self.name} is taken by another process")
            return
        remembered = read_or_create(self.data_dir / "port", lambda: str(free_port())).strip()
        port = int(remembered) if remembered.isdecimal() else 0
        self._port = port if 0 < port < 65_536 and is_free(port) else free_port()
        write_private(self.data_dir / "port", str(self._port))

    def _spawn(self) -> None:
        descriptor = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "ab") as log:
            self._process = spawn(
                self._command(),
                env=self.environment(),
                cwd=Path("/"),
                output=log,
                death_signal=self.stop_signal,
                user=self._user(),
                umask=0o077,
            )
        ref = ProcessRef.of(self._process.pid)
        if ref is not None:
            write_private(self._pid_file, json.dumps(asdict(ref)))

    def environment(self) -> dict[str, str]:
        """The environment of the server: only the variables that it needs to run."""
        kept = {key: self._environ[key] for key in _KEPT_ENVIRONMENT if key in self._environ}
        return {**kept, "LC_ALL": "C"}

    def _failure(self, reason: str) -> ServerError:
        words = "".join(f"\n    {line}" for line in self.last_lines)
        self.stop()
        return ServerError(f"{self.name} did not start: {reason}{words}")
