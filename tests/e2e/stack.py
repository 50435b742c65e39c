"""The stack as the Procfile starts it, and a client of it."""

import contextlib
import json
import os
import signal
import struct
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import websocket

from orderengine.local.ports import LOOPBACK, free_port
from orderengine.local.processes import kill_group, outcome, spawn
from orderengine.local.procfile import parse_procfile, shell_line
from tests.integration.streams import wait_until

ROOT = Path(__file__).parent.parent.parent
TIMEOUT_S = 40.0
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 20.0
ASK_PAUSE_S = 0.1
"""The pause between two requests to the API: waiting must not use up the address's rate limit."""

WORKER_IS_READY = " ready."
LOG_TAIL_LINES = 60
LOGS = ("release", "web", "worker", "flower")
TEST_FAST_LANE = "TEST_FAST_LANE"
"""Set to 0, it runs every stack of the tests on stock Celery: see `make test-stock`."""

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Following:
    """The messages that a socket got, in order, and its close code."""

    texts: Sequence[str]
    code: int

    @property
    def events(self) -> list[Document]:
        return [json.loads(text) for text in self.texts]

    @property
    def seqs(self) -> list[int]:
        return [event["seq"] for event in self.events]

    @property
    def statuses(self) -> list[str]:
        return [event["status"] for event in self.events]


class Stack:
    """The web and the worker of the Procfile, each in a session of its own.

    `environ` is added to the few variables of every process, `headers` to every request.
    `answers` keeps the text of all answers. Each process has its own log, which continues after a
    restart.
    """

    migrates = True
    """Whether the stack runs the release line first."""

    def __init__(self, database_url: str, redis_url: str, folder: Path, **environ: str) -> None:
        self.port = free_port()
        self.url = f"http://{LOOPBACK}:{self.port}"
        self.answers: list[str] = []
        self.headers: dict[str, str] = {}
        self.database_url = database_url
        self.redis_url = redis_url
        self.folder = folder
        self._lines = parse_procfile((ROOT / "Procfile").read_text("utf-8"))
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._environ = {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "HOME": str(folder),
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "HOST": LOOPBACK,
            "PORT": str(self.port),
            "FAST_LANE": os.environ.get(TEST_FAST_LANE, "1"),
            **environ,
        }

    def __enter__(self) -> Self:
        try:
            if self.migrates:
                self._release()
            for name in ("web", "worker"):
                self._start(name)
            wait_until(self._is_ready, START_TIMEOUT_S, ASK_PAUSE_S)
        except BaseException as error:
            error.add_note("\n".join(self.tails().values()))
            self.stop(signal.SIGKILL)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def post(self, symbol: str, side: str, quantity: str, **more: object) -> str:
        """Place an order; returns its id."""
        order = {"symbol": symbol, "side": side, "quantity": quantity, **more}
        accepted = self._http("/api/orders/execute", json.dumps(order).encode())
        return str(accepted["orderId"])

    def post_many(self, count: int, symbol: str = "AAPL", **more: object) -> list[str]:
        """Place small orders at the same time; returns their ids."""
        with ThreadPoolExecutor(count) as threads:
            placed = [threads.submit(self.post, symbol, "buy", "1", **more) for _ in range(count)]
            return [each.result() for each in placed]

    def get(self, path: str) -> Document:
        return self._http(path)

    def text(self, path: str) -> str:
        request = urllib.request.Request(self.url + path, headers=self.headers)  # noqa: S310
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
            text: str = answer.read().decode()
        self.answers.append(text)
        return text

    def order(self, order_id: str) -> Document:
        return self.get(f"/api/orders/{order_id}")

    @contextlib.contextmanager
    def socket(self, order_id: str, after: int = 0) -> Iterator[websocket.WebSocket]:
        query = f"orderId={order_id}" + (f"&after={after}" if after else "")
        client = websocket.create_connection(
            f"ws://{LOOPBACK}:{self.port}/ws/orders?{query}",
            timeout=TIMEOUT_S,
            header=self.headers,
        )
        try:
            yield client
        finally:
            client.shutdown()  # type: ignore[no-untyped-call]

    def follow(self, order_id: str, after: int = 0) -> Following:
        """Follow an order until the socket is closed."""
        with self.socket(order_id, after) as client:
            return rest(client)

    @contextlib.contextmanager
    def following(self, order_ids: Sequence[str]) -> Iterator[list[Future[Following]]]:
        """Follow orders in threads; the end of the block waits for them."""
        with ThreadPoolExecutor(len(order_ids)) as threads:
            yield [threads.submit(self.follow, order_id) for order_id in order_ids]

    def follow_many(self, order_ids: Sequence[str]) -> list[Following]:
        with self.following(order_ids) as following:
            return [each.result() for each in following]

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Signal a process and its children, as a host does."""
        os.killpg(self._processes[name].pid, number)

    def answers_ready(self) -> bool:
        """True once the web answers, and sees Redis and a worker."""
        with contextlib.suppress(OSError):
            return not {"redis", "worker"} & set(self.get("/readyz")["degraded"])
        return False

    def start(self, name: str) -> None:
        """Start another process of the Procfile."""
        self._start(name)

    def is_running(self, name: str) -> bool:
        return self._processes[name].poll() is None

    def wait(self, name: str, timeout_s: float = STOP_TIMEOUT_S) -> str:
        """Wait for a process to end; returns its exit code or signal in words."""
        return outcome(self._processes[name].wait(timeout_s))

    def restart(self, name: str, number: signal.Signals = signal.SIGTERM, **environ: str) -> None:
        """End a process if it still runs, start it again, and wait until it is ready."""
        if self._processes[name].poll() is None:
            self.kill(name, number)
        self.wait(name)
        self._environ |= environ
        ready = self.logs("worker").count(WORKER_IS_READY)
        self._start(name)
        if name == "worker":
            wait_until(lambda: self.logs(name).count(WORKER_IS_READY) > ready, START_TIMEOUT_S)
        wait_until(self._is_ready, START_TIMEOUT_S, ASK_PAUSE_S)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End all running processes; raises AssertionError if one had to be killed."""
        for name, process in self._processes.items():
            if process.poll() is None:
                self.kill(name, number)
        late = [name for name in self._processes if not self._ends(name)]
        for process in self._processes.values():
            kill_group(process.pid)
            process.wait()
        assert not late, f"{late} did not end within {STOP_TIMEOUT_S:.0f} s"

    def command(self, name: str) -> str:
        """The command of a line of the Procfile."""
        return self._lines[name]

    def pid(self, name: str) -> int:
        """The process id of a line."""
        return self._processes[name].pid

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment of its processes."""
        return self._environ

    @property
    def path(self) -> str:
        """The PATH of its processes."""
        return self._environ["PATH"]

    def logs(self, name: str) -> str:
        """The whole log of a process, across restarts."""
        log = self._log(name)
        return log.read_text("utf-8", errors="replace") if log.exists() else ""

    def log_lines(self, name: str) -> list[Document]:
        """The structured lines of a log."""
        return [json.loads(line) for line in self.logs(name).splitlines() if line.startswith("{")]

    def tails(self) -> dict[str, str]:
        """The end of each log."""
        logs = {name: self.logs(name) for name in LOGS}
        return {name: "\n".join(log.splitlines()[-LOG_TAIL_LINES:]) for name, log in logs.items()}

    def leaked_passwords(self) -> list[str]:
        """The passwords of the URLs that appear in a log or an answer."""
        told = "".join([*self.answers, *map(self.logs, LOGS)])
        parts = (urlsplit(self.database_url), urlsplit(self.redis_url))
        return [part.password for part in parts if part.password and part.password in told]

    def _release(self) -> None:
        self._start("release")
        if self._processes["release"].wait(START_TIMEOUT_S) != 0:
            raise AssertionError(self.logs("release"))

    def _start(self, name: str) -> None:
        with self._log(name).open("ab") as log:
            self._processes[name] = spawn(
                ["/bin/sh", "-c", shell_line(self._lines[name])],
                env=self._environ,
                cwd=ROOT,
                output=log,
            )

    def _ends(self, name: str) -> bool:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(name)
            return True
        return False

    def _is_ready(self) -> bool:
        for name in ("web", "worker"):
            if self._processes[name].poll() is not None:
                raise AssertionError(f"{name} ended:\n{self.tails()[name]}")
        return self.answers_ready()

    def _http(self, path: str, body: bytes | None = None) -> Document:
        headers = {"Content-Type": "application/json", **self.headers}
        request = urllib.request.Request(self.url + path, data=body, headers=headers)  # noqa: S310
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
            assert answer.status == (200 if body is None else 202)
            text = answer.read().decode()
        self.answers.append(text)
        document: Document = json.loads(text)
        return document

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"


def next_event(client: websocket.WebSocket) -> Document:
    text = client.recv()
    assert text, "the socket was closed"
    event: Document = json.loads(text)
    return event


def rest(client: websocket.WebSocket) -> Following:
    """All messages until the close."""
    texts: list[str] = []
    while True:
        opcode, data = client.recv_data()
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            return Following(texts, struct.unpack("!H", data[:2])[0])
        texts.append(data.decode())
