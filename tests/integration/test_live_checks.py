"""What an operator is told of a live network, by `doctor` and `pools check`."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orderengine.bootstrap.live_checks import Comparison, Look, compared, looks
from orderengine.cli.common import Surroundings
from orderengine.config.solana import SolanaSettings
from orderengine.domain.instruments import Instrument, Instruments, TokenProgram
from orderengine.localnet.pools import USDC_MINT
from tests.cli_desk import call
from tests.live_network import LiveWorld, live_settings

OTHER_MINT = "So11111111111111111111111111111111111111112"
NOWHERE = "58oQChx4yWmvKdwLLZzBi4ChoCc2fqCUWBkwMihLYQo2"


@pytest.fixture
def world(instruments: Instruments) -> Iterator[LiveWorld]:
    found = LiveWorld(Instruments(each for each in instruments if not each.launched))
    yield found
    found.close()


def settings_of(world: LiveWorld, **changes: Any) -> SolanaSettings:
    return live_settings(
        **{"rpc_urls": (world.server.url,), "usdc_mint": str(USDC_MINT), **changes}
    )


def key_of(world: LiveWorld, folder: Path) -> Mapping[str, str]:
    """The environment of a worker whose wallet is the one of this chain."""
    path = folder / "wallet.json"
    path.write_text(json.dumps(list(bytes(world.wallet._keypair))))
    path.chmod(0o600)
    return {"SOLANA_KEYPAIR_FILE": str(path)}


def no_stranger(_: Sequence[str]) -> Collection[str]:
    return ()


def told(found: Iterator[Look]) -> dict[str, Look]:
    return {each.name: each for each in found}


def wrong(world: LiveWorld, changed: Instrument) -> list[Comparison]:
    """What does not agree after one instrument of the file has changed."""
    listed = [changed if each.symbol == changed.symbol else each for each in world.instruments]
    found = compared(settings_of(world), Instruments(listed))
    return [each for each in found if not each.agrees]


def test_all_is_well_where_the_file_is_that_of_the_chain(world: LiveWorld, tmp_path: Path) -> None:
    environ = key_of(world, tmp_path)
    found = told(looks(settings_of(world), world.instruments, environ, no_stranger))
    assert list(found) == ["network", "wallet", "strangers", "pools"]
    assert not any(each.advice for each in found.values())
    assert str(world.wallet.address) in found["wallet"].detail
    assert "has 500000 SOL, 1000000000.000000 USDC, and token" in found["wallet"].detail
    assert "token accounts of 9 of 10 instruments" in found["wallet"].detail, "none of wrapped SOL"
    assert "10 instruments are as the file says" in found["pools"].detail
    secret = json.loads(Path(environ["SOLANA_KEYPAIR_FILE"]).read_text())
    assert not any(str(secret[:8])[1:-1] in repr(each) for each in found.values())


def test_without_its_key_the_wallet_is_not_known(world: LiveWorld) -> None:
    found = told(looks(settings_of(world), world.instruments, {}, no_stranger))
    assert found["wallet"] == Look("wallet", "not known here: the worker alone has its key")
    broken = told(
        looks(settings_of(world), world.instruments, {"SOLANA_PRIVATE_KEY": "hunter2"}, no_stranger)
    )
    assert "hunter2" not in repr(broken)
    assert broken["wallet"].advice


def test_a_wallet_at_its_reserve_is_to_be_filled(world: LiveWorld, tmp_path: Path) -> None:
    settings = settings_of(world, reserve_lamports=500_000 * 10**9)
    found = told(looks(settings, world.instruments, key_of(world, tmp_path), no_stranger))
    assert found["wallet"].advice.startswith("send SOL to it")


def test_a_node_that_gives_no_answer_is_told(world: LiveWorld) -> None:
    settings = settings_of(world, rpc_urls=("http://127.0.0.1:1/secret-path",))
    (found,) = looks(settings, world.instruments, {}, no_stranger)
    assert (found.name, bool(found.advice)) == ("network", True)
    assert "secret-path" not in repr(found)
    both = settings_of(world, rpc_urls=(world.server.url, "http://127.0.0.1:1"))
    assert "127.0.0.1:1" in told(looks(both, world.instruments, {}, no_stranger))["node"].detail


@pytest.mark.parametrize(
    ("changes", "place", "detail"),
    [
        ({"decimals": 9}, "mint", "it has 6 decimals, not 9"),
        ({"token_program": TokenProgram.TOKEN}, "mint", "belongs to the token program"),
        ({"mint": NOWHERE}, "mint", "does not exist"),
        ({"mint": None, "pools": {}}, "mint", "has no mint"),
        ({"pools": {"raydium": NOWHERE}}, "raydium", "does not exist"),
        ({"pools": {"meteora": OTHER_MINT}}, "meteora", "no known program"),
    ],
)
def test_what_differs_from_the_chain_is_named(
    world: LiveWorld, changes: dict[str, Any], place: str, detail: str
) -> None:
    found = wrong(world, replace(world.instrument(), **changes))
    first = found[0]
    assert (first.symbol, first.place) == ("AAPL", place)
    assert detail in first.detail


def test_a_pool_of_another_pair_is_named(world: LiveWorld) -> None:
    other = world.instrument("TSLA").pools["raydium"]
    (found,) = wrong(world, replace(world.instrument(), pools={"raydium": other}))
    assert "is another pair" in found.detail


def test_an_instrument_without_a_pool_is_told_and_no_fault(world: LiveWorld) -> None:
    bare = replace(world.instrument(), pools={})
    assert wrong(world, bare) == []
    found = compared(settings_of(world), Instruments([bare]))
    assert "no venue quotes it" in list(found)[-1].detail


def environ_of(world: LiveWorld, path: Path) -> dict[str, str]:
    columns = "symbol,name,decimals,quantity_step,min_quantity,max_quantity,reference_price,depth"
    one = world.instrument()
    line = f"AAPL,Apple,6,0.000001,0.0001,100000,229.40,6000000,{one.mint},token-2022"
    pool = one.pools["raydium"]
    path.write_text(f"{columns},mint,token_program,raydium\n{line},{pool}\n")
    return {
        "DATABASE_URL": "postgresql://127.0.0.1:1/x",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "NETWORK": "solana",
        "SOLANA_RPC_URL": world.server.url,
        "SOLANA_USDC_MINT": str(USDC_MINT),
        "INSTRUMENTS_FILE": str(path),
    }


def test_the_command_tells_each_address_and_its_exit_status_whether_all_agree(
    world: LiveWorld, tmp_path: Path
) -> None:
    environ = environ_of(world, tmp_path / "live.csv")
    ran = call("pools", "check", "--json", around=Surroundings(environ=environ))
    assert ran.exit_code == 0, ran.stderr
    checks = json.loads(ran.stdout.splitlines()[-1])["checks"]
    assert [each["place"] for each in checks] == ["mint", "mint", "raydium"]
    path = Path(environ["INSTRUMENTS_FILE"])
    path.write_text(path.read_text().replace("Apple,6,", "Apple,7,"))
    ran = call("pools", "check", around=Surroundings(environ=environ))
    assert ran.exit_code == 1
    assert "it has 6 decimals, not 7" in ran.stdout


def test_there_is_nothing_to_compare_on_the_simulated_network(
    world: LiveWorld, tmp_path: Path
) -> None:
    environ = environ_of(world, tmp_path / "live.csv") | {"NETWORK": "simulated"}
    ran = call("pools", "check", around=Surroundings(environ=environ))
    assert ran.exit_code != 0
    assert "NETWORK is not solana" in ran.stderr
