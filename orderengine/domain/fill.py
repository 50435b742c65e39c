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


def _only_in_row(_: Mapping[str, Any]) -> None:
    """A value that only the row has."""


def _told_estimate(document: Mapping[str, Any]) -> bool | None:
    """False is not told, and earlier releases knew no estimates."""
    return document.get("feeIsEstimated")


def _told_network_fee(document: Mapping[str, Any]) -> int | None:
    """None on the simulated network, which asks for no fee."""
    return document.get("networkFeeLamports")


def _told_priority_fee(document: Mapping[str, Any]) -> int | None:
    """None on the simulated network."""
    return document.get("priorityFeeLamports")


def _told_rent(document: Mapping[str, Any]) -> int | None:
    """None on the simulated network."""
    return document.get("rentLamports")


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """A signed swap: `payload` can land once, and only up to block `last_valid_height`.

    `network` names the chain that it is signed for, None the simulated one; `wallet` pays; `slot`
    is the block that it refers to, before which it cannot have landed.
    """

    signature: Annotated[str, Told("The transaction's signature.", name="txHash")]
    payload: Annotated[bytes, Told(seen=Seen.ENGINE, read=_no_payload)]
    last_valid_height: Annotated[
        int, Told("The last block height at which the transaction can land.")
    ]
    network: Annotated[str | None, Told(seen=Seen.ENGINE, read=_only_in_row)] = None
    wallet: Annotated[str | None, Told(seen=Seen.ENGINE, read=_only_in_row)] = None
    slot: Annotated[int | None, Told(seen=Seen.ENGINE, read=_only_in_row)] = None


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
    fee_is_estimated: Annotated[
        bool | None,
        Told(
            "True if the fee is computed at the state of the pool when it was looked at.",
            read=_told_estimate,
        ),
    ] = None


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
    network_fee_lamports: Annotated[
        int | None,
        Told(
            "The network's fee for the transaction, without the one for priority.",
            read=_told_network_fee,
        ),
    ] = None
    priority_fee_lamports: Annotated[
        int | None,
        Told(
            "What was paid for priority.",
            read=_told_priority_fee,
        ),
    ] = None
    rent_lamports: Annotated[
        int | None,
        Told(
            "What was put into token accounts that the swap made; they keep it until closed.",
            read=_told_rent,
        ),
    ] = None
