"""What an order takes of its client's limit for the day."""

from dataclasses import dataclass
from decimal import ROUND_CEILING, Context, Decimal

from orderengine.domain.pricing import USDC_DECIMALS

_EXACT = Context(prec=100)
_UNIT = Decimal(1).scaleb(-USDC_DECIMALS)


@dataclass(frozen=True, slots=True)
class DailyCharge:
    """The USDC that an order takes when it starts, and the most that its client may take in a day.

    Both sides count. The day is that of the database, in UTC.
    """

    usdc: Decimal
    most: int

    @classmethod
    def of(
        cls, quantity: Decimal | None, quote_quantity: Decimal | None, price: Decimal, most: int
    ) -> "DailyCharge":
        """The charge of an order with this amount: its USDC, or its tokens at a price, rounded up.

        The price is in USDC for one whole token.
        """
        if quote_quantity is not None:
            return cls(quote_quantity, most)
        worth = _EXACT.multiply(quantity or Decimal(0), price)
        return cls(worth.quantize(_UNIT, ROUND_CEILING, _EXACT), most)
