"""The settings of a live Solana network; without NETWORK=solana none of them is read."""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from orderengine.config.variables import ConfigurationError, Reader
from orderengine.domain.addresses import is_address

LAMPORTS_PER_SOL = 10**9


class Commitment(StrEnum):
    """How sure a landing must be; `processed` is none, because its block may be dropped."""

    CONFIRMED = "confirmed"
    FINALIZED = "finalized"


@dataclass(frozen=True, slots=True)
class SolanaSettings:
    """How to reach and use the network; `.env.example` explains each setting.

    Fees are per transaction. `usdc_mint` is None for the one that the cluster is known to have.
    """

    rpc_urls: tuple[str, ...] = field(repr=False)  # providers put their keys into them
    commitment: Commitment
    priority_fee_microlamports: int
    max_priority_fee_lamports: int
    compute_units: int
    reserve_lamports: int
    usdc_mint: str | None
    allow_mainnet: bool
    dry_run: bool
    outage_limit_s: int

    @property
    def secrets(self) -> tuple[str, ...]:
        """The URLs, and those parts of them in which providers put keys; for no log line."""
        found = list(self.rpc_urls)
        for parts in map(urlsplit, self.rpc_urls):
            request = parts.path + (f"?{parts.query}" if parts.query else "")
            found += [request, parts.query, parts.password or "", *parts.path.split("/")]
        return tuple(dict.fromkeys(found))

    @classmethod
    def from_variables(cls, env: Reader) -> Self | None:
        """Read the settings; None on the simulated network. Raises ConfigurationError."""
        if env.choice("NETWORK", "SIMULATED", ("SIMULATED", "SOLANA")) == "SIMULATED":
            return None
        finality = ("CONFIRMED", "FINALIZED")
        return cls(
            rpc_urls=_rpc_urls(env.required("SOLANA_RPC_URL")),
            commitment=Commitment(env.choice("SOLANA_COMMITMENT", "CONFIRMED", finality).lower()),
            priority_fee_microlamports=env.integer(
                "SOLANA_PRIORITY_FEE_MICROLAMPORTS", 0, 0, 10**12
            ),
            max_priority_fee_lamports=env.integer(
                "SOLANA_MAX_PRIORITY_FEE_LAMPORTS", 1_000_000, 0, LAMPORTS_PER_SOL
            ),
            compute_units=env.integer("SOLANA_COMPUTE_UNITS", 400_000, 50_000, 1_400_000),
            reserve_lamports=_reserve(env.text("SOLANA_RESERVE_SOL", "0.05")),
            usdc_mint=_address("SOLANA_USDC_MINT", env.text("SOLANA_USDC_MINT", "")),
            allow_mainnet=env.integer("ALLOW_MAINNET", 0, 0, 1) == 1,
            dry_run=env.integer("DRY_RUN", 0, 0, 1) == 1,
            outage_limit_s=env.integer("OUTAGE_LIMIT_S", 60, 1, 3600),
        )


@dataclass(frozen=True, slots=True)
class WalletKey:
    """Where the wallet's key is: a file, or the text itself. Exactly one is given."""

    file: Path | None = None
    text: str | None = field(default=None, repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no log line may have; the key in a file is read by the wallet alone."""
        return () if self.text is None else (self.text,)

    @classmethod
    def from_variables(cls, env: Reader) -> Self:
        """Read where the key is; for a worker alone. Raises ConfigurationError."""
        file = env.text("SOLANA_KEYPAIR_FILE", "")
        text = env.text("SOLANA_PRIVATE_KEY", "")
        if bool(file) == bool(text):
            raise ConfigurationError(
                "SOLANA_KEYPAIR_FILE or SOLANA_PRIVATE_KEY must be set, and only one of them"
            )
        return cls(file=Path(file)) if file else cls(text=text)


def _rpc_urls(text: str) -> tuple[str, ...]:
    """The URLs, without repeats; a wrong one is not repeated in the error, it may hold a key."""
    urls = tuple(dict.fromkeys(each.strip() for each in text.split(",") if each.strip()))
    if not urls or not all(_is_http(each) for each in urls):
        raise ConfigurationError(
            "SOLANA_RPC_URL must be http:// or https:// URLs; a comma separates several"
        )
    return urls


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises ValueError if invalid
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def _reserve(text: str) -> int:
    """SOL to lamports; raises ConfigurationError."""
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,9})?", text):
        raise ConfigurationError("SOLANA_RESERVE_SOL must be SOL with at most 9 decimals")
    whole, _, fraction = text.partition(".")
    return int(whole) * LAMPORTS_PER_SOL + int(fraction.ljust(9, "0"))


def _address(name: str, text: str) -> str | None:
    if text and not is_address(text):
        raise ConfigurationError(f"{name} must be an address in base58")
    return text or None
