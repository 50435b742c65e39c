"""One side of a pool at one moment: prices for any size, the largest size, marginal prices.

The base asset and USDC are both in base units. Either may be the exact asset: the one whose amount
a swap names.
"""

from decimal import Decimal
from typing import ClassVar, Protocol

from orderengine.domain.side import Asset
from orderengine.market.swaps import PricedSwap


class Liquidity(Protocol):
    """One side of one pool; amounts are base units of the `exact` asset."""

    kind: ClassVar[str]

    @property
    def usdc(self) -> int:
        """The USDC in the pool, in base units."""

    @property
    def mid_price(self) -> Decimal:
        """USDC for one whole token before any swap, without fees."""

    @property
    def exact(self) -> Asset:
        """The asset whose amount is exact."""

    def in_usdc(self) -> "Liquidity":
        """The same side of the same pool, with USDC as the exact asset."""

    def largest(self, price_rise_bps: int = 0) -> int:
        """The most of the exact asset that one swap may trade.

        With `price_rise_bps`, which is at most a doubling, the most that it may still trade after
        the price fell, or rose by up to that much.
        """

    def suffices(self, amount: int, price_rise_bps: int) -> bool:
        """Whether `amount` is at most `largest(price_rise_bps)`; fast for small amounts."""

    def price(self, amount: int) -> PricedSwap:
        """Price a swap of exactly this many units; raises AmmError if it cannot be made."""

    def marginal_price(self, amount: int) -> int:
        """The other asset for one more unit after this amount, fees included; see `Offer`."""
