"""The settings of a live network: read, bounded, and never shown with their secrets."""

from pathlib import Path

import pytest

from orderengine.config.settings import ConfigurationError, Settings, wallet_key
from orderengine.config.solana import Commitment

URLS = {"DATABASE_URL": "postgres://u:secret@h/db", "REDIS_URL": "redis://:secret@h:6379/0"}
LIVE = {**URLS, "NETWORK": "solana", "SOLANA_RPC_URL": "https://node.example/?api-key=secret"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NETWORK", "localnet"),
        ("SOLANA_RPC_URL", ""),
        ("SOLANA_RPC_URL", "ws://node.example"),
        ("SOLANA_RPC_URL", "https://node.example,node.other"),
        ("SOLANA_RPC_URL", "https://node.example:port"),
        ("SOLANA_COMMITMENT", "processed"),
        ("SOLANA_PRIORITY_FEE_MICROLAMPORTS", "-1"),
        ("SOLANA_MAX_PRIORITY_FEE_LAMPORTS", "1000000001"),
        ("SOLANA_COMPUTE_UNITS", "1400001"),
        ("SOLANA_RESERVE_SOL", "-1"),
        ("SOLANA_RESERVE_SOL", "0.0000000001"),
        ("SOLANA_USDC_MINT", "0OIl"),
        ("ALLOW_MAINNET", "yes"),
        ("DRY_RUN", "yes"),
        ("OUTAGE_LIMIT_S", "0"),
    ],
)
def test_a_wrong_setting_of_the_live_network_is_named(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        Settings.from_env({**LIVE, name: value})


def test_the_network_is_simulated_unless_it_is_said_to_be_live() -> None:
    environ = {**LIVE, "NETWORK": "simulated", "SOLANA_COMMITMENT": "processed"}
    assert Settings.from_env(environ).solana is None
    assert Settings.from_env(URLS).solana is None


def test_a_live_network_has_safe_defaults() -> None:
    live = Settings.from_env(LIVE).solana
    assert live is not None
    assert live.commitment is Commitment.CONFIRMED
    assert not live.allow_mainnet
    assert live.reserve_lamports == 50_000_000


def test_several_nodes_are_asked_in_the_order_in_which_they_are_named() -> None:
    urls = "https://a.example, http://127.0.0.1:8899,https://a.example"
    live = Settings.from_env({**LIVE, "SOLANA_RPC_URL": urls}).solana
    assert live is not None
    assert live.rpc_urls == ("https://a.example", "http://127.0.0.1:8899")


def test_the_wallet_s_key_is_in_one_place_and_not_shown() -> None:
    key = wallet_key({"SOLANA_PRIVATE_KEY": "secret"})
    assert key.text == "secret"
    assert "secret" not in repr(key)
    assert wallet_key({"SOLANA_KEYPAIR_FILE": "/wallet.json"}).file == Path("/wallet.json")
    for environ in ({}, {"SOLANA_PRIVATE_KEY": "secret", "SOLANA_KEYPAIR_FILE": "/wallet.json"}):
        with pytest.raises(ConfigurationError, match="SOLANA_KEYPAIR_FILE") as refused:
            wallet_key(environ)
        assert "secret" not in str(refused.value)
