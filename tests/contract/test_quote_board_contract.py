"""The contract of every quote board: the fake, and the one that asks venues with threads."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

import pytest

from orderengine.domain.errors import FailureReason, OrderUnfillable
from orderengine.domain.instruments import Instrument, Instruments
from orderengine.domain.routing import Offer
from orderengine.domain.side import Side
from orderengine.execution.ports import QuoteBoard, Wanted
from orderengine.venues.apart import each_apart
from orderengine.venues.board import ConcurrentQuoteBoard
from tests.fakes import FakeBoard, FakeClock, unavailable

Answers = dict[str, Decimal | Exception]
MakeBoard = Callable[[Answers], QuoteBoard]

TOO_SHALLOW = OrderUnfillable(FailureReason.INSUFFICIENT_LIQUIDITY, "the pool holds 3 AAPL")
TEN = 10_000_000


@dataclass
class OneVenue:
    """A venue that answers like the fake board."""

    name: str
    answer: Decimal | Exception
    reads_by_symbol: bool = False

    def offers(self, wanted: Sequence[Wanted]) -> list[Offer | Exception]:
        return each_apart(self.offer, wanted)

    def offer(self, instrument: Instrument, side: Side) -> Offer:
        if isinstance(self.answer, Exception):
            raise self.answer
        board = FakeBoard(FakeClock(), {self.name: self.answer})
        return board.collect(instrument, side)[0][0]


@pytest.fixture(params=["fake", "concurrent"])
def make_board(request: pytest.FixtureRequest) -> Iterator[MakeBoard]:
    boards: list[ConcurrentQuoteBoard] = []

    def concurrent(answers: Answers) -> QuoteBoard:
        venues = [OneVenue(name, answer) for name, answer in answers.items()]
        boards.append(ConcurrentQuoteBoard(venues, timeout_s=10))
        return boards[-1]

    yield concurrent if request.param == "concurrent" else lambda a: FakeBoard(FakeClock(), a)
    for board in boards:
        board.close()


@pytest.fixture
def aapl(instruments: Instruments) -> Instrument:
    return instruments.get("AAPL")


@pytest.mark.parametrize("side", Side)
def test_offers_come_in_the_order_of_the_venues(
    make_board: MakeBoard, aapl: Instrument, side: Side
) -> None:
    board = make_board({"zebra": Decimal(237), "ant": Decimal(230), "mole": Decimal(240)})
    offers, errors = board.collect(aapl, side)
    assert [offer.venue for offer in offers] == ["zebra", "ant", "mole"]
    quotes = [offer.quote(TEN, 100) for offer in offers]
    assert [quote.price for quote in quotes] == [Decimal(237), Decimal(230), Decimal(240)]
    assert {(quote.side, quote.base_amount) for quote in quotes} == {(side, TEN)}
    assert not errors


def test_each_venue_without_an_offer_has_its_error(make_board: MakeBoard, aapl: Instrument) -> None:
    late = unavailable()
    quotes, errors = make_board({"raydium": late, "meteora": Decimal(237)}).collect(aapl, Side.BUY)
    assert [quote.venue for quote in quotes] == ["meteora"]
    assert errors == {"raydium": late}


def test_a_refusal_is_kept_as_the_venue_gave_it(make_board: MakeBoard, aapl: Instrument) -> None:
    late = unavailable("meteora")
    quotes, errors = make_board({"raydium": TOO_SHALLOW, "meteora": late}).collect(aapl, Side.SELL)
    assert not quotes
    assert list(errors.items()) == [("raydium", TOO_SHALLOW), ("meteora", late)]


def test_without_venues_there_is_neither(make_board: MakeBoard, aapl: Instrument) -> None:
    quotes, errors = make_board({}).collect(aapl, Side.BUY)
    assert (list(quotes), dict(errors)) == ([], {})
