"""What the network executes: the signed transaction of an order, and its fill."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from orderengine.domain.fields import BaseUnits, BpsAsPercent, Seen, Told


def _no_payload(_: Mapping[str, Any]) -> bytes:
    """The payload in a document: only the row has the signed bytes."""
    return b""


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """A signed swap: `payload` can land once, and only up to block `last_valid_height`."""

    signature: Annotated[str, Told("The transaction's signature.", name="txHash")]
    payload: Annotated[bytes, Told(seen=Seen.ENGINE, read=_no_payload)]
    last_valid_height: Annotated[
        int, Told("The last block height at which the transaction can land.")
    ]


@dataclass(frozen=True, slots=True)
class FillLeg:
    """One executed swap: amounts in base units, the fee in USDC."""

    venue: Annotated[str, Told("The venue.", name="dex")]
    pool: Annotated[str, Told("The venue's pool.")]
    base_amount: Annotated[BaseUnits, Told("The executed amount of the base asset")]
    quote_amount: Annotated[BaseUnits, Told("The executed amount of USDC")]
    fee: Annotated[Decimal, Told("USDC.")]
    market_impact_bps: Annotated[
        Decimal, Told("How far the swap itself moved this pool's price, in bps.")
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """The executed swap over all `legs`: amounts in base units, prices and fee in USDC.

    `slippage_bps` is signed (positive = worse than quoted); `market_impact_bps` is how far the
    swap itself moved its price away from the mid price.
    """

    executed_price: Annotated[Decimal, Told("USDC for one whole token, fees and impact included.")]
    slippage_bps: Annotated[
        BpsAsPercent, Told("Against the quoted price; positive is worse.", name="slippagePct")
    ]
    market_impact_bps: Annotated[Decimal, Told("How far the swap itself moved the price, in bps.")]
    fee: Annotated[Decimal, Told("USDC.")]
    base_amount: Annotated[BaseUnits, Told("The executed amount of the base asset")]
    quote_amount: Annotated[BaseUnits, Told("The executed amount of USDC")]
    landed_at: Annotated[datetime, Told("When the network executed the swap.")]
    legs: Annotated[tuple[FillLeg, ...], Told(name="executedLegs")]
