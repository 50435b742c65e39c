"""`make run NETWORK=localnet`: the live path on one machine, and a kill of everything."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from chaos.process_tree import kill_tree
from harness.processes import ROOT, START_TIMEOUT_S
from harness.waiting import wait_until
from orderengine.local.ports import free_port
from orderengine.local.processes import ProcessRef
from orderengine.local.runfile import Run, load_run, state_folder
from tests.e2e.stack import ASK_PAUSE_S
from tests.e2e.test_demo import OF_A_CHECKOUT

DEMO_TIMEOUT_S = 120.0
END_TIMEOUT_S = 90.0
BRISK = {"LOCALNET_BLOCK_MS": "100", "LOCALNET_FAULTS": "1", "RECOVERY_AFTER_MS": "1500"}
FOREIGN = "foreign_orders"
SERVERS = ("postgres", "redis", "localnet")

Document = dict[str, Any]


@pytest.fixture
def checkout() -> Iterator[Path]:
    """A checkout of this code that has never run."""
    # Unlike tmp_path, PostgreSQL's user can reach it if the tests run as root.
    root = Path(tempfile.mkdtemp(prefix="orderengine-test-"))
    root.chmod(0o711)
    for name in OF_A_CHECKOUT:
        (root / name).symlink_to(ROOT / name)
    yield root
    shutil.rmtree(root)


def environment() -> dict[str, str]:
    ports = {"PORT": str(free_port()), "FLOWER_PORT": str(free_port())}
    return {"PATH": os.environ["PATH"], "NETWORK": "localnet", **BRISK, **ports}


@contextmanager
def running(checkout: Path) -> Iterator["Running"]:
    """`make run NETWORK=localnet` in a checkout, until the end of the block."""
    log = (checkout / "run.log").open("ab")
    with log:
        process = subprocess.Popen(
            [sys.executable, "-m", "orderengine.local", "run", "--root", str(checkout)],
            cwd=ROOT,
            env=environment(),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    stack = Running(checkout, process)
    try:
        wait_until(stack.is_ready, START_TIMEOUT_S, "the stack is not ready", pause_s=ASK_PAUSE_S)
        yield stack
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(30)


class Running:
    """A stack with its localnet."""

    def __init__(self, checkout: Path, process: "subprocess.Popen[bytes]") -> None:
        self.folder = state_folder(checkout)
        self.process = process

    @property
    def run(self) -> Run:
        found = load_run(self.folder)
        assert found is not None
        return found

    def is_ready(self) -> bool:
        assert self.process.poll() is None, (self.folder.parent / "run.log").read_text()[-4_000:]
        try:
            return bool(set(self.get("/readyz")["degraded"]) <= {FOREIGN})
        except (OSError, AssertionError):
            return False

    def get(self, path: str) -> Document:
        return fetch(self.run.api_url + path)

    def place(self, **order: object) -> str:
        answer = fetch(f"{self.run.api_url}/api/orders/execute", order)
        return str(answer["orderId"])

    def status(self, order_id: str) -> str:
        return str(self.get(f"/api/orders/{order_id}")["status"])

    def wait_for(self, order_id: str, *statuses: str) -> None:
        wait_until(
            lambda: self.status(order_id) in statuses,
            END_TIMEOUT_S,
            f"{order_id} is not {' or '.join(statuses)}",
            pause_s=ASK_PAUSE_S,
        )

    def ask(self, method: str, **params: object) -> Document:
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = fetch(self.run.localnet["SOLANA_RPC_URL"], request)
        return dict(answer["result"])

    def swaps(self) -> list[Document]:
        """The swaps that landed, by the node's own ledger."""
        landings = self.ask("localnet_ledger")["landings"]
        return [each for each in landings if each["memo"] is not None]

    def kill_everything(self) -> None:
        """SIGKILL the servers, the children and the supervisor, all within a moment.

        The supervisor is the last one, because it waits for the others: where nobody else waits for
        orphans, PostgreSQL takes a zombie for a server that runs.
        """
        run = self.run
        servers = [
            ProcessRef(**json.loads((self.folder / name / "process.json").read_text()))
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


def fetch(url: str, body: object = None) -> Document:
    data = None if body is None else json.dumps(body).encode()
    headers = {} if body is None else {"Content-Type": "application/json"}
    request = urllib.request.Request(url, data, headers)  # noqa: S310
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        document: Document = json.loads(answer.read())
    return document


def test_the_demo_trades_on_a_localnet_of_its_own(checkout: Path) -> None:
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "orderengine.local", "demo", "--root", str(checkout)),
            *("--", "--orders", "4", "--plain"),
        ],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "NETWORK": "localnet"},
        capture_output=True,
        text=True,
        timeout=DEMO_TIMEOUT_S,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "4 confirmed, 0 failed, of 4 orders" in ran.stdout
    assert load_run(state_folder(checkout)) is None


@pytest.mark.parametrize("moment", ["before it lands", "after it landed"])
def test_an_order_outlives_a_kill_of_everything_and_is_executed_once(
    checkout: Path, moment: str
) -> None:
    with running(checkout) as stack:
        genesis = stack.ask("localnet_ledger")["genesisHash"]
        first = stack.place(symbol="SOL", side="buy", quantity="2")
        stack.wait_for(first, "confirmed")
        is_before = moment == "before it lands"
        if is_before:
            stack.ask("localnet_fault", held=True)
            order_id = stack.place(symbol="AAPL", side="buy", quantity="3")
            stack.wait_for(order_id, "submitted")
        else:
            # The swap lands, and no process can learn of it.
            stack.ask("localnet_fault", landingBlocks=5)
            order_id = stack.place(symbol="AAPL", side="buy", quantity="3")
            stack.wait_for(order_id, "submitted")
            stack.run.children["worker"].send(signal.SIGSTOP, to_group=True)
            wait_until(lambda: len(stack.swaps()) == 2, 30, "the swap has not landed")
        assert len(stack.swaps()) == (1 if is_before else 2)
        stack.kill_everything()
    with running(checkout) as stack:
        assert stack.ask("localnet_ledger")["genesisHash"] == genesis
        stack.wait_for(order_id, "confirmed", "failed")
        order = stack.get(f"/api/orders/{order_id}")
        assert order["status"] == "confirmed"
        swaps = stack.swaps()
        assert [each["err"] for each in swaps] == [None, None]
        assert order["txHash"] == swaps[1]["signature"]
        assert stack.status(first) == "confirmed"
        later = stack.place(symbol="SOL", side="sell", quantity="1")
        stack.wait_for(later, "confirmed")
        assert len(stack.swaps()) == 3


def test_a_localnet_that_started_anew_leaves_earlier_orders_alone(checkout: Path) -> None:
    with running(checkout) as stack:
        stack.ask("localnet_fault", held=True)
        order_id = stack.place(symbol="AAPL", side="buy", quantity="3")
        stack.wait_for(order_id, "submitted")
        stack.run.children["worker"].send(signal.SIGSTOP, to_group=True)
        # SOL has the same mint on every cluster: nothing but the order's network tells them apart.
        unsigned = stack.place(symbol="SOL", side="buy", quantity="1")
        waits = stack.place(symbol="SOL", side="buy", quantity="1", type="limit", limitPrice="1000")
        stack.kill_everything()
    shutil.rmtree(state_folder(checkout) / "localnet")
    with running(checkout) as stack:
        for symbol in ("AAPL", "SOL"):
            later = stack.place(symbol=symbol, side="buy", quantity="1")
            stack.wait_for(later, "confirmed")
        wait_until(
            lambda: stack.get("/readyz").get("foreignOrders") == 2, 60, "they are not counted"
        )
        assert stack.get("/readyz")["degraded"] == [FOREIGN]
        assert (stack.status(order_id), stack.status(unsigned)) == ("submitted", "pending")
        wait_until(
            lambda: stack.get(f"/api/orders/{waits}").get("heldBecause") == "NETWORK_CHANGED",
            END_TIMEOUT_S,
            "the order that waits does not say why",
        )
        assert len(stack.swaps()) == 2
