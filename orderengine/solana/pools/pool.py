"""The parts that the pools of all programs share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from orderengine.domain.side import Asset, Side, side_of
from orderengine.market.liquidity import Liquidity
from orderengine.solana.accounts import Account, Clock, decode_mint, decode_token_account, present
from orderengine.solana.refusals import AccountRefused, PoolNotOpen, PoolRefused

Accounts = Mapping[Pubkey, Account | None]
"""Accounts by address, from one read; None for one that does not exist."""


@dataclass(frozen=True, slots=True)
class Pair:
    """The mints that a pool must trade: the base asset's, and USDC's."""

    base: Pubkey
    usdc: Pubkey


@dataclass(frozen=True, slots=True)
class Reserve:
    """A pool's token: its mint, token program and decimals, the pool's vault and its base units."""

    mint: Pubkey
    program: Pubkey
    decimals: int
    vault: Pubkey
    amount: int


@dataclass(frozen=True, slots=True)
class SwapTerms:
    """A swap to build: exactly `amount` base units of the exact asset, for `limit` or better.

    `source` and `destination` are the user's token accounts of the tokens that are paid and got. If
    `is_tight`, accounts that only a moved pool would need are left out.
    """

    user: Pubkey
    source: Pubkey
    destination: Pubkey
    side: Side
    exact: Asset
    amount: int
    limit: int
    is_tight: bool = False

    @property
    def is_input_exact(self) -> bool:
        """Whether the amount paid is exact, and the limit is the least that is got."""
        return side_of(self.exact, self.side) is Side.SELL


class Pool(Protocol):
    """A pool at one moment, as its accounts tell it."""

    @property
    def kind(self) -> str:
        """How the pool prices a swap: the `poolKind` of a quote."""

    @property
    def address(self) -> Pubkey:
        """The pool's address."""

    @property
    def base(self) -> Reserve:
        """The base asset in the pool."""

    @property
    def usdc(self) -> Reserve:
        """The USDC in the pool."""

    def liquidity(self, side: Side) -> Liquidity:
        """The prices of one side, with the base asset as the exact asset; raises AmmError."""

    def swap_instructions(self, terms: SwapTerms) -> list[Instruction]:
        """The instructions of one swap in this pool.

        The programs take no amount above 2^64 - 1. Raises AmmError if it cannot make the swap.
        """


class Program(Protocol):
    """A program of pools; its module implements this."""

    @property
    def PROGRAM_IDS(self) -> frozenset[Pubkey]:  # noqa: N802 - a constant of the modules
        """The program's addresses on mainnet and devnet."""

    def wanted(self, address: Pubkey, accounts: Accounts) -> tuple[Pubkey, ...]:
        """The accounts to read beside the pool's own, as far as `accounts` tell.

        Raises AccountRefused if the pool's own account is not one of the program's pools.
        """

    def decode(self, address: Pubkey, pair: Pair, accounts: Accounts) -> Pool:
        """The pool; raises AccountRefused if it cannot be traded."""


def owned_account(
    address: Pubkey,
    accounts: Accounts,
    programs: frozenset[Pubkey],
    discriminator: bytes,
    length: int,
) -> Account:
    """An account of a program; raises AccountRefused for one of another kind, owner or length."""
    account = present(accounts.get(address), f"the account {address}")
    if account.owner not in programs:
        raise AccountRefused(f"the account {address} belongs to another program, {account.owner}")
    if len(account.data) != length:
        raise AccountRefused(f"the account {address} has {len(account.data)} bytes, not {length}")
    if not account.data.startswith(discriminator):
        raise AccountRefused(f"the account {address} is of another kind")
    return account


def key_at(data: bytes, offset: int) -> Pubkey:
    """The address stored at an offset."""
    return Pubkey.from_bytes(data[offset : offset + 32])


def read_reserve(pool: Pubkey, mint: Pubkey, vault: Pubkey, accounts: Accounts) -> Reserve:
    """A pool's token; raises AccountRefused if its mint or vault is not what it should be."""
    found = decode_mint(accounts.get(mint), f"the mint {mint}")
    held = decode_token_account(accounts.get(vault), f"the vault {vault}")
    if held.mint != mint or held.program != found.program:
        raise AccountRefused(f"the vault {vault} of the pool {pool} holds another token")
    if held.is_frozen:
        raise PoolRefused(f"the vault {vault} of the pool {pool} is frozen")
    return Reserve(mint, found.program, found.decimals, vault, held.amount)


def is_base_first(pool: Pubkey, pair: Pair, first: Pubkey, second: Pubkey) -> bool:
    """Whether the first of a pool's mints is the base asset's; raises PoolRefused for others."""
    if (first, second) == (pair.base, pair.usdc):
        return True
    if (second, first) == (pair.base, pair.usdc):
        return False
    raise PoolRefused(f"the pool {pool} trades {first} and {second}, which is another pair")


def require_started(pool: Pubkey, opens_at_s: int, clock: Clock) -> None:
    """Raise PoolNotOpen before a time, in seconds since 1970."""
    if clock.unix_s >= opens_at_s:
        return
    try:
        opens_at = datetime.fromtimestamp(opens_at_s, UTC)
    except (OverflowError, OSError, ValueError):
        opens_at = datetime.max.replace(tzinfo=UTC)
    raise PoolNotOpen(f"the pool {pool} is not open", opens_at)


def paid_and_got(base: Reserve, usdc: Reserve, side: Side) -> tuple[Reserve, Reserve]:
    """The token that a swap of this side pays, and the one that it gets."""
    return (usdc, base) if side is Side.BUY else (base, usdc)


def writable(*addresses: Pubkey) -> Sequence[AccountMeta]:
    """Accounts that an instruction changes."""
    return [AccountMeta(address, is_signer=False, is_writable=True) for address in addresses]


def readonly(*addresses: Pubkey) -> Sequence[AccountMeta]:
    """Accounts that an instruction reads."""
    return [AccountMeta(address, is_signer=False, is_writable=False) for address in addresses]


def signer(address: Pubkey) -> AccountMeta:
    """The account whose owner signs, and which the instruction does not change."""
    return AccountMeta(address, is_signer=True, is_writable=False)
