"""Addresses in base58, without the library that only live networks need."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.pubkey import Pubkey

from orderengine.domain.addresses import is_address


@given(st.binary(min_size=32, max_size=32))
def test_every_32_bytes_are_an_address(key: bytes) -> None:
    assert is_address(str(Pubkey.from_bytes(key)))


@pytest.mark.parametrize("zeros", [0, 1, 31, 32])
def test_leading_zeros_are_bytes_of_their_own(zeros: int) -> None:
    text = str(Pubkey.from_bytes(bytes(zeros) + bytes([255]) * (32 - zeros)))
    assert is_address(text)
    assert not is_address(f"1{text}")
    assert not zeros or not is_address(text[1:])


@given(st.text("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", max_size=46))
def test_other_texts_are_judged_as_the_library_judges_them(text: str) -> None:
    try:
        Pubkey.from_string(text)
    except ValueError:
        assert not is_address(text)
    else:
        assert is_address(text)


@pytest.mark.parametrize("digit", ["0", "O", "I", "l", " ", "\u00e9", "\uff11"])
def test_only_digits_of_base58_are_taken(digit: str) -> None:
    assert not is_address("So1111111111111111111111111111111111111111" + digit)
    assert not is_address("")
