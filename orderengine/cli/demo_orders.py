"""The orders of the demo: different ones, made from the service's instruments."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from typing import Any

PARTS_PER_MILLION = (10, 25, 40, 5, 60, 150, 80, 30, 400, 20, 250, 12, 100)
"""Sizes, as parts of an instrument's largest order: small against the pools' liquidity."""

TIGHT_BPS = {5: 0, 15: 40}
"""Orders, counted from 1, whose tolerance is so small that they may need more than one attempt."""


@dataclass(frozen=True, slots=True)
class DemoOrder:
    """One order of the demo; `slippage_bps` None leaves the tolerance to the service."""

    symbol: str
    side: str
    quantity: str
    slippage_bps: int | None

    @property
    def is_to_fail(self) -> bool:
        """Whether its tolerance is so small that the demo expects it to fail."""
        return self.slippage_bps == 0

    def document(self) -> dict[str, Any]:
        """The body of the request."""
        document = {"symbol": self.symbol, "side": self.side, "quantity": self.quantity}
        return (
            document if self.slippage_bps is None else document | {"slippageBps": self.slippage_bps}
        )


def choose_orders(instruments: Sequence[Mapping[str, Any]], count: int) -> list[DemoOrder]:
    """Cycle through the instruments that always trade; each cycle swaps the sides."""
    traded = [each for each in instruments if not each.get("launched")]
    orders = []
    for index in range(count):
        turn, place = divmod(index, len(traded))
        instrument = traded[place]
        orders.append(
            DemoOrder(
                symbol=instrument["symbol"],
                side=("buy", "sell")[(turn + place) % 2],
                quantity=_quantity(instrument, PARTS_PER_MILLION[(turn + place) % 13]),
                slippage_bps=TIGHT_BPS.get(index + 1),
            )
        )
    return orders


def _quantity(instrument: Mapping[str, Any], parts_per_million: int) -> str:
    share = Decimal(instrument["maxQuantity"]) * parts_per_million / 1_000_000
    step = Decimal(instrument["quantityStep"])
    stepped = (share / step).to_integral_value(ROUND_DOWN) * step
    quantity = max(stepped, Decimal(instrument["minQuantity"]))
    return f"{quantity.normalize():f}"
