"""Quotes of venues, and the route of an order: the best venue, or a split over several."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Annotated, ClassVar, Protocol

from orderengine.domain.errors import FailureReason, OrderUnfillable
from orderengine.domain.fields import BaseUnits, Document, Part, Seen, Told
from orderengine.domain.instruments import Instrument
from orderengine.domain.pricing import (
    BPS,
    USDC_DECIMALS,
    effective_price,
    limit_amount,
    to_tokens,
)
from orderengine.domain.side import Side

MAX_LEGS = 2
"""The most legs of an order; equals the number of venues, which this package cannot import."""

MARGINAL_BITS = 96

REPEAT_BPS = 50
"""How far the market may move before a client orders the amount named in a refusal."""


# The limit of a swap: the most that a buy pays in, the least that a sell gets out.
_LIMITS = {Side.BUY.value: "maxIn", Side.SELL.value: "minOut"}


def _told_limit(quote: Document) -> int:
    return int(quote[_LIMITS[quote["side"]]])


@dataclass(frozen=True, slots=True)
class Quote:
    """A venue's price for an amount in one pool, now.

    Amounts are in base units, `base_amount` with `base_decimals` decimals: a buy gets `base_amount`
    for `quote_amount`, a sell the other way round; `limit_amount` is a buy's max-in or a sell's
    min-out at the requested tolerance. `price` is effective: it includes fees and impact. `fee` is
    in USDC; a sell's fee, taken in the base asset, is valued at the mid price. An expired quote
    (`expires_at`) is never built.
    """

    venue: Annotated[str, Told("The venue.", name="dex")]
    pool: Annotated[str, Told("The venue's pool.")]
    pool_kind: Annotated[
        str, Told("How the pool prices a swap: `cpmm` (constant product) or `dlmm` (bins).")
    ]
    side: Side
    base_amount: Annotated[BaseUnits, Told("The base asset that a buy receives or a sell pays")]
    base_decimals: Annotated[int, Told("Decimals of `baseAmount`.")]
    quote_amount: Annotated[BaseUnits, Told("The USDC that a buy pays or a sell receives")]
    limit_amount: Annotated[BaseUnits, Told(seen=Seen.ENGINE, read=_told_limit)]
    max_in: ClassVar[Part] = Part("most_paid", "Buys only: the maximum USDC within the tolerance")
    min_out: ClassVar[Part] = Part("least_got", "Sells only: the minimum USDC within the tolerance")
    price: Annotated[Decimal, Told("USDC for one whole token, fees and impact included.")]
    mid_price: Annotated[Decimal, Told("The pool's price before the swap.")]
    fee: Annotated[Decimal, Told("USDC.")]
    market_impact_bps: Annotated[
        Decimal, Told("How far the swap's own size moves the price, in bps.")
    ]
    quoted_at: Annotated[datetime, Told("When the venue gave the quote.")]
    expires_at: Annotated[datetime, Told("When the quote expires; it is not built afterwards.")]

    @property
    def most_paid(self) -> BaseUnits | None:
        """The most USDC that a buy pays; None for a sell."""
        return self.limit_amount if self.side is Side.BUY else None

    @property
    def least_got(self) -> BaseUnits | None:
        """The least USDC that a sell gets; None for a buy."""
        return self.limit_amount if self.side is Side.SELL else None


class Offer(Protocol):
    """A snapshot of a venue's pool, for one instrument and side, that prices any amount.

    Amounts are in base units of the base asset.
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

    def quote(self, base_amount: int, slippage_tolerance_bps: int) -> Quote:
        """Price exactly this amount; raises OrderUnfillable if it is too large or too small."""

    def marginal_price(self, base_amount: int) -> int:
        """The cost or proceeds of one more base unit after this amount, fees included.

        In base units of USDC times 2^96, rounded down; it never falls as a buy grows, and never
        rises as a sell grows.
        """


@dataclass(frozen=True, slots=True)
class RouteRequest:
    """A routing request: `base_amount` base units, in at most `max_legs` swaps."""

    instrument: Instrument
    side: Side
    base_amount: int
    slippage_tolerance_bps: int
    max_legs: int = 1


class RouteReason(StrEnum):
    """Why a route was chosen; part of the public interface."""

    BEST_PRICE = "BEST_PRICE"  # the best of several venues
    ONLY_QUOTE = "ONLY_QUOTE"  # no other venue answered or could fill it
    BEST_SPLIT = "BEST_SPLIT"  # better as a split than at any one venue
    ONLY_SPLIT = "ONLY_SPLIT"  # too large for any one venue
    NO_BETTER_SPLIT = "NO_BETTER_SPLIT"  # the best venue, because no split is better


LimitAmount = Annotated[
    BaseUnits, Told("The most USDC that a buy pays, or the least that a sell accepts")
]


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
    def base_decimals(self) -> int:
        """The decimals of `base_amount`."""
        return self.legs[0].base_decimals

    @property
    def expires_at(self) -> datetime:
        """The earliest expiry of the legs, after which the route may not be built."""
        return min(leg.expires_at for leg in self.legs)

    def limit_amount(self, slippage_tolerance_bps: int) -> int:
        """The most a buy pays, or the least a sell accepts, in total, at a tolerance."""
        return limit_amount(self.side, self.quote_amount, slippage_tolerance_bps)


def better(side: Side, one: int, other: int) -> bool:
    """True if one amount of USDC is better for the client than the other."""
    return one < other if side is Side.BUY else one > other


def sorted_by_price(side: Side, quotes: Sequence[Quote]) -> list[Quote]:
    """Quotes for one amount, the best for the client first; equals keep their order."""
    sign = 1 if side is Side.BUY else -1
    return sorted(quotes, key=lambda quote: sign * quote.quote_amount)


def percent(part: int, whole: int) -> str:
    """A share in percent, to two places."""
    return f"{Decimal(part) * 100 / Decimal(whole):.2f} %"


def advantage(side: Side, amount: int, other_amount: int) -> str:
    """How much better one amount of USDC is than another, in words."""
    difference = abs(amount - other_amount)
    verb, word = ("costs", "less") if side is Side.BUY else ("brings", "more")
    usdc = to_tokens(difference, USDC_DECIMALS)
    return f"{verb} {usdc:f} USDC ({percent(difference, other_amount)}) {word} than"


def too_shallow(request: RouteRequest, offers: Sequence[Offer]) -> OrderUnfillable:
    """The refusal of an order that is too large, naming the largest possible amounts."""
    symbol = request.instrument.symbol
    largest = {offer.venue: _repeatable(request, offer) for offer in offers}
    most = sorted(largest.values(), reverse=True)
    text = f"at most {sum(most[: request.max_legs]):f} {symbol}"
    if request.max_legs < len(most):
        text += f", or {sum(most[:MAX_LEGS]):f} with maxLegs {min(MAX_LEGS, len(most))}"
    each = ", ".join(f"{venue} {amount:f}" for venue, amount in largest.items())
    detail = f"the venues let you {request.side.value} {text} ({each})"
    return OrderUnfillable(FailureReason.INSUFFICIENT_LIQUIDITY, detail)


def _repeatable(request: RouteRequest, offer: Offer) -> Decimal:
    """How many tokens an offer trades, even a little later; a multiple of `quantity_step`."""
    most = offer.largest(request.slippage_tolerance_bps) * BPS // (BPS + REPEAT_BPS)
    tokens = to_tokens(most, request.instrument.decimals)
    return tokens - tokens % request.instrument.quantity_step
