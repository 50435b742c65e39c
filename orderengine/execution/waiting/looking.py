"""Looks at the prices of symbols: one question for each symbol and side."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from orderengine.domain.errors import StorageUnavailable
from orderengine.domain.instruments import Instrument, Instruments
from orderengine.domain.side import Side
from orderengine.domain.terms import OrderType
from orderengine.execution.ports import QuoteBoard
from orderengine.execution.waiting.prices import Look, SeenPrice
from orderengine.execution.waiting.watching import Watched

log = structlog.get_logger(__name__)


class References(Protocol):
    """The prices that stops wait for."""

    def seen_all(self, instruments: Sequence[Instrument]) -> list[SeenPrice | None]:
        """The reference price of each now; None where no venue tells it.

        Raises StorageUnavailable if the time is not known.
        """


def look_at(
    watched: Sequence[Watched],
    instruments: Instruments,
    board: QuoteBoard,
    references: References,
) -> Mapping[str, Look]:
    """The prices of each symbol now; leaves out symbols that cannot be looked at.

    Raises StorageUnavailable. After any other error each symbol is looked at alone. After one of
    the reference prices only these are asked for alone.
    """
    sides: dict[str, set[Side]] = {each.symbol: set() for each in watched}
    for each in watched:
        if each.type is not OrderType.STOP:
            sides[each.symbol].add(each.side)
    with_stops = {each.symbol for each in watched if each.type is OrderType.STOP}
    asking = _Asking(instruments, board, references, with_stops)
    try:
        return asking.looks(sides)
    except StorageUnavailable:
        raise
    except Exception:
        log.exception("look_falls_apart", symbols=sorted(sides))
    looks: dict[str, Look] = {}
    for symbol, asked in sides.items():
        try:
            looks |= asking.looks({symbol: asked})
        except StorageUnavailable:
            raise
        except Exception:
            log.exception("symbol_not_watched", symbol=symbol)
    return looks


@dataclass(frozen=True, slots=True)
class _Asking:
    instruments: Instruments
    board: QuoteBoard
    references: References
    with_stops: Collection[str]

    def looks(self, sides: Mapping[str, Collection[Side]]) -> dict[str, Look]:
        """The looks at all these symbols, or the first error."""
        found = {symbol: self.instruments.get(symbol) for symbol in sides}
        pairs = [(symbol, side) for symbol, asked in sides.items() for side in asked]
        answers = self.board.collect_all([(found[symbol], side) for symbol, side in pairs])
        quoted = dict(zip(pairs, answers, strict=True))
        stopped = [symbol for symbol in found if symbol in self.with_stops]
        references = self._references([found[symbol] for symbol in stopped])
        return {
            symbol: Look(
                instrument,
                {side: quoted[symbol, side] for side in sides[symbol]},
                references.get(symbol),
            )
            for symbol, instrument in found.items()
        }

    def _references(self, instruments: Sequence[Instrument]) -> dict[str, SeenPrice | None]:
        """The reference price of each symbol; None for one whose price cannot be computed."""
        symbols = [each.symbol for each in instruments]
        try:
            return dict(zip(symbols, self.references.seen_all(instruments), strict=True))
        except StorageUnavailable:
            raise
        except Exception:
            if len(symbols) == 1:
                log.exception("reference_failed", symbol=symbols[0])
                return {symbols[0]: None}
            log.exception("look_falls_apart", symbols=sorted(symbols))
        alone = [self._references([each]) for each in instruments]
        return {symbol: price for each in alone for symbol, price in each.items()}
