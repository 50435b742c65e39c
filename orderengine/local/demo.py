"""`make demo`: against the stack that runs in this checkout, or one of its own."""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from orderengine.local.environment import Address, without_wallet
from orderengine.local.errors import LocalError
from orderengine.local.files import last_lines, make_folder
from orderengine.local.localnet_server import is_localnet
from orderengine.local.ports import LOOPBACK, free_port
from orderengine.local.processes import outcome, spawn
from orderengine.local.readiness import worker_is_ready
from orderengine.local.runfile import live_run, state_folder

_CHECKOUT = Path(__file__).resolve().parents[2]
_READY_WITHIN_S = 90.0
_STOPPED_WITHIN_S = 15.0
_POLL_S = 0.1
_SHOWN_LINES = 15


def demo(root: Path, env: Mapping[str, str], arguments: Sequence[str]) -> int:
    """Runs the demo's command with these arguments: its exit status.

    Raises LocalError if no stack runs and none can be started.
    """
    running = live_run(state_folder(root))
    if running is None:
        with _own_stack(root, env) as url:
            return _watch(url, env, arguments)
    if is_localnet(env) and not running.localnet:
        raise LocalError(
            "the stack of this checkout runs without a localnet: stop it first, with Ctrl-C where"
            " it was started"
        )
    parts = urlsplit(running.api_url)
    api = Address(parts.hostname or LOOPBACK, parts.port or 80, "PORT")
    _wait_until_ready(api, lambda: None if live_run(state_folder(root)) else "has just stopped")
    return _watch(running.api_url, env, arguments)


def _watch(url: str, env: Mapping[str, str], arguments: Sequence[str]) -> int:
    command = [sys.executable, "-m", "orderengine", "demo", "--url", url, *arguments]
    # Ctrl-C also reaches the child and ends it; our own stack is stopped after that.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        return subprocess.run(
            command, cwd=_CHECKOUT, env=without_wallet(env), check=False
        ).returncode
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _own_stack(root: Path, env: Mapping[str, str]) -> Iterator[str]:
    """A stack on free ports, whose output goes to a file: its URL."""
    api = Address(LOOPBACK, free_port(), "PORT")
    address = {"HOST": LOOPBACK, "PORT": str(api.port)}
    flower = {"FLOWER_HOST": LOOPBACK, "FLOWER_PORT": str(free_port())}
    log = state_folder(root) / "demo.log"
    make_folder(log.parent)
    print(f"starting a stack for the demo; its output is in {log}", flush=True)
    with log.open("wb") as output:
        process = spawn(
            [sys.executable, "-m", "orderengine.local", "run", "--root", str(root)],
            env={**env, **address, **flower},
            cwd=_CHECKOUT,
            output=output,
        )
    signal.signal(signal.SIGTERM, _end)
    try:
        _wait_until_ready(api, lambda: _obituary(process, log))
        yield f"http://{api.netloc}"
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOPPED_WITHIN_S)
        print("the stack is stopped", flush=True)


def _end(*_: object) -> None:
    raise SystemExit(1)


def _obituary(process: "subprocess.Popen[bytes]", log: Path) -> str | None:
    status = process.poll()
    if status is None:
        return None
    lines = "".join(f"\n    {line}" for line in last_lines(log, _SHOWN_LINES))
    return f"ended ({outcome(status)}); its last output:{lines}"


def _wait_until_ready(api: Address, obituary: Callable[[], str | None]) -> None:
    deadline = time.monotonic() + _READY_WITHIN_S
    while not worker_is_ready(api):
        trouble = obituary()
        if trouble is None and time.monotonic() > deadline:
            trouble = f"was not ready within {_READY_WITHIN_S:.0f} s"
        if trouble is not None:
            raise LocalError(f"the stack {trouble}")
        time.sleep(_POLL_S)
