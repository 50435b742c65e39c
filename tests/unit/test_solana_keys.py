"""The wallet's key: read from a file of its owner alone, and never shown."""

import json
import pickle
from pathlib import Path

import pytest
from solders.keypair import Keypair

from orderengine.config.settings import ConfigurationError
from orderengine.config.solana import WalletKey
from orderengine.solana.keys import Wallet

KEYPAIR = Keypair.from_seed(bytes(range(32)))
ARRAY = json.dumps(list(bytes(KEYPAIR)))


def a_file(folder: Path, text: str, mode: int = 0o600) -> WalletKey:
    path = folder / "wallet.json"
    path.write_text(text)
    path.chmod(mode)
    return WalletKey(file=path)


@pytest.mark.parametrize("text", [ARRAY, f" {ARRAY}\n", str(KEYPAIR)])
def test_a_key_is_read_in_both_forms(tmp_path: Path, text: str) -> None:
    for key in (WalletKey(text=text), a_file(tmp_path, text)):
        wallet = Wallet.read(key)
        assert wallet.address == KEYPAIR.pubkey()
        assert wallet.sign(b"message").verify(KEYPAIR.pubkey(), b"message")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602])
def test_a_file_that_others_can_open_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(ConfigurationError, match="chmod 600"):
        Wallet.read(a_file(tmp_path, ARRAY, mode))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="SOLANA_KEYPAIR_FILE"):
        Wallet.read(WalletKey(file=tmp_path / "none.json"))


@pytest.mark.parametrize(
    "text", ["", "0OIl", "1" * 88, "[1, 2]", "[256]", '["a"]', "[", "[" * 9999]
)
def test_what_is_no_key_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ConfigurationError, match="SOLANA_PRIVATE_KEY") as refused:
        Wallet.read(WalletKey(text=text))
    assert not text.strip() or text not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_wallet_does_not_show_its_key() -> None:
    wallet = Wallet.read(WalletKey(text=ARRAY))
    assert str(KEYPAIR) not in repr(wallet)
    assert not hasattr(wallet, "__dict__")
    with pytest.raises(TypeError):
        pickle.dumps(wallet)
