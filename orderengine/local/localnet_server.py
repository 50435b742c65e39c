"""The embedded Solana-like node of `make run NETWORK=localnet`: see `orderengine/localnet`."""

import importlib.util
import json
import re
import signal
import sys
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import ClassVar

from orderengine.local.errors import LocalError, ServerError
from orderengine.local.ports import LOOPBACK
from orderengine.local.server import EmbeddedServer

LOCALNET = "localnet"
_CHECKOUT = Path(__file__).resolve().parents[2]
_SHIPPED = _CHECKOUT / "orderengine" / "instruments.csv"
_BLOCK_MS = 400
_HEALTH = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "getHealth"})


class EmbeddedLocalnet(EmbeddedServer):
    """A localnet on the loopback interface, with its chain and its wallet in the folder.

    Anybody on this machine can reach it: its tokens are worth nothing.
    """

    name: ClassVar[str] = LOCALNET
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    @property
    def url(self) -> str:
        """The URL of its JSON-RPC; known after the first start."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def settings(self) -> dict[str, str]:
        """The engine's variables for this localnet; known once it is ready."""
        found: dict[str, str] = json.loads((self.data_dir / "settings.json").read_text())
        return found

    def is_ready(self) -> bool:
        """Whether the node that we started answers."""
        if not self.is_running:
            return False
        connection = HTTPConnection(LOOPBACK, self.port, timeout=1)
        try:
            connection.request("POST", "/", _HEALTH)
            answer = json.loads(connection.getresponse().read())
            return bool(answer.get("result") == "ok")
        except (OSError, HTTPException, ValueError):
            return False
        finally:
            connection.close()

    def environment(self) -> dict[str, str]:
        """The environment of the node, which finds its modules in the checkout."""
        return {**super().environment(), "PYTHONPATH": str(_CHECKOUT)}

    def _prepare(self) -> None:
        require_packages()

    def _command(self) -> list[str]:
        return [
            *(sys.executable, "-m", "orderengine.localnet", "serve"),
            *("--folder", str(self.data_dir), "--port", str(self.port)),
            *("--instruments", str(_instruments(self._environ))),
            *("--block-ms", str(block_ms(self._environ))),
            *(["--faults"] if self._environ.get("LOCALNET_FAULTS") == "1" else []),
        ]


def is_localnet(env: Mapping[str, str]) -> bool:
    """Whether NETWORK names the localnet: a word of `make` alone, processes get `solana`."""
    return env.get("NETWORK", "").lower() == LOCALNET


def require_packages() -> None:
    """Raises ServerError with the command to enter if the optional requirements are missing."""
    if any(importlib.util.find_spec(name) is None for name in ("solders", "urllib3")):
        raise ServerError(
            "the localnet needs packages that are not installed: make run NETWORK=localnet installs"
            " them, or pip install --require-hashes -r requirements-solana.txt"
        )


def block_ms(env: Mapping[str, str]) -> int:
    """LOCALNET_BLOCK_MS, 400 if it is not set; raises LocalError."""
    text = env.get("LOCALNET_BLOCK_MS") or str(_BLOCK_MS)
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 10 <= int(text) <= 60_000:
        raise LocalError(f"LOCALNET_BLOCK_MS={text} must be a number from 10 to 60000")
    return int(text)


def settings_before_start(env: Mapping[str, str]) -> dict[str, str]:
    """Settings like those of a localnet, to check the others before one is started."""
    block_ms(env)
    return {**env, "NETWORK": "solana", "SOLANA_RPC_URL": f"http://{LOOPBACK}:1"}


def _instruments(env: Mapping[str, str]) -> Path:
    named = env.get("INSTRUMENTS_FILE")
    return (_CHECKOUT / named).resolve() if named else _SHIPPED
