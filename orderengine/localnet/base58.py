"""Base58 of any number of bytes; solders writes it for keys and signatures only."""

_DIGITS = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def base58(content: bytes) -> str:
    """The text of these bytes in Bitcoin's alphabet; each leading zero byte is a `1`."""
    number = int.from_bytes(content)
    digits = ""
    while number:
        number, digit = divmod(number, 58)
        digits = _DIGITS[digit] + digits
    return "1" * (len(content) - len(content.lstrip(b"\0"))) + digits
