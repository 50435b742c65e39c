"""A run whose secrets are known, and everything that it wrote and showed."""

import contextlib
import hashlib
import json
import re
import socket
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

from harness.processes import ROOT
from harness.waiting import wait_until
from orderengine.local.ports import LOOPBACK, free_port
from orderengine.local.processes import kill_group, spawn
from tests.e2e.stack import ASK_PAUSE_S, LOGS, Stack

TIMEOUT_S = 40.0
COMPLAINT = re.compile(r"(?i)cannot connect|refused|wrongpass|error")


@dataclass
class Run:
    """The secrets of a run by their descriptions, and everything that it wrote and showed."""

    stack: Stack
    secrets: dict[str, str] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)

    def learn(self, what: str, secret: str) -> str:
        """Add a secret and its digest to those that are looked for."""
        self.secrets[what] = secret
        self.secrets[f"the digest of {what}"] = hashlib.sha256(secret.encode()).hexdigest()
        return secret

    def key(self, client: str) -> str:
        """A new key of a client; its secret part is looked for too."""
        done = self.command("keys", "create", client, "--json")
        key = str(json.loads(done)["key"])
        self.secrets[f"the secret part of the key of {client}"] = key.split("_", 2)[2]
        return self.learn(f"the key of {client}", key)

    def ask(self, path: str, key: str = "", body: object = None, **headers: str) -> tuple[int, str]:
        """Status and answer of a request; the answer is recorded unless it has to hold a ticket."""
        given = {"Content-Type": "application/json", **headers}
        if key:
            given["Authorization"] = f"Bearer {key}"
        data = None if body is None else json.dumps(body).encode()
        status, answer = fetch(f"{self.stack.url}{path}", data, given)
        if "ticket" not in answer:
            self.told[f"the answer to {path} {len(self.told)}"] = answer
        return status, answer

    def ticket(self, key: str) -> str:
        status, answer = self.ask("/api/tickets", key, body={})
        assert status == 201
        return self.learn(f"ticket {len(self.secrets)}", str(json.loads(answer)["ticket"]))

    def command(self, *arguments: str, database_url: str = "") -> str:
        """The output of a command, which is recorded unless it is a new key."""
        elsewhere = {"DATABASE_URL": database_url} if database_url else {}
        done = self.stack.command(*arguments, **elsewhere)
        printed = "" if arguments[:2] == ("keys", "create") else done.stdout
        self.told[f"{' '.join(arguments)} {len(self.told)}"] = printed + done.stderr
        return done.stdout

    def leaks(self) -> list[tuple[str, str]]:
        """Each secret that leaked, and the place."""
        return [
            (what, where)
            for what, secret in self.secrets.items()
            for where, told in self.told.items()
            if secret in told
        ]


def fetch(url: str, data: bytes | None, headers: Mapping[str, str]) -> tuple[int, str]:
    request = urllib.request.Request(url, data=data, headers=dict(headers))  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


class Attempt:
    """A line of the Procfile, started with wrong settings."""

    def __init__(self, run: Run, name: str, log: Path, **environ: str) -> None:
        self._name = name
        self._log = log
        self._port = str(free_port())
        ports = {"PORT": self._port, "FLOWER_PORT": str(free_port())}
        env = {**run.stack.environ, **environ, **ports}
        with log.open("wb") as output:
            self._process = spawn(run.stack.lines[name], env=env, cwd=ROOT, output=output)

    @property
    def said(self) -> str:
        return self._log.read_text("utf-8")

    def is_over(self) -> bool:
        """True once it has ended, has answered /readyz with 503, or has retried three times."""
        if self._process.poll() is not None:
            return True
        if self._name != "web":
            return len(COMPLAINT.findall(self.said)) >= 3
        with contextlib.suppress(OSError):  # it may end while it is asked
            return fetch(f"http://{LOOPBACK}:{self._port}/readyz", None, {})[0] == 503
        return False

    def end(self) -> None:
        kill_group(self._process.pid)
        self._process.wait()


def start_with_what_can_not_work(run: Run, password: str, folder: Path) -> None:
    """Start each line of the Procfile with servers that refuse it, and with an invalid URL.

    `tests/unit/test_config.py` has the other invalid URLs: each line shows the same message.
    """
    wrong = quote(password, safe="")
    postgres, redis = urlsplit(run.stack.database_url), urlsplit(run.stack.redis_url)
    server = f"{LOOPBACK}:{postgres.port}{postgres.path}"
    settings = {
        "nobody listening": (
            f"postgresql://u:{wrong}@{LOOPBACK}:1/x",
            f"redis://:{wrong}@{LOOPBACK}:1",
        ),
        "a wrong password": (
            f"postgresql://{postgres.username}:{wrong}@{server}",
            f"redis://:{wrong}@{LOOPBACK}:{redis.port}/0",
        ),
        "no quoting": (
            f"postgresql://u:{password}@{LOOPBACK}:1/x",
            f"redis://:{password}@{LOOPBACK}:1/0",
        ),
    }
    for what, (database_url, redis_url) in settings.items():
        urls = {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
        started = {name: Attempt(run, name, folder / f"{what} {name}", **urls) for name in LOGS}
        try:
            wait_for(started.values())
        finally:
            for attempt in started.values():
                attempt.end()
        run.told |= {f"{name} with {what}": each.said for name, each in started.items()}
        run.command("keys", "list", database_url=database_url)


def wait_for(attempts: Iterable[Attempt]) -> None:
    wait_until(
        lambda: all(attempt.is_over() for attempt in attempts), TIMEOUT_S, pause_s=ASK_PAUSE_S
    )


def send_raw(port: int, lines: str) -> bytes:
    """The answer to a request that no library would send."""
    with socket.create_connection((LOOPBACK, port), timeout=TIMEOUT_S) as connection:
        connection.sendall(lines.encode())
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as answer:
            return answer.read()
