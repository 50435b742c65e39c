"""Accounts as the chain stores them: mints and token accounts, decoded and checked.

Sources: solana-program/token `state.rs`, and solana-program/token-2022 `extension/mod.rs` with the
numbers of `ExtensionType`.
"""

import struct
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Final

from solders.pubkey import Pubkey

from orderengine.solana.refusals import AccountRefused

TOKEN_PROGRAM: Final = Pubkey.from_string("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
TOKEN_2022_PROGRAM: Final = Pubkey.from_string("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb")
TOKEN_PROGRAMS: Final = (TOKEN_PROGRAM, TOKEN_2022_PROGRAM)
ASSOCIATED_TOKEN_PROGRAM: Final = Pubkey.from_string("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL")
MEMO_PROGRAM: Final = Pubkey.from_string("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr")
CLOCK: Final = Pubkey.from_string("SysvarC1ock11111111111111111111111111111111")
SYSVARS: Final = Pubkey.from_string("Sysvar1111111111111111111111111111111111111")
WRAPPED_SOL: Final = Pubkey.from_string("So11111111111111111111111111111111111111112")

MINT_LENGTH = 82
TOKEN_ACCOUNT_LENGTH = 165
MULTISIG_LENGTH = 355

_MINT_KIND, _TOKEN_ACCOUNT_KIND = 1, 2
_TLV_START = TOKEN_ACCOUNT_LENGTH + 1

_HARMLESS = {
    3: "close authority",
    4: "confidential transfers",
    10: "interest",
    12: "permanent delegate",
    18: "metadata pointer",
    19: "metadata",
    20: "group pointer",
    21: "group",
    22: "group member pointer",
    23: "group member",
}
"""Extensions of a mint that change no amount of a plain transfer."""

_REFUSED = {
    1: "it has transfer fees",
    9: "its tokens cannot be transferred",
    16: "it has confidential transfer fees",
}

_DEFAULT_STATE, _TRANSFER_HOOK, _SCALED_AMOUNT, _PAUSABLE = 6, 14, 25, 26


@dataclass(frozen=True, slots=True)
class Account:
    """An account as a node tells it: the program that owns it, its bytes and its lamports."""

    owner: Pubkey
    data: bytes
    lamports: int = 0


@dataclass(frozen=True, slots=True)
class Mint:
    """A token's mint: its program, its decimals, and its scaled-UI multiplier, if it has one.

    The multiplier is for display; no amount is ever multiplied by it.
    """

    program: Pubkey
    decimals: int
    ui_multiplier: Decimal | None = None


@dataclass(frozen=True, slots=True)
class TokenAccount:
    """A token account: its mint, its owner, and its amount in base units."""

    program: Pubkey
    mint: Pubkey
    owner: Pubkey
    amount: int
    is_frozen: bool


@dataclass(frozen=True, slots=True)
class Clock:
    """The chain's clock: the slot, and the time in seconds since 1970."""

    slot: int
    unix_s: int


def present(account: Account | None, what: str) -> Account:
    """The account; raises AccountRefused that names it if it does not exist."""
    if account is None:
        raise AccountRefused(f"{what} does not exist")
    return account


def decode_mint(account: Account | None, what: str) -> Mint:
    """Decode a mint whose tokens a plain transfer moves whole.

    Raises AccountRefused, whose message begins with `what`, for anything else: no mint, a wrong
    length, transfer fees, a transfer hook, a paused mint, an unknown extension.
    """
    account = present(account, what)
    data, program = account.data, _token_program(account, what)
    if len(data) != MINT_LENGTH:
        _require_kind(account, _MINT_KIND, f"{what} is no mint")
    if data[45] != 1:
        raise AccountRefused(f"{what} is not initialized")
    multiplier = None
    if len(data) > MINT_LENGTH:
        if any(data[MINT_LENGTH:TOKEN_ACCOUNT_LENGTH]):
            raise AccountRefused(f"{what} is no mint: its padding is not empty")
        multiplier = _ui_multiplier(_checked_extensions(data, what))
    return Mint(program, data[44], multiplier)


def decode_token_account(account: Account | None, what: str) -> TokenAccount:
    """Decode a token account of either token program.

    Raises AccountRefused, whose message begins with `what`, for anything else.
    """
    account = present(account, what)
    data, program = account.data, _token_program(account, what)
    if len(data) != TOKEN_ACCOUNT_LENGTH:
        _require_kind(account, _TOKEN_ACCOUNT_KIND, f"{what} is no token account")
    state = data[108]
    if state not in {1, 2}:
        raise AccountRefused(f"{what} is not initialized")
    return TokenAccount(
        program=program,
        mint=Pubkey.from_bytes(data[:32]),
        owner=Pubkey.from_bytes(data[32:64]),
        amount=int.from_bytes(data[64:72], "little"),
        is_frozen=state == 2,
    )


def decode_clock(account: Account | None) -> Clock:
    """Decode the chain's clock; raises AccountRefused for any other account.

    Source: anza-xyz/solana-sdk `Clock`.
    """
    account = present(account, "the clock")
    if account.owner != SYSVARS or len(account.data) != 40:
        raise AccountRefused("the clock's account is malformed")
    slot, _, _, _, unix_s = struct.unpack("<QqQQq", account.data)
    return Clock(slot, unix_s)


@lru_cache(maxsize=4096)
def associated_token_address(owner: Pubkey, mint: Pubkey, token_program: Pubkey) -> Pubkey:
    """The address of the owner's token account for a mint."""
    seeds = [bytes(owner), bytes(token_program), bytes(mint)]
    return Pubkey.find_program_address(seeds, ASSOCIATED_TOKEN_PROGRAM)[0]


def _token_program(account: Account, what: str) -> Pubkey:
    if account.owner not in TOKEN_PROGRAMS:
        raise AccountRefused(f"{what} belongs to {account.owner}, which is no token program")
    return account.owner


def _require_kind(account: Account, kind: int, message: str) -> None:
    """Only Token-2022 has longer accounts; a byte behind the padding tells which kind it is."""
    data = account.data
    is_extended = account.owner == TOKEN_2022_PROGRAM and len(data) > TOKEN_ACCOUNT_LENGTH
    if not is_extended or len(data) == MULTISIG_LENGTH or data[TOKEN_ACCOUNT_LENGTH] != kind:
        raise AccountRefused(f"{message}: it has {len(data)} bytes")


def _checked_extensions(data: bytes, what: str) -> dict[int, bytes]:
    extensions = _extensions(data, what)
    for number, value in extensions.items():
        if refusal := _refusal(number, value):
            raise AccountRefused(f"{what} is refused: {refusal}")
    return extensions


def _extensions(data: bytes, what: str) -> dict[int, bytes]:
    """The values by the numbers of their types; a number 0 ends the list."""
    found: dict[int, bytes] = {}
    at = _TLV_START
    while at + 2 <= len(data) and (number := int.from_bytes(data[at : at + 2], "little")):
        length = int.from_bytes(data[at + 2 : at + 4], "little")
        if at + 4 + length > len(data) or number in found:
            raise AccountRefused(f"{what} has a broken list of extensions")
        found[number] = data[at + 4 : at + 4 + length]
        at += 4 + length
    return found


def _refusal(number: int, value: bytes) -> str | None:
    if number in _HARMLESS:
        return None
    if number in _REFUSED:
        return _REFUSED[number]
    if number == _DEFAULT_STATE:
        return None if value == b"\x01" else "its new accounts are frozen"
    if number == _TRANSFER_HOOK:
        return None if len(value) == 64 and not any(value[32:]) else "it has a transfer hook"
    if number == _SCALED_AMOUNT:
        return None if len(value) == 56 else "its scaled amount has a wrong length"
    if number == _PAUSABLE:
        return None if len(value) == 33 and not value[32] else "it is paused"
    return f"it has the unknown extension {number}"


def _ui_multiplier(extensions: dict[int, bytes]) -> Decimal | None:
    value = extensions.get(_SCALED_AMOUNT)
    if value is None:
        return None
    # The program stores a binary fraction; its shortest decimal form is the one that was meant.
    return Decimal(repr(struct.unpack("<d", value[32:40])[0]))
