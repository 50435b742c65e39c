"""Makes blocks in time: the localnet of a folder, as a process runs it."""

import csv
import io
import json
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from solders.keypair import Keypair

from orderengine.domain.instruments import POOL_COLUMNS, parse_instruments
from orderengine.localnet.node import LocalNode
from orderengine.localnet.pools import USDC_MINT, listed, set_up
from orderengine.localnet.server import RpcServer

WALLET_FILE = "wallet.json"
INSTRUMENTS_FILE = "instruments.csv"
SETTINGS_FILE = "settings.json"
"""The engine's variables for this localnet, in a file of its own."""


@dataclass(frozen=True)
class Options:
    """How to run the localnet of a folder; `instruments` is the text of an instrument file."""

    folder: Path
    port: int
    instruments: str
    block_s: float = 0.4
    with_faults: bool = False


class Ticker:
    """A thread that makes a block every `block_s` seconds; a late one moves those after it."""

    def __init__(self, node: LocalNode, block_s: float) -> None:
        self._node = node
        self._block_s = block_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End after the block that is being made."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        due = time.monotonic()
        while not self._ended.wait(max(0.0, due - time.monotonic())):
            self._node.tick()
            due = max(due, time.monotonic() - self._block_s) + self._block_s


def serve(options: Options, until: threading.Event) -> None:
    """Run the localnet until the event is set; everything it keeps is in the folder."""
    options.folder.mkdir(parents=True, exist_ok=True)
    wallet = wallet_of(options.folder)
    node = LocalNode(options.folder)
    try:
        set_up(node, parse_instruments(options.instruments), wallet.pubkey())
        server = RpcServer(node, options.port, with_faults=options.with_faults)
        _write_settings(options, server.url)
        ticker = Ticker(node, options.block_s)
        ticker.start()
        server.start()
        until.wait()
        server.close()
        ticker.close()
    finally:
        node.close()


def wallet_of(folder: Path) -> Keypair:
    """The wallet of a folder, made at the first call; nobody else can read its file."""
    path = folder / WALLET_FILE
    if not path.exists():
        text = json.dumps(list(bytes(Keypair())))
        draft = path.with_suffix(".new")
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        draft.replace(path)
    return Keypair.from_bytes(bytes(json.loads(path.read_text())))


def instrument_file(text: str) -> str:
    """The instrument file with the mints and pools that every localnet has for it."""
    rows = list(csv.DictReader(text.splitlines(), strict=True))
    added = ("mint", "token_program", *POOL_COLUMNS)
    names = [*(name for name in (rows[0] if rows else ()) if name not in added), *added]
    written = io.StringIO()
    writer = csv.DictWriter(written, names, lineterminator="\n")
    writer.writeheader()
    for row, instrument in zip(rows, map(listed, parse_instruments(text)), strict=True):
        known = {"mint": instrument.mint, "token_program": instrument.token_program.value}
        writer.writerow({**row, **known, **instrument.pools})
    return written.getvalue()


def _write_settings(options: Options, url: str) -> None:
    folder = options.folder.resolve()
    (folder / INSTRUMENTS_FILE).write_text(instrument_file(options.instruments))
    settings = {
        "NETWORK": "solana",
        "SOLANA_RPC_URL": url,
        "SOLANA_USDC_MINT": str(USDC_MINT),
        "SOLANA_KEYPAIR_FILE": str(folder / WALLET_FILE),
        "INSTRUMENTS_FILE": str(folder / INSTRUMENTS_FILE),
    }
    (folder / SETTINGS_FILE).write_text(json.dumps(settings, indent=2) + "\n")
