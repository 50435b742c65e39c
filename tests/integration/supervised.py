"""A checkout with its own small Procfile, and the supervisor that runs it as a process."""

import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic

from orderengine.local.ports import free_port
from orderengine.local.processes import ProcessRef
from orderengine.local.redis_server import EmbeddedRedis
from orderengine.local.runfile import load_run
from tests.folders import reachable_folder

CHILD = """
import json, os, signal, socket, sys, threading

kind, *modes = sys.argv[1:]
print(kind, "uses", os.environ["DATABASE_URL"], os.environ["REDIS_URL"], flush=True)

def stop(*_):
    print(kind, "stops", flush=True)
    sys.exit()

signal.signal(signal.SIGTERM, signal.SIG_IGN if "stubborn" in modes else stop)
if "broken" in modes:
    sys.exit("no such module")
if "ordering" in modes:
    order = dict(order_id="7a5f", level="info", logger="engine", timestamp="2026-11-29T23:00:00Z")
    ended = dict(symbol="AAPL", side="buy", quantity="10", attempt=1, version=5, took_s=2.4)
    for status in ("routing", "confirmed"):
        told = dict(order, event="order_moved", status=status, **ended)
        print(json.dumps(dict(told, dex="raydium", executed_price="230.1")), flush=True)
if kind == "worker":
    open("worker.up", "w").close()
    while True:
        signal.pause()

if "talkative" in modes:
    import structlog
    from orderengine.process.logs import configure_logging
    configure_logging("INFO")

# By hand: http.server takes several times as long to load as the rest of this program.
def answer(client):
    with client, client.makefile("rb") as asked:
        request = asked.readline().decode().split()
        if not request:
            return
        path = request[1]
        while asked.readline().strip():
            pass
        for _ in range(50 if "talkative" in modes and path == "/talk" else 0):
            structlog.get_logger("web").info("said", words="x" * 2000)
        degraded = [] if os.path.exists("worker.up") else ["worker"]
        causes = {"redis": "no_answer"} if "redisless" in modes else {}
        told = json.dumps({"degraded": degraded, "causes": causes})
        client.sendall(("HTTP/1.0 200 OK\\r\\n\\r\\n" + told).encode())

port = int(os.environ["PORT" if kind == "web" else "FLOWER_PORT"])
server = socket.create_server(("127.0.0.1", port))
if "held" in modes and os.fork() == 0:
    os.setsid()
    from harness.waiting import wait_until
    wait_until(lambda: os.path.exists("let-go") or not os.path.exists("Procfile"), 60)
    os._exit(0)
while True:
    threading.Thread(target=answer, args=(server.accept()[0],), daemon=True).start()
"""

PROCFILE = """
release: echo migrated && echo done
web: python child.py web
worker: MODE=none python child.py worker
flower: python child.py flower
"""

READY = "orderengine is ready"
TAKEN = r"port \d+ on \S+ is taken: .* set (?P<variable>\w+) to a free port"


class Supervised:
    """The supervisor of `make run` as a process, and its output.

    Its lines are small programs; `harness` starts the Procfile's own.
    """

    def __init__(
        self, root: Path, port: int, flower_port: int, database_url: str, redis_url: str
    ) -> None:
        self.root = root
        self.env = {
            "PATH": os.environ["PATH"],
            "PORT": str(port),
            "FLOWER_PORT": str(flower_port),
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
        }
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._started: list[subprocess.Popen[bytes]] = []

    @property
    def folder(self) -> Path:
        return self.root / ".orderengine"

    @property
    def process(self) -> subprocess.Popen[bytes]:
        return self._started[-1]

    def start(self, command: str = "run", *, terminal: bool = False) -> None:
        """Start the supervisor; its output is a pipe, or a terminal."""
        # Under nohup the tests would pass the ignored SIGHUP on.
        inherited = signal.signal(signal.SIGHUP, signal.SIG_DFL)
        ours, theirs = pty.openpty() if terminal else os.pipe()
        process = subprocess.Popen(
            [sys.executable, "-m", "orderengine.local", command, "--root", str(self.root)],
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        os.close(theirs)
        signal.signal(signal.SIGHUP, inherited)
        self._started.append(process)
        self.lines = []
        threading.Thread(target=self._read, args=(ours, self.lines), daemon=True).start()

    def _read(self, output: int, lines: list[str]) -> None:
        # The end of a terminal is an error on Linux.
        with suppress(OSError), os.fdopen(output, encoding="utf-8") as told:
            for line in told:
                with self._changed:
                    lines.append(line.rstrip("\n"))
                    self._changed.notify_all()

    def wait_for(self, pattern: str, timeout_s: float = 30.0, after: int = 0) -> int:
        """Wait for a line with the pattern; returns its number."""
        with self._changed:
            found = self._changed.wait_for(
                lambda: (
                    next(
                        (
                            n
                            for n, line in enumerate(self.lines)
                            if n >= after and re.search(pattern, line)
                        ),
                        None,
                    )
                    is not None
                ),
                timeout_s,
            )
        assert found, f"{pattern!r} was not printed:\n" + "\n".join(self.lines)
        return next(
            n for n, line in enumerate(self.lines) if n >= after and re.search(pattern, line)
        )

    def start_until_ready(self) -> None:
        """Start it; at first with another port if a program has taken one since it was chosen."""
        self.start()
        self.wait_for(f"{READY}|{TAKEN}")
        while len(self._started) == 1 and (taken := re.search(TAKEN, "\n".join(self.lines))):
            self.process.wait()
            self._started.clear()
            self.env[taken["variable"]] = str(free_port())
            self.start()
            self.wait_for(f"{READY}|{TAKEN}")
        self.wait_for(READY)

    def child(self, name: str) -> ProcessRef:
        run = load_run(self.folder)
        assert run is not None
        return run.children[name]

    def children(self) -> list[ProcessRef]:
        run = load_run(self.folder)
        return list(run.children.values()) if run else []

    def stop(self, number: signal.Signals = signal.SIGINT) -> tuple[int, float]:
        """Signal the process group, as a terminal does; returns exit status and seconds."""
        began = monotonic()
        os.killpg(self.process.pid, number)
        return self.process.wait(30), monotonic() - began

    def clean_up(self) -> None:
        children = self.children()
        for process in self._started:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
        for ref in children:
            ref.end(signal.SIGKILL, timeout_s=5)


@contextmanager
def supervised(database_url: str) -> Iterator[Supervised]:
    port = free_port()
    flower_port = next(p for p in iter(free_port, None) if p != port)
    with reachable_folder() as root, EmbeddedRedis(root / "named", durable=False) as redis:
        (root / "child.py").write_text(CHILD)
        (root / "Procfile").write_text(PROCFILE)
        stack = Supervised(root, port, flower_port, database_url, redis.url)
        try:
            yield stack
        finally:
            stack.clean_up()


def edit_procfile(stack: Supervised, old: str, new: str) -> None:
    procfile = stack.root / "Procfile"
    procfile.write_text(procfile.read_text().replace(old, new))
