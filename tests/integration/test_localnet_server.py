"""The embedded localnet: its chain outlives kills, and the worker alone learns of its key."""

import json
import signal
import stat
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from solders.keypair import Keypair

from harness.waiting import wait_until
from orderengine.domain.instruments import parse_instruments
from orderengine.local.localnet_server import EmbeddedLocalnet
from orderengine.local.processes import ProcessRef, command_line
from orderengine.local.runfile import load_run
from orderengine.localnet.pools import USDC_MINT
from tests.integration.embedded import pid_of
from tests.integration.supervised import Supervised, supervised
from tests.servers import Servers

LAMPORTS = 10**9
KEY_VARIABLES = ("SOLANA_KEYPAIR_FILE", "SOLANA_PRIVATE_KEY")


@pytest.fixture
def stack(servers: Servers) -> Iterator[Supervised]:
    with supervised(servers.database_url) as stack:
        stack.env |= {"NETWORK": "localnet", "LOCALNET_BLOCK_MS": "20"}
        yield stack


def a_localnet(folder: Path, **environ: str) -> EmbeddedLocalnet:
    return EmbeddedLocalnet(folder, environ={"LOCALNET_BLOCK_MS": "20", **environ})


def ask(url: str, method: str, *params: object) -> Any:
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
    sent = urllib.request.Request(url, json.dumps(request).encode())  # noqa: S310
    with urllib.request.urlopen(sent, timeout=10) as answer:  # noqa: S310
        document = json.loads(answer.read())
    return document.get("error") or document["result"]


def balance(url: str, key: str) -> int:
    found: int = ask(url, "getBalance", key, {"commitment": "confirmed"})["value"]
    return found


def environment(ref: ProcessRef) -> dict[str, str]:
    pairs = Path(f"/proc/{ref.pid}/environ").read_text().split("\0")
    return dict(pair.split("=", 1) for pair in pairs if "=" in pair)


def test_the_chain_outlives_a_kill(tmp_path: Path) -> None:
    key = str(Keypair().pubkey())
    with a_localnet(tmp_path) as first:
        genesis = ask(first.url, "getGenesisHash")
        wallet = json.loads(Path(first.settings["SOLANA_KEYPAIR_FILE"]).read_text())
        signature = ask(first.url, "requestAirdrop", key, LAMPORTS)
        wait_until(lambda: balance(first.url, key) == LAMPORTS)
        height = ask(first.url, "getBlockHeight", {"commitment": "processed"})
        assert first.process is not None
        first.process.kill()
        first.process.wait()
        port = first.port
        first.launch()
        wait_until(first.is_ready)
        assert first.port == port
        assert balance(first.url, key) == LAMPORTS
    with a_localnet(tmp_path) as second:
        assert ask(second.url, "getGenesisHash") == genesis
        assert ask(second.url, "getBlockHeight", {"commitment": "processed"}) >= height
        assert balance(second.url, key) == LAMPORTS
        config = {"searchTransactionHistory": True}
        (status,) = ask(second.url, "getSignatureStatuses", [signature], config)["value"]
        assert status["err"] is None
        assert json.loads(Path(second.settings["SOLANA_KEYPAIR_FILE"]).read_text()) == wallet


def test_faults_need_their_own_switch(tmp_path: Path) -> None:
    with a_localnet(tmp_path / "plain") as plain:
        assert ask(plain.url, "localnet_fault", {"held": True})["code"] == -32601
    with a_localnet(tmp_path / "faulty", LOCALNET_FAULTS="1") as faulty:
        assert ask(faulty.url, "localnet_fault", {"held": True})["held"] is True


def test_its_settings_name_the_pools_and_a_private_key_file(tmp_path: Path) -> None:
    with a_localnet(tmp_path) as server:
        settings = server.settings
        assert (settings["NETWORK"], settings["SOLANA_RPC_URL"]) == ("solana", server.url)
        assert settings["SOLANA_USDC_MINT"] == str(USDC_MINT)
        key = Path(settings["SOLANA_KEYPAIR_FILE"])
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        assert key.read_text() not in command_line(pid_of(server))
        traded = parse_instruments(Path(settings["INSTRUMENTS_FILE"]).read_text())
        for instrument in traded:
            assert set(instrument.pools) == {"raydium", "meteora"}
            keys = [*instrument.pools.values(), instrument.mint]
            config = {"encoding": "base64"}
            found = ask(server.url, "getMultipleAccounts", keys, config)["value"]
            assert None not in found


def test_a_wrong_block_time_is_named_before_anything_starts(stack: Supervised) -> None:
    stack.env["LOCALNET_BLOCK_MS"] = "soon"
    stack.start()
    assert stack.process.wait(10) == 1
    stack.wait_for("^orderengine: LOCALNET_BLOCK_MS=soon must be a number from 10 to 60000$")
    assert len(stack.lines) == 1


def test_the_worker_alone_is_told_where_the_key_is(stack: Supervised) -> None:
    stack.env["SOLANA_PRIVATE_KEY"] = "of another network"
    stack.start_until_ready()
    run = load_run(stack.folder)
    assert run is not None
    stack.wait_for(f"Localnet +{run.localnet['SOLANA_RPC_URL']}$")
    told = {name: environment(ref) for name, ref in run.children.items()}
    assert set(told) == {"web", "worker", "flower"}
    for name, variables in told.items():
        assert variables["NETWORK"] == "solana"
        assert variables["SOLANA_RPC_URL"] == run.localnet["SOLANA_RPC_URL"]
        known = {each: variables[each] for each in KEY_VARIABLES if each in variables}
        key = {"SOLANA_KEYPAIR_FILE": str(stack.folder.resolve() / "localnet" / "wallet.json")}
        assert known == (key if name == "worker" else {})


def test_a_killed_localnet_is_started_again_with_its_chain(stack: Supervised) -> None:
    stack.start_until_ready()
    run = load_run(stack.folder)
    assert run is not None
    url = run.localnet["SOLANA_RPC_URL"]
    genesis = ask(url, "getGenesisHash")
    fields = json.loads((stack.folder / "localnet" / "process.json").read_text())
    ProcessRef(**fields).send(signal.SIGKILL)
    ended = stack.wait_for("localnet ended: signal SIGKILL")
    stack.wait_for("localnet is ready again", after=ended)
    assert ask(url, "getGenesisHash") == genesis
    stack.process.kill()
    stack.process.wait()
    stack.start_until_ready()
    again = load_run(stack.folder)
    assert again is not None
    assert ask(again.localnet["SOLANA_RPC_URL"], "getGenesisHash") == genesis
    assert stack.stop()[0] == 0
    assert not list(stack.folder.glob("*/process.json"))
