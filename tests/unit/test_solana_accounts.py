"""Mints, token accounts and the clock: what is taken, what is refused, and any bytes at all."""

import struct
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.token.associated import get_associated_token_address

from generators.layouts import HELD_TOKENS, MINT, TOKEN, TOKEN_2022, encode, key
from orderengine.solana.accounts import (
    TOKEN_PROGRAMS,
    Account,
    associated_token_address,
    decode_clock,
    decode_mint,
    decode_token_account,
)
from orderengine.solana.refusals import AccountRefused
from tests.solana_pools import OWNER, USDC, a_clock, a_mint, a_vault

SCALED = struct.pack("<32sdqd", bytes(32), 1.0025, 0, 1.0)


def extended(*extensions: tuple[int, bytes], tail: bytes = b"") -> Account:
    """A mint of Token-2022 with these extensions, by the numbers of their types."""
    base = encode(MINT, {"decimals": 8, "is_initialized": 1}).ljust(165, b"\0") + b"\x01"
    listed = b"".join(
        struct.pack("<HH", number, len(value)) + value for number, value in extensions
    )
    return Account(TOKEN_2022, base + listed + tail)


def test_a_mint_of_either_program_tells_its_decimals() -> None:
    for program in (TOKEN, TOKEN_2022):
        mint = decode_mint(a_mint(9, program), "USDC")
        assert (mint.program, mint.decimals, mint.ui_multiplier) == (program, 9, None)


def test_an_xstock_tells_its_multiplier() -> None:
    """The extensions of the xStocks, with an empty transfer hook, unpaused."""
    account = extended(
        (18, bytes(64)),
        (19, b"AAPLx"),
        (25, SCALED),
        (12, bytes(32)),
        (6, b"\x01"),
        (4, bytes(65)),
        (14, bytes(64)),
        (26, bytes(33)),
        tail=bytes(7),
    )
    mint = decode_mint(account, "AAPLx")
    assert (mint.decimals, mint.ui_multiplier) == (8, Decimal("1.0025"))


@pytest.mark.parametrize(
    ("extension", "reason"),
    [
        ((1, bytes(108)), "it has transfer fees"),
        ((6, b"\x02"), "its new accounts are frozen"),
        ((9, b""), "its tokens cannot be transferred"),
        ((14, bytes(32) + bytes(key(9))), "it has a transfer hook"),
        ((16, bytes(129)), "it has confidential transfer fees"),
        ((26, bytes(32) + b"\x01"), "it is paused"),
        ((99, b""), "it has the unknown extension 99"),
    ],
)
def test_a_mint_that_moves_other_amounts_is_refused_by_name(
    extension: tuple[int, bytes], reason: str
) -> None:
    with pytest.raises(AccountRefused, match=f"^AAPLx is refused: {reason}$"):
        decode_mint(extended(extension), "AAPLx")


@pytest.mark.parametrize(
    "account",
    [
        None,
        Account(key(1), a_mint(9).data),
        Account(TOKEN, a_mint(9).data + b"\0"),
        Account(TOKEN_2022, a_mint(9).data + b"\0"),
        Account(TOKEN, encode(MINT, {"decimals": 9})),
        Account(TOKEN, extended().data),
        Account(TOKEN_2022, a_vault(USDC, 1).data + b"\x02"),
        extended((19, b"name"), tail=struct.pack("<HH", 18, 64)),
        extended((19, b"name"), (19, b"name")),
    ],
)
def test_what_is_no_mint_is_refused(account: Account | None) -> None:
    with pytest.raises(AccountRefused, match=r"^USDC "):
        decode_mint(account, "USDC")


def test_a_token_account_tells_its_owner_and_amount() -> None:
    held = decode_token_account(a_vault(USDC, 2**64 - 1), "the vault")
    assert (held.mint, held.owner, held.amount) == (USDC, OWNER, 2**64 - 1)
    assert not held.is_frozen
    assert decode_token_account(a_vault(USDC, 1, state=2), "the vault").is_frozen
    longer = Account(TOKEN_2022, a_vault(USDC, 5).data + b"\x02" + bytes(4))
    assert decode_token_account(longer, "the vault").amount == 5


@pytest.mark.parametrize(
    "account",
    [
        None,
        Account(key(1), a_vault(USDC, 1).data),
        Account(TOKEN, a_vault(USDC, 1).data[:-1]),
        Account(TOKEN, a_vault(USDC, 1).data + b"\x02"),
        Account(TOKEN_2022, a_vault(USDC, 1).data + b"\x01"),
        Account(TOKEN_2022, a_vault(USDC, 1).data.ljust(355, b"\x02")),
        Account(TOKEN, encode(HELD_TOKENS, {"mint": USDC})),
    ],
)
def test_what_is_no_token_account_is_refused(account: Account | None) -> None:
    with pytest.raises(AccountRefused, match=r"^the vault "):
        decode_token_account(account, "the vault")


def test_the_clock_tells_slot_and_time() -> None:
    clock = decode_clock(a_clock(1_234))
    assert (clock.slot, clock.unix_s) == (77, 1_234)
    for wrong in (None, Account(TOKEN, a_clock().data), Account(a_clock().owner, bytes(39))):
        with pytest.raises(AccountRefused):
            decode_clock(wrong)


def test_the_address_of_a_token_account_is_that_of_its_program() -> None:
    address = associated_token_address(OWNER, USDC, TOKEN)
    assert address == get_associated_token_address(OWNER, USDC)
    assert address != associated_token_address(OWNER, USDC, TOKEN_2022)


ANY_ACCOUNT = st.builds(
    Account,
    st.sampled_from([*TOKEN_PROGRAMS, key(1)]),
    st.one_of(
        st.binary(max_size=400),
        st.binary(min_size=82, max_size=82),
        st.binary(min_size=165, max_size=165),
        st.binary(max_size=200).map(lambda tail: extended().data + tail),
        st.binary(max_size=90).map(lambda tail: a_vault(USDC, 1).data + b"\x02" + tail),
    ),
)


@given(ANY_ACCOUNT)
def test_any_bytes_are_decoded_or_refused(account: Account) -> None:
    """Never another error, and never an account of a wrong length or program."""
    for decode, length in ((decode_mint, 82), (decode_token_account, 165)):
        try:
            decode(account, "it")
        except AccountRefused:
            continue
        assert account.owner in TOKEN_PROGRAMS
        is_longer = account.owner == TOKEN_2022 and len(account.data) > 165
        assert len(account.data) == length or is_longer
