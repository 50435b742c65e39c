"""A look at prices goes on without a reference price that no venue tells."""

from collections.abc import Sequence
from decimal import Decimal

from structlog.testing import capture_logs

from orderengine.domain.instruments import Instrument, Instruments
from orderengine.domain.side import Side
from orderengine.domain.terms import OrderType
from orderengine.execution.waiting.looking import look_at
from orderengine.execution.waiting.prices import REFERENCE, SeenPrice
from orderengine.execution.waiting.watching import Watched
from orderengine.venues.board import ConcurrentQuoteBoard
from tests.fakes import START, FakeBoard, FakeClock


class OnlyTesla:
    """References of which one instrument alone has a price."""

    def seen_all(self, instruments: Sequence[Instrument]) -> list[SeenPrice | None]:
        price = SeenPrice(Decimal(7), START, REFERENCE)
        return [price if each.symbol == "TSLA" else None for each in instruments]


class AllButTesla:
    """References that cannot compute the price of one instrument."""

    def seen_all(self, instruments: Sequence[Instrument]) -> list[SeenPrice | None]:
        if any(each.symbol == "TSLA" for each in instruments):
            raise ZeroDivisionError
        return [SeenPrice(Decimal(7), START, REFERENCE) for _ in instruments]


def test_a_reference_price_that_cannot_be_computed_stops_nothing_but_its_own_stops(
    instruments: Instruments,
) -> None:
    """Nor are the venues asked again: one that hangs would hold up each symbol of a tick."""
    stops = [Watched(symbol, OrderType.STOP, Side.SELL) for symbol in ("AAPL", "TSLA")]
    limit = Watched("TSLA", OrderType.LIMIT, Side.BUY)
    board = FakeBoard(FakeClock())
    with capture_logs() as lines:
        looks = look_at([*stops, limit], instruments, board, AllButTesla())
    assert [line["event"] for line in lines] == ["look_falls_apart", "reference_failed"]
    assert looks["AAPL"].reference == SeenPrice(Decimal(7), START, REFERENCE)
    assert looks["TSLA"].reference is None
    assert looks["TSLA"].price_for(OrderType.LIMIT, Side.BUY) is not None
    assert board.asked == 1


def test_a_stop_without_a_reference_price_waits_and_the_others_go_on(
    instruments: Instruments,
) -> None:
    watched = [Watched(symbol, OrderType.STOP, Side.SELL) for symbol in ("AAPL", "TSLA")]
    board = ConcurrentQuoteBoard([])
    looks = look_at(watched, instruments, board, OnlyTesla())
    prices = {symbol: look.price_for(OrderType.STOP, Side.SELL) for symbol, look in looks.items()}
    assert prices == {"AAPL": None, "TSLA": SeenPrice(Decimal(7), START, REFERENCE)}
