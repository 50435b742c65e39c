"""The wallet's key: read once, and never shown."""

import json
import os
import stat
from pathlib import Path
from typing import Self

from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.signature import Signature

from orderengine.config.settings import ConfigurationError
from orderengine.config.solana import WalletKey

_BYTES = 64
_LARGEST_FILE = 4096
_READABLE_BY_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class Wallet:
    """A key that signs; neither repr, pickle nor an error shows it."""

    __slots__ = ("_keypair", "address")

    def __init__(self, keypair: Keypair) -> None:
        self._keypair = keypair
        self.address: Pubkey = keypair.pubkey()

    @classmethod
    def read(cls, key: WalletKey) -> Self:
        """Read the key from its file or text.

        Raises ConfigurationError if it is no key, or if others can read its file.
        """
        if key.file is not None:
            return cls(_keypair("SOLANA_KEYPAIR_FILE", _text_of(key.file)))
        return cls(_keypair("SOLANA_PRIVATE_KEY", key.text or ""))

    def sign(self, message: bytes) -> Signature:
        """The ed25519 signature of these bytes."""
        return self._keypair.sign_message(message)

    def __repr__(self) -> str:
        return f"Wallet({self.address})"

    def __reduce__(self) -> str:
        raise TypeError("a wallet is not to be stored")


def _text_of(path: Path) -> str:
    """The text of a file that its owner alone can read."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if mode & _READABLE_BY_OTHERS:
                raise ConfigurationError(
                    f"SOLANA_KEYPAIR_FILE {path} can be read or changed by others: chmod 600 it"
                )
            return file.read(_LARGEST_FILE).decode("ascii", "replace")
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
        raise ConfigurationError(f"SOLANA_KEYPAIR_FILE {path} {reason}") from None


def _keypair(variable: str, text: str) -> Keypair:
    try:
        if text.lstrip().startswith("["):
            return Keypair.from_bytes(bytes(json.loads(text)))
        return Keypair.from_base58_string(text.strip())
    except (TypeError, ValueError, OverflowError, RecursionError):
        # Not "from error", which may repeat the key.
        raise ConfigurationError(
            f"{variable} is no key: it must be {_BYTES} bytes in base58, or as a JSON array"
        ) from None
