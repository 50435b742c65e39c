"""The behavior of the simulated venues, and the board that asks them all at once."""

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import pytest
import structlog

from orderengine.domain.choice import choose_route
from orderengine.domain.errors import (
    FailureReason,
    OrderUnfillable,
    StorageUnavailable,
    VenueUnavailable,
)
from orderengine.domain.instruments import Instrument, Instruments
from orderengine.domain.routing import Offer, RouteRequest
from orderengine.domain.side import Side
from orderengine.execution.ports import Wanted
from orderengine.market.pools import EPOCH_S
from orderengine.market.venues import VENUES
from orderengine.venues.apart import each_apart
from orderengine.venues.board import ConcurrentQuoteBoard
from orderengine.venues.simulated import SimulatedVenue
from tests.fakes import FakeClock, FakeOffer
from tests.simulations import a_simulation

MakeBoard = Callable[..., ConcurrentQuoteBoard]

LONG_S = 10.0
SHORT_S = 0.2


@dataclass
class ScriptedVenue:
    """A venue that obeys a test, and counts how often it was asked."""

    name: str
    act: Callable[[], None] = lambda: None
    asked: int = 0
    threads: set[int] = field(default_factory=set)
    reads_by_symbol: bool = False

    def offers(self, wanted: Sequence[Wanted]) -> list[Offer | Exception]:
        return each_apart(self.offer, wanted)

    def offer(self, instrument: Instrument, side: Side) -> Offer:
        self.asked += 1
        self.threads.add(threading.get_ident())
        self.act()
        return FakeOffer(self.name, side, Decimal(230))


@pytest.fixture
def aapl(instruments: Instruments) -> Instrument:
    return instruments.get("AAPL")


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """The event that a hung venue waits for; set at the end, so that no thread is left over."""
    event = threading.Event()
    yield event
    event.set()


def raising(error: Exception) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act


@pytest.fixture
def board() -> Iterator[MakeBoard]:
    """Makes boards, and lets their threads end with the test."""
    boards: list[ConcurrentQuoteBoard] = []

    def make(
        *venues: ScriptedVenue, timeout_s: float = LONG_S, workers: int = 4
    ) -> ConcurrentQuoteBoard:
        boards.append(ConcurrentQuoteBoard(venues, timeout_s=timeout_s, max_workers=workers))
        return boards[-1]

    yield make
    for made in boards:
        made.close()


def test_a_venue_answers_after_its_latency(aapl: Instrument) -> None:
    naps: list[float] = []
    venue = SimulatedVenue(
        "raydium", a_simulation(SIM_QUOTE_LATENCY_MS="150-250"), FakeClock(), sleep=naps.append
    )
    for _ in range(50):
        venue.offer(aapl, Side.BUY)
    assert len(naps) == 50
    assert all(0.15 <= nap <= 0.25 for nap in naps)
    assert len(set(naps)) > 1


def test_a_venue_fails_as_often_as_told(aapl: Instrument) -> None:
    simulation = a_simulation(SIM_QUOTE_FAIL_RATE="0.3")
    venue = SimulatedVenue("meteora", simulation, FakeClock(), rng=random.Random(1))  # noqa: S311
    failures = 0
    for _ in range(500):
        try:
            venue.offer(aapl, Side.BUY)
        except VenueUnavailable:
            failures += 1
    assert 110 < failures < 190


@pytest.mark.parametrize("side", Side)
def test_each_venue_is_the_better_one_at_times(instruments: Instruments, side: Side) -> None:
    clock = FakeClock()
    simulation = a_simulation(SIM_SPREAD_BPS="200-500")
    venues = [SimulatedVenue(name, simulation, clock) for name in VENUES]
    winners: dict[str, set[str]] = {}
    for _ in range(30):
        clock.advance(EPOCH_S)
        for instrument in instruments:
            amount = int((1_000 / instrument.reference_price).scaleb(instrument.decimals))
            offers = [venue.offer(instrument, side) for venue in venues]
            amounts = [offer.quote(amount, 100).quote_amount for offer in offers]
            assert 200 <= (max(amounts) - min(amounts)) * 10_000 / min(amounts) <= 500
            winner = choose_route(RouteRequest(instrument, side, amount, 100), offers, {}).venue
            winners.setdefault(instrument.symbol, set()).add(winner)
    assert all(names == set(VENUES) for names in winners.values())


def test_quotes_come_in_the_order_of_the_venues(board: MakeBoard, aapl: Instrument) -> None:
    second_done = threading.Event()
    first = ScriptedVenue("first", act=lambda: assert_set(second_done))
    second = ScriptedVenue("second", act=second_done.set)
    quotes, errors = board(first, second).collect(aapl, Side.BUY)
    assert [quote.venue for quote in quotes] == ["first", "second"]
    assert errors == {}


def assert_set(event: threading.Event) -> None:
    assert event.wait(LONG_S)


def test_all_venues_are_asked_at_the_same_time(board: MakeBoard, aapl: Instrument) -> None:
    meeting = threading.Barrier(3, timeout=LONG_S)
    venues = [ScriptedVenue(name, act=lambda: (meeting.wait(), None)[1]) for name in "abc"]
    quotes, _ = board(*venues).collect(aapl, Side.SELL)
    assert len(quotes) == 3


@pytest.mark.parametrize(
    "error",
    [
        VenueUnavailable("down"),
        OrderUnfillable(FailureReason.INSUFFICIENT_LIQUIDITY, "too shallow"),
    ],
    ids=["unavailable", "unfillable"],
)
def test_a_venues_error_is_told_and_the_other_quote_stands(
    board: MakeBoard, aapl: Instrument, error: Exception
) -> None:
    venues = (ScriptedVenue("bad", act=raising(error)), ScriptedVenue("good"))
    quotes, errors = board(*venues).collect(aapl, Side.BUY)
    assert [quote.venue for quote in quotes] == ["good"]
    assert errors == {"bad": error}


def test_an_unexpected_error_is_logged_and_counts_as_unavailable(
    board: MakeBoard, aapl: Instrument
) -> None:
    venues = (ScriptedVenue("bad", act=raising(KeyError("price"))), ScriptedVenue("good"))
    with structlog.testing.capture_logs() as logs:
        quotes, errors = board(*venues).collect(aapl, Side.BUY)
    assert len(quotes) == 1
    assert isinstance(errors["bad"], VenueUnavailable)
    assert [(line["event"], line["venue"], repr(line["exc_info"])) for line in logs] == [
        ("venue_failed", "bad", "KeyError('price')")
    ]


def test_a_database_that_tells_no_time_is_no_venues_fault(
    board: MakeBoard, aapl: Instrument
) -> None:
    venue = ScriptedVenue("bad", act=raising(StorageUnavailable("no time")))
    with pytest.raises(StorageUnavailable):
        board(venue).collect(aapl, Side.BUY)


def test_a_hung_venue_is_unavailable_and_does_not_block_the_others(
    board: MakeBoard, aapl: Instrument, released: threading.Event
) -> None:
    hung = ScriptedVenue("hung", act=lambda: assert_set(released))
    asked = board(hung, ScriptedVenue("good"), timeout_s=SHORT_S)
    quotes, errors = asked.collect(aapl, Side.BUY)
    assert [quote.venue for quote in quotes] == ["good"]
    assert isinstance(errors["hung"], VenueUnavailable)
    assert "in time" in str(errors["hung"])


def test_a_hung_venue_holds_a_bounded_number_of_threads(
    board: MakeBoard, aapl: Instrument, released: threading.Event
) -> None:
    hung = ScriptedVenue("hung", act=lambda: assert_set(released))
    asked = board(hung, timeout_s=0.02, workers=2)
    answers = [asked.collect(aapl, Side.BUY)[1]["hung"] for _ in range(20)]
    assert all(isinstance(error, VenueUnavailable) for error in answers)
    assert "owes too many answers" in str(answers[-1])
    assert len(hung.threads) <= 2


def test_a_venue_that_comes_back_is_asked_again_but_not_for_old_questions(
    board: MakeBoard, aapl: Instrument, released: threading.Event
) -> None:
    venue = ScriptedVenue("hung", act=lambda: assert_set(released))
    impatient = board(venue, timeout_s=0.02, workers=1)
    while not venue.asked:
        impatient.collect(aapl, Side.BUY)
    impatient.collect(aapl, Side.BUY)
    released.set()
    impatient._timeout_s = LONG_S
    while not impatient.collect(aapl, Side.BUY)[0]:
        pass
    assert venue.asked == 2


def test_many_orders_collect_at_once(board: MakeBoard, aapl: Instrument) -> None:
    meeting = threading.Barrier(4, timeout=LONG_S)
    venue = ScriptedVenue("busy", act=lambda: (meeting.wait(), None)[1])
    asked = board(venue, workers=4)
    results: list[int] = []

    def collect() -> None:
        results.append(len(asked.collect(aapl, Side.BUY)[0]))

    threads = [threading.Thread(target=collect) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG_S)
    assert results == [1, 1, 1, 1]


def test_a_closed_board_lets_its_threads_end(board: MakeBoard, aapl: Instrument) -> None:
    closed = board(ScriptedVenue("closed"))
    closed.collect(aapl, Side.BUY)
    closed.close()
    for thread in threading.enumerate():
        if thread.name.startswith("quote-closed"):
            thread.join(LONG_S)
            assert not thread.is_alive()


@pytest.mark.parametrize("side", list(Side))
def test_the_smallest_quantity_of_each_instrument_is_quoted(
    side: Side, instruments: Instruments
) -> None:
    for venue in (SimulatedVenue(name, a_simulation(), FakeClock()) for name in VENUES):
        for instrument in instruments:
            base_amount = instrument.base_units(instrument.min_quantity)
            assert venue.offer(instrument, side).quote(base_amount, 100).quote_amount > 0
