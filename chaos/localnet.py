"""The localnet under a rig: its faults, and its ledger as evidence."""

import contextlib
import hashlib
import http.client
import json
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaos.evidence import Execution, StoredOrder
from harness.processes import START_TIMEOUT_S
from harness.waiting import wait_until
from orderengine.local.localnet_server import EmbeddedLocalnet

BLOCK_MS = 50
"""So that the window of 150 blocks is 7.5 s, and finality comes after 1.6 s."""
URLS = ("/", "/second")
NO_LANDING = 2**53
"""A slot that no chain has come to."""

Document = dict[str, Any]


@dataclass(frozen=True)
class Localnet:
    """A node with faults; `server` can be killed and launched again."""

    server: EmbeddedLocalnet

    @property
    def environ(self) -> dict[str, str]:
        """The engine's settings, with both URLs of the node."""
        settings = self.server.settings
        urls = ",".join(settings["SOLANA_RPC_URL"] + path for path in URLS)
        return {**settings, "SOLANA_RPC_URL": urls}

    def fault(self, *, path: str = "/", **faults: object) -> None:
        """Change the faults of one URL, or of the chain."""
        self._ask("localnet_fault", faults, path)

    def restart(self) -> None:
        """SIGKILL the node, and start it on its chain; its faults are gone."""
        self.server.kill()
        self.server.launch()
        wait_until(self.server.is_ready, START_TIMEOUT_S, "the localnet is not ready")

    def executions(self, orders: Mapping[str, StoredOrder]) -> dict[str, list[Execution]]:
        """The swaps that landed without an error, by order.

        The order follows from the memo, not from what the engine stored. A swap with another memo
        is listed under its signature, as of an order that is not stored.
        """
        by_memo = {
            _memo_of(order_id, attempt): order_id
            for order_id, order in orders.items()
            for attempt in range(1, order.attempt + 1)
        }
        found: dict[str, list[Execution]] = {}
        for landing in self._ask("localnet_ledger", {"after": 0}, "/")["landings"]:
            memo, signature = str(landing["memo"]), str(landing["signature"])
            if landing["err"] is None and landing["memo"] is not None:
                order_id = next((by_memo[key] for key in by_memo if key in memo), signature)
                base, quote = self._amounts(landing["deltas"])
                found.setdefault(order_id, []).append(Execution(signature, base, quote))
        return found

    def taken_back(self) -> int:
        """How many landings were taken back with their block so far."""
        return len(self._ask("localnet_ledger", {"after": NO_LANDING}, "/")["forked"])

    def _amounts(self, deltas: Sequence[Document]) -> tuple[int, int]:
        """What the pools gained or lost of both tokens, without signs: base asset and USDC."""
        settings = self.server.settings
        wallet = _address_of(Path(settings["SOLANA_KEYPAIR_FILE"]))
        of_pools = [each for each in deltas if each["owner"] != wallet]
        usdc = settings["SOLANA_USDC_MINT"]
        quote = sum(each["units"] for each in of_pools if each["mint"] == usdc)
        base = sum(each["units"] for each in of_pools if each["mint"] != usdc)
        return abs(base), abs(quote)

    def _ask(self, method: str, params: Document, path: str) -> Any:
        request = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        url = self.server.url + path
        with urllib.request.urlopen(url, request.encode(), timeout=60) as answer:  # noqa: S310
            document = json.loads(answer.read())
        if "error" in document:
            message = f"{method} was answered with {document['error']}"
            raise http.client.HTTPException(message)
        return document["result"]


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Localnet]:
    """A new localnet in a folder, with faults."""
    environ = {"LOCALNET_BLOCK_MS": str(BLOCK_MS), "LOCALNET_FAULTS": "1"}
    with EmbeddedLocalnet(folder, environ=environ) as server:
        yield Localnet(server)


def _memo_of(order_id: str, attempt: int) -> str:
    """The part of a memo that names order and attempt."""
    return hashlib.sha256(f"{order_id}:{attempt}".encode()).hexdigest()[:16]


def _address_of(key_file: Path) -> str:
    """The address of a key file: the public half of its 64 bytes."""
    from solders.pubkey import Pubkey

    return str(Pubkey.from_bytes(bytes(json.loads(key_file.read_text()))[32:]))
