"""The servers, and the Procfile's web and worker on them, in a temporary folder."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import harness.stack
from harness.processes import START_TIMEOUT_S
from orderengine.local.postgres_server import EmbeddedPostgres
from orderengine.local.redis_server import EmbeddedRedis

NO_DELAYS = {
    "SIM_QUOTE_LATENCY_MS": "0-0",
    "SIM_SETTLEMENT_MS": "0-0",
    "SIM_DRIFT_BPS": "0-0",
}


class CountingPostgres(EmbeddedPostgres):
    """PostgreSQL that counts its statements."""

    def _command(self) -> list[str]:
        return [*super()._command(), "-c", "shared_preload_libraries=pg_stat_statements"]


class Servers:
    """PostgreSQL and Redis as `make run` starts them: durable and empty."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.postgres: EmbeddedPostgres = CountingPostgres(folder / "postgres", durable=True)
        self.redis = EmbeddedRedis(folder / "redis", durable=True)

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.callback(self.postgres.remove)
            self.postgres.start(START_TIMEOUT_S)
            stack.callback(self.redis.stop)
            self.redis.start(START_TIMEOUT_S)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def redis_url(self, number: int) -> str:
        """The URL of a Redis database."""
        return f"{self.redis.url.rpartition('/')[0]}/{number}"


class Stack(harness.stack.Stack):
    """The Procfile's release, web and worker lines, unchanged, on servers of their own."""

    worker_names: Sequence[str] = ("worker",)

    def __init__(self, servers: Servers, **environ: str) -> None:
        super().__init__(servers.postgres.url, servers.redis_url(0), servers.folder, **environ)


class TwoWorkers(Stack):
    """The same with a second worker, under another name as if it ran on another host."""

    worker_names = ("worker", "worker 2")
    starts = ("web", *worker_names)

    def __init__(self, servers: Servers, **environ: str) -> None:
        super().__init__(servers, **environ)
        shell, option, line = self.lines["worker"]
        named = line.replace(" worker --", " worker --hostname worker2@%h --", 1)
        self.lines["worker 2"] = [shell, option, named]


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """A new folder that PostgreSQL's own user can enter if the caller is root."""
    folder = Path(tempfile.mkdtemp(prefix="orderengine-bench-"))
    try:
        folder.chmod(0o711)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
