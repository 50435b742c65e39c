"""A stack on a localnet, as `make run NETWORK=localnet` starts it, for tests of the live path."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from chaos.process_tree import kill_tree
from harness.processes import ROOT, START_TIMEOUT_S
from harness.waiting import wait_until
from orderengine.local.ports import free_port
from orderengine.local.processes import ProcessRef
from orderengine.local.runfile import Run, load_run, state_folder
from tests.e2e.live_orders import LiveOrders
from tests.e2e.stack import ASK_PAUSE_S, Document
from tests.folders import new_checkout

BRISK = {"LOCALNET_BLOCK_MS": "100", "LOCALNET_FAULTS": "1", "RECOVERY_AFTER_MS": "1500"}
FOREIGN = "foreign_orders"
SERVERS = ("postgres", "redis", "localnet")

EMPTY: Mapping[str, str] = {}


@dataclass
class LiveStack(LiveOrders):
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
        """Whether nothing is amiss, but for orders that an earlier localnet may have left."""
        assert self.process.poll() is None, self.output[-4_000:]
        try:
            status, answer = self.ask("/readyz")
            return status == 200 and set(answer["degraded"]) <= {FOREIGN}
        except (OSError, AssertionError):
            return False

    def ask(self, path: str, body: object = None) -> tuple[int, Document]:
        return fetch(self.run.api_url + path, body)

    def get(self, path: str) -> Document:
        status, answer = self.ask(path)
        assert status == 200, answer
        return answer

    def place(self, **order: object) -> str:
        status, answer = self.ask("/api/orders/execute", order)
        assert status == 202, answer
        return str(answer["orderId"])

    def order(self, order_id: str) -> Document:
        return self.get(f"/api/orders/{order_id}")

    def ended(self, order_id: str) -> Document:
        """The order once it has ended."""
        return self.wait_for(order_id, "confirmed", "failed")

    def ask_node(self, method: str, **params: object) -> Document:
        """The node's answer to a request."""
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = fetch(self.run.localnet["SOLANA_RPC_URL"], request)[1]
        return dict(answer["result"])

    def landings(self) -> list[Document]:
        """The swaps that landed, with or without an error, by the node's own ledger."""
        landings = self.ask_node("localnet_ledger")["landings"]
        return [each for each in landings if each["memo"] is not None]

    def kill_everything(self) -> None:
        """SIGKILL the servers, the children and the supervisor, all within a moment.

        The supervisor is the last one, because it waits for the others: where nobody else waits for
        orphans, PostgreSQL takes a zombie for a server that runs.
        """
        run, folder = self.run, state_folder(self.root)
        servers = [
            ProcessRef(**json.loads((folder / name / "process.json").read_text()))
            for name in SERVERS
        ]
        victims = [*servers, *run.children.values()]
        for ref in victims:
            kill_tree(ref.pid)
        wait_until(
            lambda: not any(Path(f"/proc/{ref.pid}").exists() for ref in victims), 30, "one is left"
        )
        kill_tree(run.supervisor.pid)
        self.process.wait(30)


@contextmanager
def running(root: Path, settings: Mapping[str, str] = EMPTY) -> Iterator[LiveStack]:
    """A stack in a checkout, with these settings, until the end of the block."""
    ports = {"PORT": str(free_port()), "FLOWER_PORT": str(free_port())}
    with (root / "run.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "orderengine.local", "run", "--root", str(root)],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "NETWORK": "localnet", **BRISK, **ports, **settings},
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


@contextmanager
def live_stack(
    settings: Mapping[str, str], instruments: str = "", env_file: Mapping[str, str] = EMPTY
) -> Iterator[LiveStack]:
    """A stack in a new checkout, and with these instruments in place of the shipped ones.

    `env_file` is what its `.env` has.
    """
    with new_checkout() as root:
        listed = {}
        if instruments:
            (root / "listed.csv").write_text(instruments)
            listed = {"INSTRUMENTS_FILE": str(root / "listed.csv")}
        if env_file:
            lines = "".join(f"{name}={value}\n" for name, value in env_file.items())
            (root / ".env").write_text(lines)
        with running(root, {**settings, **listed}) as stack:
            yield stack


def fetch(url: str, body: object = None) -> tuple[int, Document]:
    """The status and the document of an answer."""
    data = None if body is None else json.dumps(body).encode()
    headers = {} if body is None else {"Content-Type": "application/json"}
    request = urllib.request.Request(url, data, headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as refusal:
        return refusal.code, json.loads(refusal.read())
