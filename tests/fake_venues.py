"""Venues in memory, which quote at the prices that a test sets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from orderengine.domain.errors import FailureReason, OrderUnfillable, VenueUnavailable
from orderengine.domain.instruments import Instrument
from orderengine.domain.pricing import effective_price, limit_amount
from orderengine.domain.routing import MARGINAL_BITS, Quote
from orderengine.domain.side import Asset, Side, side_of
from orderengine.execution.ports import Clock, Quoted
from tests.fake_orders import START


def a_quote(
    venue: str = "raydium",
    side: Side = Side.BUY,
    base_amount: int = 10_000_000,
    quote_amount: int = 2_300_000_000,
    at: datetime = START,
    valid_s: float = 5.0,
    slippage_tolerance_bps: int = 100,
    exact: Asset = Asset.BASE,
) -> Quote:
    """A quote for 10 AAPL unless told otherwise."""
    price = effective_price(base_amount, quote_amount, 6)
    other = quote_amount if exact is Asset.BASE else base_amount
    return Quote(
        venue=venue,
        pool=f"{venue}-pool",
        pool_kind="cpmm",
        side=side,
        base_amount=base_amount,
        base_decimals=6,
        quote_amount=quote_amount,
        limit_amount=limit_amount(side_of(exact, side), other, slippage_tolerance_bps),
        price=price,
        mid_price=price,
        fee=Decimal("5.75"),
        market_impact_bps=Decimal("3.1"),
        quoted_at=at,
        expires_at=at + timedelta(seconds=valid_s),
        exact=exact,
    )


@dataclass(frozen=True)
class FakeOffer:
    """A pool that trades at one price in USDC, worse by `impact`, up to `most` base units.

    The units are those of the exact asset.
    """

    venue: str
    side: Side
    price: Decimal
    base_decimals: int = 6
    most: int = 10**15
    at: datetime = START
    usdc_depth: Decimal = Decimal(1_000_000)
    exact: Asset = Asset.BASE
    impact: Decimal = Decimal(0)

    @property
    def seen_at(self) -> datetime:
        return self.at

    def in_usdc(self) -> "FakeOffer":
        return replace(self, exact=Asset.QUOTE)

    def largest(self, slippage_tolerance_bps: int) -> int:
        return self.most

    def quote(self, amount: int, slippage_tolerance_bps: int) -> Quote:
        if amount > self.most:
            detail = f"{self.venue} is too shallow"
            raise OrderUnfillable(FailureReason.INSUFFICIENT_LIQUIDITY, detail)
        worse = 1 + self.impact if self.side is Side.BUY else 1 - self.impact
        amounts = amount, int(self._units_price * amount * worse)
        base, usdc = amounts if self.exact is Asset.BASE else reversed(amounts)
        tolerance = slippage_tolerance_bps
        return a_quote(
            *(self.venue, self.side, base, usdc, self.at),
            slippage_tolerance_bps=tolerance,
            exact=self.exact,
        )

    def marginal_price(self, amount: int) -> int:
        return int(self._units_price * 2**MARGINAL_BITS)

    @property
    def _units_price(self) -> Decimal:
        price = self.price.scaleb(6 - self.base_decimals)
        return price if self.exact is Asset.BASE else 1 / price


@dataclass
class FakeBoard:
    """Venues that answer with a price in USDC for one token, or with an error.

    `largest` is the most that a venue trades, in base units, if it has a limit.
    """

    clock: Clock
    answers: dict[str, Decimal | Exception] = field(
        default_factory=lambda: {"raydium": Decimal(230), "meteora": Decimal(237)}
    )
    largest: dict[str, int] = field(default_factory=dict)
    depth: Decimal = Decimal(1_000_000)
    impact: Decimal = Decimal(0)
    asked: int = 0
    before_answer: Callable[[], None] = lambda: None

    def collect_all(self, wanted: Sequence[tuple[Instrument, Side]]) -> list[Quoted]:
        return [self.collect(*each) for each in wanted]

    def collect(
        self, instrument: Instrument, side: Side
    ) -> tuple[Sequence[FakeOffer], Mapping[str, Exception]]:
        self.asked += 1
        self.before_answer()
        offers: list[FakeOffer] = []
        errors: dict[str, Exception] = {}
        for venue, answer in self.answers.items():
            if isinstance(answer, Exception):
                errors[venue] = answer
                continue
            largest, now = self.largest.get(venue, 10**15), self.clock.now()
            terms = (instrument.decimals, largest, now, self.depth)
            offers.append(FakeOffer(venue, side, answer, *terms, impact=self.impact))
        return offers, errors


def unavailable(venue: str = "raydium") -> VenueUnavailable:
    """A venue's time-out."""
    return VenueUnavailable(f"{venue} gave no answer in time")
