"""Numbers drawn from a hash: the same key gives the same number in every process."""

import hashlib

_RANGE = 2**64


def draw(low: int, high: int, *key: str | int) -> int:
    """An integer from `low` to `high`, both included, fixed by the key.

    Raises ValueError when `low` is above `high`.
    """
    if low > high:
        message = f"nothing to draw from {low}..{high}"
        raise ValueError(message)
    # Scaled rather than taken modulo: near-uniform for any range below 2^64.
    return low + _number(key) * (high - low + 1) // _RANGE


def happens(rate: float, *key: str | int) -> bool:
    """True for this share of all keys; `rate` is in 0..1: 0 is never, 1 always."""
    return _number(key) < int(rate * _RANGE)


def _number(key: tuple[str | int, ...]) -> int:
    digest = hashlib.sha256("\x1f".join(map(str, key)).encode()).digest()
    return int.from_bytes(digest[:8], "big")
