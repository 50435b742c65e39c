"""How the board asks for many instruments and sides: one question to a venue, or one for each."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import pytest

from orderengine.domain.errors import (
    FailureReason,
    OrderUnfillable,
    StorageUnavailable,
    VenueUnavailable,
)
from orderengine.domain.instruments import Instrument, Instruments
from orderengine.domain.routing import Offer
from orderengine.domain.side import Side
from orderengine.execution.ports import Wanted
from orderengine.market.venues import VENUES
from orderengine.venues.apart import each_apart
from orderengine.venues.board import ConcurrentQuoteBoard
from orderengine.venues.simulated import SimulatedVenue
from tests.fakes import FakeClock, FakeOffer
from tests.simulations import a_simulation

Act = Callable[[Instrument, Side], None]
MakeBoard = Callable[..., ConcurrentQuoteBoard]

SYMBOLS = ("AAPL", "BTC", "ETH")
PRICES = {symbol: Decimal(100 + place) for place, symbol in enumerate(SYMBOLS)}
LONG_S = 10.0
SHORT_S = 0.2


@dataclass
class ListedVenue:
    """A venue that notes each question, and answers as a test wants."""

    name: str = "listed"
    reads_by_symbol: bool = False
    act: Act = lambda instrument, side: None
    asked: list[set[tuple[str, Side]]] = field(default_factory=list)

    def offer(self, instrument: Instrument, side: Side) -> Offer:
        self.act(instrument, side)
        return FakeOffer(self.name, side, PRICES[instrument.symbol])

    def offers(self, wanted: Sequence[Wanted]) -> list[Offer | Exception]:
        self.asked.append({(instrument.symbol, side) for instrument, side in wanted})
        return each_apart(self.offer, wanted)


@pytest.fixture
def wanted(instruments: Instruments) -> list[Wanted]:
    """Both sides of three symbols; the sides of a symbol are not neighbors."""
    return [(instruments.get(symbol), side) for side in Side for symbol in SYMBOLS]


@pytest.fixture
def board() -> Iterator[MakeBoard]:
    boards: list[ConcurrentQuoteBoard] = []

    def make(*venues: ListedVenue, timeout_s: float = LONG_S) -> ConcurrentQuoteBoard:
        boards.append(ConcurrentQuoteBoard(venues, timeout_s=timeout_s))
        return boards[-1]

    yield make
    for made in boards:
        made.close()


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """The event that a hung question waits for; set at the end, so that no thread is left over."""
    event = threading.Event()
    yield event
    event.set()


def failing_for(symbol: str, error: Exception) -> Act:
    def act(instrument: Instrument, side: Side) -> None:
        if instrument.symbol == symbol:
            raise error

    return act


BOTH_WAYS = pytest.mark.parametrize("by_symbol", [False, True], ids=["at once", "by symbol"])


@BOTH_WAYS
def test_answers_come_in_the_order_of_what_is_wanted(
    board: MakeBoard, wanted: list[Wanted], by_symbol: bool
) -> None:
    venues = [ListedVenue("one", by_symbol), ListedVenue("other")]
    answers = board(*venues).collect_all([*wanted, wanted[0]])
    for (instrument, side), (offers, errors) in zip([*wanted, wanted[0]], answers, strict=True):
        assert [offer.venue for offer in offers] == ["one", "other"]
        assert errors == {}
        for offer in offers:
            quote = offer.quote(1_000_000, 100)
            assert (quote.side, quote.price) == (side, PRICES[instrument.symbol])


def test_one_question_is_for_all_that_is_wanted(board: MakeBoard, wanted: list[Wanted]) -> None:
    venue = ListedVenue()
    board(venue).collect_all(wanted)
    assert venue.asked == [{(symbol, side) for symbol in SYMBOLS for side in Side}]


def test_a_venue_that_reads_each_symbol_has_a_question_for_each(
    board: MakeBoard, wanted: list[Wanted]
) -> None:
    """All at the same time: each waits for the others."""
    meeting = threading.Barrier(len(SYMBOLS), timeout=LONG_S)

    def meet(_: Instrument, side: Side) -> None:
        if side is Side.BUY:
            meeting.wait()

    venue = ListedVenue(reads_by_symbol=True, act=meet)
    answers = board(venue).collect_all(wanted)
    assert all(len(offers) == 1 for offers, _ in answers)
    assert sorted(map(sorted, venue.asked)) == sorted(
        sorted((symbol, side) for side in Side) for symbol in SYMBOLS
    )


def test_nothing_wanted_asks_nobody(board: MakeBoard) -> None:
    venue = ListedVenue()
    assert board(venue).collect_all([]) == []
    assert venue.asked == []


@BOTH_WAYS
@pytest.mark.parametrize(
    "error",
    [
        VenueUnavailable("down"),
        OrderUnfillable(FailureReason.INSUFFICIENT_LIQUIDITY, "too shallow"),
        KeyError("price"),
        TimeoutError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_bad_symbol_fails_alone(
    board: MakeBoard, wanted: list[Wanted], by_symbol: bool, error: Exception
) -> None:
    bad = ListedVenue("bad", by_symbol, failing_for("BTC", error))
    answers = board(bad, ListedVenue("good")).collect_all(wanted)
    for (instrument, _), (offers, errors) in zip(wanted, answers, strict=True):
        is_bad = instrument.symbol == "BTC"
        assert [offer.venue for offer in offers] == ["good"] if is_bad else ["bad", "good"]
        assert set(errors) == ({"bad"} if is_bad else set())
        assert all(isinstance(each, VenueUnavailable | OrderUnfillable) for each in errors.values())


def test_a_hung_symbol_leaves_the_others_of_a_venue_that_reads_each(
    board: MakeBoard, wanted: list[Wanted], released: threading.Event
) -> None:
    def hang(instrument: Instrument, _: Side) -> None:
        assert instrument.symbol != "ETH" or released.wait(LONG_S)

    venue = ListedVenue(reads_by_symbol=True, act=hang)
    answers = board(venue, timeout_s=SHORT_S).collect_all(wanted)
    answered = {
        instrument.symbol
        for (instrument, _), (offers, _) in zip(wanted, answers, strict=True)
        if offers
    }
    assert answered == {"AAPL", "BTC"}
    assert "in time" in str(answers[2][1]["listed"])


def test_a_venue_that_hangs_leaves_the_others(
    board: MakeBoard, wanted: list[Wanted], released: threading.Event
) -> None:
    hung = ListedVenue("hung", act=lambda *_: assert_set(released))
    answers = board(hung, ListedVenue("good"), timeout_s=SHORT_S).collect_all(wanted)
    assert [[offer.venue for offer in offers] for offers, _ in answers] == [["good"]] * len(wanted)
    assert all("in time" in str(errors["hung"]) for _, errors in answers)


def assert_set(event: threading.Event) -> None:
    assert event.wait(LONG_S)


@BOTH_WAYS
def test_a_database_that_tells_no_time_is_told_to_the_caller(
    board: MakeBoard, wanted: list[Wanted], by_symbol: bool
) -> None:
    away = failing_for("BTC", StorageUnavailable("no time"))
    with pytest.raises(StorageUnavailable):
        board(ListedVenue("bad", by_symbol, away)).collect_all(wanted)


@pytest.mark.parametrize("name", VENUES)
def test_a_simulated_venue_answers_for_all_at_one_moment_after_one_latency(
    name: str, wanted: list[Wanted]
) -> None:
    naps: list[float] = []
    clock = FakeClock()
    simulation = a_simulation(SIM_QUOTE_LATENCY_MS="150-250")
    venue = SimulatedVenue(name, simulation, clock, sleep=naps.append)
    offers = venue.offers(wanted)
    assert len(naps) == 1
    assert 0.15 <= naps[0] <= 0.25
    for each, offer in zip(wanted, offers, strict=True):
        assert not isinstance(offer, Exception)
        alone = venue.offer(*each)
        amount = each[0].base_units(each[0].min_quantity * 10)
        assert offer.quote(amount, 100) == alone.quote(amount, 100)
        assert offer.marginal_price(0) == alone.marginal_price(0)


def test_each_answer_of_a_simulated_venue_fails_as_often_as_told(wanted: list[Wanted]) -> None:
    venue = SimulatedVenue("raydium", a_simulation(SIM_QUOTE_FAIL_RATE="0.3"), FakeClock())
    answers = [each for _ in range(100) for each in venue.offers(wanted)]
    failures = [each for each in answers if isinstance(each, VenueUnavailable)]
    assert 100 < len(failures) < 260
