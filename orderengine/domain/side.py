"""Buy or sell."""

from enum import StrEnum


class Side(StrEnum):
    """The direction of the base asset, from the client's point of view."""

    BUY = "buy"
    SELL = "sell"
