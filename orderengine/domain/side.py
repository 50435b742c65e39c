"""Buy or sell, and which asset's amount is exact."""

from enum import StrEnum


class Side(StrEnum):
    """The direction of the base asset, from the client's point of view."""

    BUY = "buy"
    SELL = "sell"


class Asset(StrEnum):
    """An asset of a swap: the base asset, or USDC, in which its price is quoted."""

    BASE = "base"
    QUOTE = "quote"


_OPPOSITE = {Side.BUY: Side.SELL, Side.SELL: Side.BUY}


def side_of(exact: Asset, side: Side) -> Side:
    """The side of the asset whose amount is exact.

    A buy that spends exactly so much USDC sells USDC; a sell that gets exactly so much buys USDC.
    """
    return side if exact is Asset.BASE else _OPPOSITE[side]
