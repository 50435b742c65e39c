"""An embedded server that speaks the Redis protocol: Valkey or Redis, whichever is there."""

import signal
import socket
from pathlib import Path
from typing import ClassVar

from orderengine.local.binaries import find_redis
from orderengine.local.files import write_private
from orderengine.local.ports import LOOPBACK
from orderengine.local.server import EmbeddedServer

# `noeviction`: Celery's messages and our keys must never be dropped to make room.
_CONFIG = """\
bind {host}
port {port}
requirepass {password}
dir "{folder}"
daemonize no
tcp-backlog 128
maxmemory-policy noeviction
appendonly {append_only}
appendfsync everysec
save ""
"""


class EmbeddedRedis(EmbeddedServer):
    """Redis on the loopback interface, with a password and its data in the folder.

    `durable=False` keeps the data in memory only.
    """

    name: ClassVar[str] = "redis"
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    _binary: Path

    @property
    def url(self) -> str:
        """`redis://` with the password; known after the first start."""
        return f"redis://:{self.password}@{LOOPBACK}:{self.port}/0"

    def is_ready(self) -> bool:
        """Whether the server that we started answers PING."""
        if not self.is_running:
            return False
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=1) as connection:
                connection.sendall(f"AUTH {self.password}\r\nPING\r\nQUIT\r\n".encode())
                with connection.makefile("rb") as answers:
                    return answers.read() == b"+OK\r\n+PONG\r\n+OK\r\n"
        except OSError:
            return False

    def _prepare(self) -> None:
        self._binary = find_redis(self._environ)

    def _command(self) -> list[str]:
        # In a file, because everybody on the machine can read a command line.
        config = self.data_dir / "redis.conf"
        folder = str(self.data_dir).replace("\\", "\\\\").replace('"', '\\"')
        text = _CONFIG.format(
            host=LOOPBACK,
            port=self.port,
            password=self.password,
            folder=folder,
            append_only="yes" if self.durable else "no",
        )
        write_private(config, text)
        return [str(self._binary), str(config)]
