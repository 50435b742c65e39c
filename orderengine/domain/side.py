"""Buy or sell."""

from enum import StrEnum


class Side(StrEnum):
    """Which way the base asset goes, seen from the client."""

    BUY = "buy"
    SELL = "sell"
