"""Web and worker start with a live network only if it may be used, and say why in one line."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from solders.keypair import Keypair

from orderengine.bootstrap.live import LiveTrading
from orderengine.bootstrap.network import SimulatedTrading, require_network, trading_of
from orderengine.config.settings import ConfigurationError, Settings
from orderengine.domain.instruments import Instruments
from orderengine.execution.operations.counters import ProcessMetrics
from orderengine.solana.cluster import DEVNET, MAINNET
from tests.live_network import LiveWorld, WallClock
from tests.unit.test_solana_rpc import FakeNode, result_of

ROOT = Path(__file__).parents[2]
NOWHERE = {
    "DATABASE_URL": "postgresql://127.0.0.1:1/x",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "NETWORK": "solana",
    "SOLANA_RPC_URL": "http://127.0.0.1:1",
}


@pytest.fixture
def mainnet() -> Iterator[FakeNode]:
    node = FakeNode()
    node.answer = result_of(MAINNET)
    yield node
    node.close()


def settings(**changes: str) -> Settings:
    return Settings.from_env({**NOWHERE, **changes})


def start(instruments: Instruments, **changes: str) -> object:
    return trading_of(settings(**changes), instruments, WallClock(), ProcessMetrics())


def test_mainnet_needs_its_own_switch(mainnet: FakeNode, instruments: Instruments) -> None:
    with pytest.raises(ConfigurationError, match="ALLOW_MAINNET") as told:
        start(instruments, SOLANA_RPC_URL=mainnet.url)
    assert "secret" not in str(told.value)
    with pytest.raises(ConfigurationError, match="ALLOW_MAINNET"):
        require_network(settings(SOLANA_RPC_URL=mainnet.url))
    allowed = start(instruments, SOLANA_RPC_URL=mainnet.url, ALLOW_MAINNET="1")
    assert isinstance(allowed, LiveTrading)


def test_nodes_of_two_clusters_are_refused(mainnet: FakeNode, instruments: Instruments) -> None:
    other = FakeNode()
    other.answer = result_of(DEVNET)
    urls = f"{mainnet.url},{other.url}"
    with pytest.raises(ConfigurationError, match="another cluster"):
        start(instruments, SOLANA_RPC_URL=urls, ALLOW_MAINNET="1")
    other.close()


def test_a_cluster_whose_usdc_is_not_known_needs_its_mint(instruments: Instruments) -> None:
    world = LiveWorld(instruments)
    try:
        with pytest.raises(ConfigurationError, match="SOLANA_USDC_MINT"):
            start(instruments, SOLANA_RPC_URL=world.server.url)
    finally:
        world.close()


def test_a_node_that_gives_no_answer_ends_no_process(instruments: Instruments) -> None:
    assert isinstance(start(instruments), LiveTrading)


def test_the_simulated_network_needs_no_package_of_the_live_one(
    instruments: Instruments, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "orderengine.bootstrap.live", None)
    assert isinstance(start(instruments, NETWORK="simulated"), SimulatedTrading)


def test_a_missing_package_is_named_with_the_way_to_install_it() -> None:
    code = (
        "import sys; sys.modules['solders'] = None\n"
        "from orderengine.bootstrap.network import require_network\n"
        "from orderengine.config.settings import Settings\n"
        "require_network(Settings.from_env())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**NOWHERE, "PATH": os.defpath},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    last = done.stderr.splitlines()[-1]
    assert "pip install --require-hashes -r requirements-solana.txt" in last


def test_a_process_on_the_simulated_network_loads_no_package_of_the_live_one() -> None:
    code = (
        "import sys\n"
        "import orderengine.worker.app\n"
        "from orderengine.bootstrap import web, worker\n"
        "print([each for each in sys.modules if each.startswith('solders')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**NOWHERE, "NETWORK": "simulated", "PATH": os.defpath},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_a_worker_that_mainnet_is_not_allowed_for_ends_in_one_line(mainnet: FakeNode) -> None:
    done = worker_with(SOLANA_RPC_URL=mainnet.url, SOLANA_PRIVATE_KEY=str(Keypair()))
    assert done.returncode == 1
    (line,) = [each for each in done.stderr.splitlines() if "not started" in each]
    assert "mainnet" in line
    assert "ALLOW_MAINNET=1" in line
    assert "Traceback" not in done.stdout + done.stderr
    assert "secret" not in done.stdout + done.stderr


def test_a_worker_without_a_key_ends_in_one_line() -> None:
    done = worker_with()
    last = [*done.stdout.splitlines(), *done.stderr.splitlines()]
    assert done.returncode == 1
    assert any(
        line.startswith("the worker is not started: SOLANA_KEYPAIR_FILE") for line in last
    ), last
    assert "Traceback" not in done.stdout + done.stderr


def worker_with(**settings: str) -> "subprocess.CompletedProcess[str]":
    """A worker that cannot start with these settings, once it has ended."""
    celery = [sys.executable, "-m", "celery", "-A", "orderengine.worker.app", "worker"]
    return subprocess.run(
        celery,
        env={**NOWHERE, "PATH": os.environ["PATH"], **settings},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
