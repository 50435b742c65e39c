"""A stack on a localnet, as `make run NETWORK=localnet` starts it, for tests of the live path."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.processes import ROOT, START_TIMEOUT_S
from harness.waiting import wait_until
from orderengine.local.ports import free_port
from orderengine.local.runfile import Run, load_run, state_folder
from tests.e2e.stack import ASK_PAUSE_S
from tests.e2e.test_demo import OF_A_CHECKOUT

END_TIMEOUT_S = 90.0
BRISK = {"LOCALNET_BLOCK_MS": "100", "LOCALNET_FAULTS": "1", "RECOVERY_AFTER_MS": "1500"}

EMPTY: Mapping[str, str] = {}

Document = dict[str, Any]


@dataclass
class LiveStack:
    """A running stack in a checkout of its own."""

    root: Path
    process: "subprocess.Popen[bytes]"

    @property
    def run(self) -> Run:
        found = load_run(state_folder(self.root))
        assert found is not None
        return found

    @property
    def output(self) -> str:
        """All that the processes have written."""
        return (self.root / "run.log").read_text(errors="replace")

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.output[-4_000:]
        try:
            status, answer = self.ask("/readyz")
            return status == 200 and answer["status"] == "ok"
        except (OSError, AssertionError):
            return False

    def ask(self, path: str, body: object = None) -> tuple[int, Document]:
        return fetch(self.run.api_url + path, body)

    def place(self, **order: object) -> str:
        status, answer = self.ask("/api/orders/execute", order)
        assert status == 202, answer
        return str(answer["orderId"])

    def place_at_once(self, count: int, **order: object) -> list[str]:
        with ThreadPoolExecutor(count) as threads:
            return list(threads.map(lambda _: self.place(**order), range(count)))

    def ended(self, order_id: str) -> Document:
        """The order once it has ended."""

        def has_ended() -> bool:
            return self.ask(f"/api/orders/{order_id}")[1]["status"] in {"confirmed", "failed"}

        wait_until(has_ended, END_TIMEOUT_S, f"{order_id} has not ended", pause_s=ASK_PAUSE_S)
        return self.ask(f"/api/orders/{order_id}")[1]

    def landings(self) -> list[Document]:
        """The swaps that landed, with or without an error, by the node's own ledger."""
        request = {"jsonrpc": "2.0", "id": 1, "method": "localnet_ledger", "params": {}}
        answer = fetch(self.run.localnet["SOLANA_RPC_URL"], request)[1]
        return [each for each in answer["result"]["landings"] if each["memo"] is not None]


@contextmanager
def live_stack(
    settings: Mapping[str, str], instruments: str = "", env_file: Mapping[str, str] = EMPTY
) -> Iterator[LiveStack]:
    """A stack with these settings, and with these instruments in place of the shipped ones.

    `env_file` is what its `.env` has.
    """
    # Unlike tmp_path, PostgreSQL's user can reach it if the tests run as root.
    root = Path(tempfile.mkdtemp(prefix="orderengine-test-"))
    root.chmod(0o711)
    for name in OF_A_CHECKOUT:
        (root / name).symlink_to(ROOT / name)
    ports = {"PORT": str(free_port()), "FLOWER_PORT": str(free_port())}
    env = {"PATH": os.environ["PATH"], "NETWORK": "localnet", **BRISK, **ports, **settings}
    if instruments:
        (root / "listed.csv").write_text(instruments)
        env["INSTRUMENTS_FILE"] = str(root / "listed.csv")
    if env_file:
        lines = "".join(f"{name}={value}\n" for name, value in env_file.items())
        (root / ".env").write_text(lines)
    with (root / "run.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "orderengine.local", "run", "--root", str(root)],
            cwd=ROOT,
            env=env,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    stack = LiveStack(root, process)
    try:
        wait_until(stack.is_ready, START_TIMEOUT_S, "the stack is not ready", pause_s=ASK_PAUSE_S)
        yield stack
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(30)
        shutil.rmtree(root)


def fetch(url: str, body: object = None) -> tuple[int, Document]:
    data = None if body is None else json.dumps(body).encode()
    headers = {} if body is None else {"Content-Type": "application/json"}
    request = urllib.request.Request(url, data, headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as refusal:
        return refusal.code, json.loads(refusal.read())
