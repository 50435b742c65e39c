"""Addresses of Solana: 32 bytes in base58."""

from orderengine.domain.fields import once

_DIGITS = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_SIZE = 32
_SHORTEST, _LONGEST = 32, 44
"""How many digits 32 bytes have."""


@once
def is_address(text: str) -> bool:
    """Whether a text is the base58 form of exactly 32 bytes.

    Base58 has no check sum: a mistyped address may be one as well, of another account or of none.
    """
    if not _SHORTEST <= len(text) <= _LONGEST or not set(text) <= set(_DIGITS):
        return False
    number = 0
    for digit in text:
        number = number * 58 + _DIGITS.index(digit)
    zeros = len(text) - len(text.lstrip(_DIGITS[0]))  # each leading zero byte is one digit
    return zeros + (number.bit_length() + 7) // 8 == _SIZE
