"""A look at prices goes on without a reference price that no venue tells."""

from collections.abc import Sequence
from decimal import Decimal

from orderengine.domain.instruments import Instrument, Instruments
from orderengine.domain.side import Side
from orderengine.domain.terms import OrderType
from orderengine.execution.waiting.looking import look_at
from orderengine.execution.waiting.prices import REFERENCE, SeenPrice
from orderengine.execution.waiting.watching import Watched
from orderengine.venues.board import ConcurrentQuoteBoard
from tests.fakes import START


class OnlyTesla:
    """References of which one instrument alone has a price."""

    def seen_all(self, instruments: Sequence[Instrument]) -> list[SeenPrice | None]:
        price = SeenPrice(Decimal(7), START, REFERENCE)
        return [price if each.symbol == "TSLA" else None for each in instruments]


def test_a_stop_without_a_reference_price_waits_and_the_others_go_on(
    instruments: Instruments,
) -> None:
    watched = [Watched(symbol, OrderType.STOP, Side.SELL) for symbol in ("AAPL", "TSLA")]
    board = ConcurrentQuoteBoard([])
    looks = look_at(watched, instruments, board, OnlyTesla())
    prices = {symbol: look.price_for(OrderType.STOP, Side.SELL) for symbol, look in looks.items()}
    assert prices == {"AAPL": None, "TSLA": SeenPrice(Decimal(7), START, REFERENCE)}
