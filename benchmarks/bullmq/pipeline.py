"""BullMQ's side: installed into a temporary folder, warmed up, and fed while it is frozen."""

import json
import os
import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import Self

from sqlalchemy import text

from benchmarks.bench import FINISH_TIMEOUT_S, Bench
from benchmarks.bullmq.statements import ACCEPT, CREATE_TABLES, IS_OPEN, SAMPLE, TALLY, hops_like
from benchmarks.burst import frozen
from benchmarks.checks import Lost
from harness.processes import Processes, base_environ
from harness.waiting import POLL_S, wait_until
from orderengine.local.errors import LocalError

SOURCES = Path(__file__).parent
FILES = ("package.json", "package-lock.json", "settings.mjs", "feed.mjs", "worker.mjs")
NICE = ("nice", "-n", "5")
"""The priority that the Procfile gives the engine's worker."""

NPM = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error")


def install(folder: Path) -> Path:
    """Install the locked packages below a folder, and return where.

    Raises LocalError without Node.js and npm, RuntimeError with npm's output if npm fails.
    """
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise LocalError(f"{program} is not installed: BullMQ runs on Node.js, from npm")
    code = folder / "bullmq"
    code.mkdir()
    for name in FILES:
        shutil.copy(SOURCES / name, code)
    with Processes(folder) as programs:
        # The caller's environment says how to reach a registry from here.
        programs.run("npm", [*NPM, "--prefix", str(code)], os.environ)
    return code


class Pipeline(Processes):
    """Worker processes with a worker for each of four queues, on a Redis database of its own.

    Needs the installed code, the engine's tables, and one order that the engine has executed.
    """

    def __init__(self, bench: Bench, code: Path, concurrency: int, processes: int) -> None:
        super().__init__(bench.servers.folder)
        self._bench = bench
        self._concurrency = concurrency
        self._names = [f"bullmq {number + 1}" for number in range(processes)]
        self._code = code
        self._placed = 0
        self._environ = {
            **base_environ(bench.servers.folder),
            "BULLMQ_DATABASE_URL": bench.servers.postgres.url,
            "BULLMQ_REDIS_URL": bench.servers.redis_url(1),
        }

    def __enter__(self) -> Self:
        self._create()
        for name in self._names:
            command = [*NICE, "node", str(self._code / "worker.mjs"), str(self._concurrency)]
            self.start(name, command, self._environ)
        return self

    def orders_per_s(self, count: int) -> float:
        """Queue orders while the workers are frozen; from their start to the last order's end."""
        with frozen(self, self._names):
            self.run("feed", ["node", str(self._code / "feed.mjs"), str(count)], self._environ)
            self._placed += count
            resumed_at = time.time()
        try:
            wait_until(
                self._is_finished, FINISH_TIMEOUT_S, "orders of BullMQ are open", pause_s=POLL_S
            )
        except TimeoutError as error:
            raise Lost(str(error)) from error
        return count / (self._last_end() - resumed_at)

    def _create(self) -> None:
        with self._bench.database.connect() as connection:
            connection.execute(text(CREATE_TABLES))
            sample = connection.execute(text(SAMPLE)).one()
        document = {
            "accept": ACCEPT,
            "sample": sample.columns["id"],
            "hops": [asdict(hop) for hop in hops_like(sample.columns, sample.data)],
        }
        (self._code / "hops.json").write_text(json.dumps(document), "utf-8")

    def _is_finished(self) -> bool:
        self.require_running()
        time.sleep(0.05)
        with self._bench.database.connect() as connection:
            return not connection.execute(text(IS_OPEN)).scalar_one()

    def _last_end(self) -> float:
        with self._bench.database.connect() as connection:
            row = connection.execute(text(TALLY)).one()
        if (row.orders, row.confirmed, row.complete) != (self._placed,) * 3:
            raise Lost(f"BullMQ was given {self._placed} orders and has {row._asdict()}")
        return float(row.last_at)
