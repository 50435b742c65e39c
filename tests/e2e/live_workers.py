"""A web and several workers on a localnet in this process, whose node tests may stop and break."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from harness.processes import ROOT
from harness.waiting import wait_until
from orderengine.local.ports import LOOPBACK
from orderengine.localnet.runner import SETTINGS_FILE, Options, serve
from tests.e2e.live_orders import LiveOrders
from tests.e2e.live_stack import BRISK, fetch
from tests.e2e.stack import Document, Stack

SECOND = "worker-2"
LISTED = ROOT / "orderengine" / "instruments.csv"


@contextmanager
def localnet(folder: Path, port: int, instruments: str = "") -> Iterator[dict[str, str]]:
    """A localnet in this process, and the engine's settings for it; its chain stays in the folder.

    It has the shipped instruments, unless others are given.
    """
    until = threading.Event()
    listed = instruments or LISTED.read_text()
    options = Options(folder, port, listed, block_s=0.1, with_faults=True)
    (folder / SETTINGS_FILE).unlink(missing_ok=True)
    thread = threading.Thread(target=serve, args=(options, until))
    thread.start()
    try:
        settings = folder / SETTINGS_FILE
        wait_until(
            lambda: settings.exists() and settings.stat().st_size > 0, 60, "the node does not start"
        )
        yield json.loads(settings.read_text())
    finally:
        until.set()
        thread.join(30)


class LiveWorkers(Stack, LiveOrders):
    """A web and a worker of a live network, and a second worker if `own` has its settings."""

    migrates = False

    def __init__(
        self,
        urls: tuple[str, str],
        folder: Path,
        settings: Mapping[str, str],
        own: Mapping[str, str] | None = None,
    ) -> None:
        brisk = {name: BRISK[name] for name in ("RECOVERY_AFTER_MS",)}
        super().__init__(*urls, folder, **{**brisk, **settings})
        self.own = own or {}
        if own is not None:
            self.starts = (*self.starts, SECOND)
            shell, option, line = self.lines["worker"]
            named = line.replace(" worker --", " worker --hostname second@%h --", 1)
            self.lines[SECOND] = [shell, option, named]

    def start_line(self, name: str) -> None:
        mine = self.own if name == SECOND else {}
        self.start(name, self.lines[name], {**self.environ, **mine})

    def degraded(self) -> list[str]:
        return list(self.get("/readyz")["degraded"])


def ask(port: int, method: str, **params: object) -> Document:
    """The result of one of the localnet's own methods."""
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return dict(fetch(f"http://{LOOPBACK}:{port}", request)[1]["result"])


def swaps(port: int) -> list[Document]:
    """The swaps that landed, by the node's own ledger."""
    return [each for each in ask(port, "localnet_ledger")["landings"] if each["memo"] is not None]
