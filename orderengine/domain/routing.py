"""Quotes of venues, and the route of an order: the best venue, or a split over several."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from operator import attrgetter
from typing import Annotated, ClassVar, Protocol

from orderengine.domain.fields import BaseUnits, Document, Part, Seen, Told
from orderengine.domain.instruments import Instrument
from orderengine.domain.pricing import (
    effective_price,
    limit_amount,
)
from orderengine.domain.side import Asset, Side, side_of

MAX_LEGS = 2
"""The most legs of an order; equals the number of venues, which this package cannot import."""

MARGINAL_BITS = 96

REPEAT_BPS = 50
"""How far the market may move before a client orders the amount named in a refusal."""


_BUY = Side.BUY.value


def _told_limit(quote: Document) -> int:
    most_in = quote.get("maxIn")
    return int(quote["minOut"] if most_in is None else most_in)


def _told_exact(quote: Document) -> Asset:
    """The side and the kind of the limit tell it, so that a document says it once."""
    is_base = ("maxIn" in quote) is (quote["side"] == _BUY)
    return Asset.BASE if is_base else Asset.QUOTE


def _told_slot(quote: Document) -> int | None:
    """Documents of earlier releases do not have it."""
    slot: int | None = quote.get("slot")
    return slot


@dataclass(frozen=True, slots=True)
class Quote:
    """A venue's price for an amount in one pool, now.

    Amounts are in base units, `base_amount` with `base_decimals` decimals: a buy gets `base_amount`
    for `quote_amount`, a sell the other way round. The amount of the `exact` asset was asked for;
    `limit_amount` bounds the other one at the requested tolerance: it is the max-in of an exact
    output, the min-out of an exact input. `price` is effective: it includes fees and impact. `fee`
    is in USDC; a sell's fee, taken in the base asset, is valued at the mid price. An expired quote
    (`expires_at`) is never built.
    """

    venue: Annotated[str, Told("The venue.", name="dex")]
    pool: Annotated[str, Told("The venue's pool.")]
    pool_kind: Annotated[
        str,
        Told(
            "How the pool prices a swap: `cpmm` or `amm_v4` (constant product), `dlmm` (bins), or"
            " `localnet` (constant product, on the embedded network)."
        ),
    ]
    side: Side
    base_amount: Annotated[BaseUnits, Told("The base asset that a buy receives or a sell pays")]
    base_decimals: Annotated[int, Told("Decimals of `baseAmount`.")]
    quote_amount: Annotated[BaseUnits, Told("The USDC that a buy pays or a sell receives")]
    limit_amount: Annotated[BaseUnits, Told(seen=Seen.ENGINE, read=_told_limit)]
    max_in: ClassVar[Part] = Part(
        "most_paid",
        "The most that is paid within the tolerance, if the amount received is exact: USDC of a buy"
        " by `quantity`, the base asset of a sell by `quoteQuantity`",
    )
    min_out: ClassVar[Part] = Part(
        "least_got",
        "The least that is received within the tolerance, if the amount paid is exact: USDC of a"
        " sell by `quantity`, the base asset of a buy by `quoteQuantity`",
    )
    price: Annotated[Decimal, Told("USDC for one whole token, fees and impact included.")]
    mid_price: Annotated[Decimal, Told("The pool's price before the swap.")]
    fee: Annotated[Decimal, Told("USDC.")]
    market_impact_bps: Annotated[
        Decimal, Told("How far the swap's own size moves the price, in bps.")
    ]
    quoted_at: Annotated[datetime, Told("When the venue gave the quote.")]
    expires_at: Annotated[datetime, Told("When the quote expires; it is not built afterwards.")]
    exact: Annotated[Asset, Told(seen=Seen.ENGINE, read=_told_exact)] = Asset.BASE
    slot: Annotated[
        int | None,
        Told("The slot at which the pool was read; on a live network only.", read=_told_slot),
    ] = None

    @property
    def most_paid(self) -> BaseUnits | None:
        """The most that is paid for an exact output; None for an exact input."""
        # Twice for each quote that is written: so without a call.
        is_out_exact = (self.side is Side.BUY) is (self.exact is Asset.BASE)
        return self.limit_amount if is_out_exact else None

    @property
    def least_got(self) -> BaseUnits | None:
        """The least that is got for an exact input; None for an exact output."""
        is_out_exact = (self.side is Side.BUY) is (self.exact is Asset.BASE)
        return None if is_out_exact else self.limit_amount


class Offer(Protocol):
    """A snapshot of a venue's pool, for one instrument and side, that prices any amount.

    Amounts are in base units of the exact asset: the base asset, or USDC after `in_usdc`.
    """

    @property
    def venue(self) -> str:
        """The venue's name."""

    @property
    def seen_at(self) -> datetime:
        """When the venue gave it, by the database's clock."""

    @property
    def usdc_depth(self) -> Decimal:
        """The USDC in the pool, in whole USDC."""

    def largest(self, slippage_tolerance_bps: int) -> int:
        """The largest swap that still executes after any price move within its tolerance."""

    def quote(self, amount: int, slippage_tolerance_bps: int) -> Quote:
        """Price exactly this amount; raises OrderUnfillable if it is too large or too small."""

    def marginal_price(self, amount: int) -> int:
        """The cost or proceeds of one more base unit after this amount, fees included.

        In base units of the other asset times 2^96, rounded down. As the amount grows, it never
        falls if the exact asset is bought, and never rises if that is sold.
        """

    def in_usdc(self) -> "Offer":
        """The offer of the same pool whose exact amounts are USDC."""


@dataclass(frozen=True, slots=True)
class RouteRequest:
    """A routing request: `amount` base units of the `exact` asset, in at most `max_legs` swaps."""

    instrument: Instrument
    side: Side
    amount: int
    slippage_tolerance_bps: int
    max_legs: int = 1
    exact: Asset = Asset.BASE

    @property
    def exact_side(self) -> Side:
        """The side of the exact asset."""
        return side_of(self.exact, self.side)


class RouteReason(StrEnum):
    """Why a route was chosen; part of the public interface."""

    BEST_PRICE = "BEST_PRICE"  # the best of several venues
    ONLY_QUOTE = "ONLY_QUOTE"  # no other venue answered or could fill it
    BEST_SPLIT = "BEST_SPLIT"  # better as a split than at any one venue
    ONLY_SPLIT = "ONLY_SPLIT"  # too large for any one venue
    NO_BETTER_SPLIT = "NO_BETTER_SPLIT"  # the best venue, because no split is better


LimitAmount = Annotated[
    BaseUnits,
    Told(
        "The most USDC that a buy pays, or the least that a sell accepts; with `quoteQuantity` the"
        " least of the base asset that a buy accepts, or the most that a sell gives"
    ),
]

EXACT_AMOUNT = {Asset.BASE: attrgetter("base_amount"), Asset.QUOTE: attrgetter("quote_amount")}
"""Reads the exact amount of a quote or a route, by its exact asset."""
OTHER_AMOUNT = {Asset.BASE: attrgetter("quote_amount"), Asset.QUOTE: attrgetter("base_amount")}
"""Reads the other amount, which prices decide."""


@dataclass(frozen=True, kw_only=True)
class Route:
    """The swaps to make, and the quotes that they were compared with.

    All `legs` execute, or none does; `quotes` are each venue's for the whole amount, and `refusals`
    has the reason of each venue without a quote.
    """

    dex: ClassVar[Part] = Part("venue", "The venue, or several, joined by `+`.")
    reason: Annotated[RouteReason, Told(name="routeReason")]
    detail: Annotated[str, Told("Why this route was chosen, in words.", name="routeDetail")]
    legs: Annotated[
        tuple[Quote, ...], Told("The swaps of the chosen route: one, or the parts of a split.")
    ]
    quotes: Annotated[tuple[Quote, ...], Told("Each venue's quote for the whole amount.")]
    refusals: Annotated[Mapping[str, str], Told("Why a venue gave no quote, by venue.")]

    @cached_property
    def venue(self) -> str:
        """The venues of the legs, joined by `+`."""
        return "+".join(leg.venue for leg in self.legs)

    @cached_property
    def base_amount(self) -> int:
        """The base units of the base asset that all legs trade together."""
        return sum(leg.base_amount for leg in self.legs)

    @cached_property
    def quote_amount(self) -> int:
        """The total cost or proceeds of all legs, in base units of USDC."""
        return sum(leg.quote_amount for leg in self.legs)

    @cached_property
    def price(self) -> Decimal:
        """The effective price over all legs."""
        decimals = self.base_decimals
        return effective_price(self.base_amount, self.quote_amount, decimals, self.side)

    @property
    def side(self) -> Side:
        """The side, the same for each leg."""
        return self.legs[0].side

    @property
    def exact(self) -> Asset:
        """The asset whose amount is exact, the same for each leg."""
        return self.legs[0].exact

    @property
    def exact_side(self) -> Side:
        """The side of the exact asset."""
        return side_of(self.exact, self.side)

    @property
    def other_amount(self) -> int:
        """The amount of the other asset, in base units."""
        return self.quote_amount if self.exact is Asset.BASE else self.base_amount

    @property
    def base_decimals(self) -> int:
        """The decimals of `base_amount`."""
        return self.legs[0].base_decimals

    @property
    def expires_at(self) -> datetime:
        """The earliest expiry of the legs, after which the route may not be built."""
        return min(leg.expires_at for leg in self.legs)

    def limit_amount(self, slippage_tolerance_bps: int) -> int:
        """The limit for the other amount, in total, at a tolerance; see `LimitAmount`."""
        return limit_amount(self.exact_side, self.other_amount, slippage_tolerance_bps)


def better(side: Side, one: int, other: int) -> bool:
    """True if one amount is better for the client than the other; `side` is the exact asset's."""
    return one < other if side is Side.BUY else one > other


def sorted_by_price(request: RouteRequest, quotes: Sequence[Quote]) -> list[Quote]:
    """The request's quotes, the best for the client first; equals keep their order."""
    is_dearest_best = request.exact_side is Side.SELL  # stable nonetheless: `sorted` promises it
    return sorted(quotes, key=OTHER_AMOUNT[request.exact], reverse=is_dearest_best)
