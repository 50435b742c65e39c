"""Accounts of the token programs: writes mints and token accounts, and reads their main fields.

Sources: solana-program/token `program/src/state.rs`, solana-program/token-2022
`interface/src/extension/mod.rs` (the type after byte 165, then entries of type, length and value).
"""

import struct
from dataclasses import dataclass

from solders.account import Account
from solders.pubkey import Pubkey

from orderengine.solana.accounts import (
    TOKEN_2022_PROGRAM,
    TOKEN_ACCOUNT_LENGTH,
    TOKEN_PROGRAMS,
)

_MINT = struct.Struct("<I32sQBBI32s")
_TOKEN = struct.Struct("<32s32sQI32sBIQQI32s")
_MINT_TYPE, _ACCOUNT_TYPE = 1, 2
_IMMUTABLE_OWNER = struct.pack("<HH", 7, 0)
_SCALED_UI_AMOUNT = 25
_SUPPLY = 10**18


@dataclass(frozen=True, slots=True)
class Token:
    """What a token account holds, in base units, and for whom."""

    mint: Pubkey
    owner: Pubkey
    amount: int


def mint_bytes(decimals: int) -> bytes:
    """A mint of the token program that nobody can mint from or freeze; its supply is nominal."""
    return _MINT.pack(0, bytes(32), _SUPPLY, decimals, 1, 0, bytes(32))


def scaled_mint_bytes(decimals: int, multiplier: float) -> bytes:
    """A mint of Token-2022 with a scaled UI amount, as the tokenized stocks have it.

    The multiplier changes what wallets show, never base units.
    """
    scaled = struct.pack("<32sdqd", bytes(32), multiplier, 0, multiplier)
    entry = struct.pack("<HH", _SCALED_UI_AMOUNT, len(scaled)) + scaled
    base = mint_bytes(decimals).ljust(TOKEN_ACCOUNT_LENGTH, b"\0")
    return base + bytes([_MINT_TYPE]) + entry


def token_bytes(
    mint: Pubkey, owner: Pubkey, amount: int, program: Pubkey, *, native_reserve: int | None = None
) -> bytes:
    """A token account; wrapped SOL has a `native_reserve`, the lamports that it keeps for rent."""
    is_native, reserve = (0, 0) if native_reserve is None else (1, native_reserve)
    nobody = bytes(32)
    base = _TOKEN.pack(
        *(bytes(mint), bytes(owner), amount, 0, nobody, 1, is_native, reserve, 0, 0, nobody)
    )
    return (
        base + bytes([_ACCOUNT_TYPE]) + _IMMUTABLE_OWNER if program == TOKEN_2022_PROGRAM else base
    )


def token_of(account: Account) -> Token | None:
    """The token account in an account, or None if it is none."""
    if account.owner not in TOKEN_PROGRAMS or len(account.data) < TOKEN_ACCOUNT_LENGTH:
        return None
    data = account.data
    if len(data) > TOKEN_ACCOUNT_LENGTH and data[TOKEN_ACCOUNT_LENGTH] != _ACCOUNT_TYPE:
        return None
    mint, owner, amount = struct.unpack_from("<32s32sQ", data)
    return Token(Pubkey.from_bytes(mint), Pubkey.from_bytes(owner), amount)


def decimals_of(account: Account | None) -> int | None:
    """The decimals of the mint in an account, or None if it is none."""
    if account is None or account.owner not in TOKEN_PROGRAMS or len(account.data) < _MINT.size:
        return None
    if token_of(account) is not None:
        return None
    return account.data[44]
