"""The price watcher: starts orders that wait once their price or their pool has come.

Any number of watchers may run, one in each worker. A lease gives each symbol to one of them, which
only saves work: an order starts once, since its move is fenced.
"""

import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import structlog

from orderengine.domain.errors import FailureReason, StorageUnavailable
from orderengine.domain.moves import Trigger
from orderengine.domain.order import Order
from orderengine.domain.terms import OrderType
from orderengine.execution.chain.engine import Engine, logging_of
from orderengine.execution.intake.daily import Days
from orderengine.execution.operations.counters import CounterName
from orderengine.execution.ports import Clock, PreparedStart, QuoteBoard
from orderengine.execution.unreadable import Unreadable
from orderengine.execution.waiting.chosen import Chosen, passed_over
from orderengine.execution.waiting.judging import PutOff, judge
from orderengine.execution.waiting.looking import References, look_at
from orderengine.execution.waiting.prices import (
    Look,
    SeenPrice,
    has_come,
    in_turn,
    is_fresh,
    out_of_reach,
)
from orderengine.execution.waiting.purses import Purses
from orderengine.execution.waiting.starting import ChosenStarter
from orderengine.execution.waiting.watching import NextLook, Waiting, Watched

log = structlog.get_logger(__name__)

LEASE_S = 2.0
"""A frozen watcher loses its symbols after this, and the next tick of another takes them."""
ANEW_S = 60.0
MOST_CANDIDATES = 200
LEAST_CANDIDATES = 50
"""Even if there is room for fewer: some may not start."""
FEW_KINDS = 4
"""So few are asked for their candidates at once, without asking first which of them have any."""
EARLY = 0.1
"""By this part of a tick a whole look may come early: threads do not wake to the millisecond."""
_FIRST = {OrderType.SNIPER: 0, OrderType.STOP: 1, OrderType.LIMIT: 2}
"""Which kinds start first. Snipers are in a race, and take no room from the others."""


@dataclass
class PriceWatcher:
    """Looks at the prices of the symbols that it holds, once in `tick_s` seconds.

    `slots` bounds the orders that it has started and no worker has taken yet: see `ChosenStarter`.
    """

    engine: Engine
    waiting: Waiting
    days: Days
    board: QuoteBoard
    references: References
    clock: Clock
    holder: str
    slots: int
    tick_s: float
    monotonic: Callable[[], float] = time.monotonic
    _starter: ChosenStarter = field(init=False)
    _anew_at: dict[str, float] = field(default_factory=dict)
    _left: set[Watched] = field(default_factory=set)
    _whole_at: float = float("-inf")
    _unknown_at: float = float("-inf")
    _turn: int = 0

    def __post_init__(self) -> None:
        self._starter = ChosenStarter(self.engine, self.waiting, self.slots)

    def tick(self) -> bool:
        """Look once; True if more orders are to start than there was room for.

        Between two whole ticks it looks only at those that were left. Raises StorageUnavailable. An
        order, or a symbol, that cannot be looked at does not stop the others.
        """
        began = self.monotonic()
        symbols = [each.symbol for each in self.engine.instruments]
        self._hold_unknown(symbols)
        nearest = self.waiting.hold(self.holder, symbols, LEASE_S)
        watched = self._due(began, nearest)
        room = self._starter.room()
        self._left.update(each for each in watched if room.of(each.type) <= 0)
        watched = [each for each in watched if room.of(each.type) > 0]
        if not watched:
            return bool(self._left)
        anew = self._look_anew({each.symbol for each in watched})
        looks = look_at(watched, self.engine.instruments, self.board, self.references)
        seen = self._seen(watched, looks)
        come = self._come(
            {
                each: price
                for each, price in seen.items()
                if each.symbol in anew or _may_have_come(each, price, nearest[each])
            }
        )
        self._left.difference_update(each for each in watched if each not in come)
        for each in self._in_turn(come):
            self._left.discard(each)
            if room.of(each.type) > 0:
                look = looks[each.symbol]
                started = self._scan_safely(each, look, seen[each], room.of(each.type))
                room.take(each.type, started)
            else:
                self._left.add(each)
        return bool(self._left)

    def stop(self) -> None:
        """Leave the symbols to other watchers at once; raises StorageUnavailable."""
        self.waiting.release(self.holder)

    def _due(self, began: float, watched: Collection[Watched]) -> Collection[Watched]:
        """All kinds in a whole tick; between two of them those with orders that were left.

        Ticks are counted from their beginnings: the leases take more time in some than in others.
        """
        self._left.intersection_update(watched)
        if began < self._whole_at - EARLY * self.tick_s:
            return [each for each in watched if each in self._left]
        self._whole_at = began + self.tick_s
        return watched

    def _seen(
        self, watched: Sequence[Watched], looks: Mapping[str, Look]
    ) -> dict[Watched, SeenPrice]:
        """The prices that count, of those kinds that have a fresh one."""
        found: dict[Watched, SeenPrice] = {}
        for each in watched:
            try:
                look = looks.get(each.symbol)
                seen = None if look is None else look.price_for(each.type, each.side)
            except Exception:
                log.exception("symbol_not_watched", symbol=each.symbol, type=each.type.value)
                continue
            if seen is not None and not self._is_stale(each, seen):
                found[each] = seen
        return found

    def _come(self, near: Mapping[Watched, SeenPrice]) -> Collection[Watched]:
        """Those of these kinds that have candidates, by one question for all, unless they are few.

        The order that is nearest may not start yet, or not any more.
        """
        if len(near) <= FEW_KINDS:
            return near
        try:
            return self.waiting.come(near)
        except StorageUnavailable:
            raise
        except Exception:
            log.exception("look_falls_apart", symbols=sorted({each.symbol for each in near}))
            return near

    def _look_anew(self, symbols: Collection[str]) -> Collection[str]:
        """Look anew at the orders of symbols whose time it is, the most overdue first.

        Returns these: in each tick so few that each has its turn within ANEW_S, since this reads
        all orders of a symbol, and what has come waits meanwhile.
        """
        now, share = self.monotonic(), self.tick_s / ANEW_S
        due = [symbol for symbol in symbols if now >= self._anew_at.get(symbol, now)]
        due.sort(key=lambda symbol: self._anew_at.get(symbol, float("-inf")))
        turn = due[: math.ceil(len(symbols) * share)]
        for symbol in turn:
            self.waiting.look_anew(self.holder, symbol)
            self._anew_at[symbol] = now + ANEW_S
        return turn

    def _hold_unknown(self, symbols: Sequence[str]) -> None:
        """Tell the owners of orders whose symbol has left the instrument file why they wait."""
        now = self.monotonic()
        if now < self._unknown_at:
            return
        self._unknown_at = now + ANEW_S
        held = self.waiting.hold_unknown(symbols)
        if held:
            log.warning("orders_held", orders=len(held), reason=FailureReason.UNKNOWN_SYMBOL.value)

    def _in_turn(self, come: Collection[Watched]) -> list[Watched]:
        """By urgency; of the same kind another symbol begins each time."""
        symbols = sorted({each.symbol for each in come})
        self._turn += 1
        place = {each: (at - self._turn) % len(symbols) for at, each in enumerate(symbols)}
        return sorted(come, key=lambda each: (_FIRST[each.type], place[each.symbol]))

    def _scan_safely(self, watched: Watched, look: Look, seen: SeenPrice, room: int) -> int:
        try:
            return self._scan(watched, look, seen, room)
        except StorageUnavailable:
            raise
        except Exception:
            log.exception("symbol_not_watched", symbol=watched.symbol, type=watched.type.value)
            return 0

    def _scan(self, watched: Watched, look: Look, seen: SeenPrice, room: int) -> int:
        """Start those of one kind that may; returns how many. Notes if some are left."""
        most = min(max(room, LEAST_CANDIDATES), MOST_CANDIDATES)
        found = self.waiting.candidates(watched, seen, most)
        chosen = Chosen(
            put_off=[
                NextLook(each.order_id, each.version, _never(watched, seen))
                for each in found
                if isinstance(each, Unreadable)
            ]
        )
        orders = in_turn(
            watched.type, watched.side, [each for each in found if isinstance(each, Order)]
        )
        purses = Purses.of(orders, self.days, self.engine.max_daily_notional)
        for judged, order in enumerate(orders):
            if chosen.count >= room:
                self._left.add(watched)
                orders = orders[:judged]
                break
            self._judge(order, look, seen, purses, chosen)
        if len(found) == most:
            self._left.add(watched)
            chosen.put_off += passed_over(orders, chosen, _never(watched, seen))
        # First those that are in a hurry.
        started = self._start(watched, seen, chosen)
        if chosen.put_off:
            self.waiting.put_off(chosen.put_off)
        return started

    def _is_stale(self, watched: Watched, seen: SeenPrice) -> bool:
        if is_fresh(seen.at, self.clock.now(), self.tick_s):
            return False
        self.engine.metrics.count(CounterName.STALE_PRICES, watched.symbol)
        return True

    def _judge(
        self, order: Order, look: Look, seen: SeenPrice, purses: Purses, into: Chosen
    ) -> None:
        """Judge one order, and sort it; a bad one is put off, so that it does not stop the scan."""
        try:
            verdict = judge(order, look, seen, self.engine.max_notional, self.engine.home())
            verdict = purses.charged(order, verdict, look, seen)
        except Exception:
            with logging_of(order):
                log.exception("order_not_judged", order_id=str(order.order_id))
            watched = Watched(order.symbol, order.type, order.side)
            verdict = PutOff(_never(watched, seen), FailureReason.ENGINE_ERROR)
        if isinstance(verdict, Trigger):
            into.triggers.append((order, verdict))
        elif isinstance(verdict, PreparedStart):
            into.prepared.append((order, verdict))
        elif verdict is not None:
            if verdict.because is not None:
                log.warning(
                    "order_held",
                    order_id=str(order.order_id),
                    symbol=order.symbol,
                    reason=verdict.because.value,
                )
            into.put_off.append(
                NextLook(order.order_id, order.version, verdict.watch_price, verdict.because)
            )

    def _start(self, watched: Watched, seen: SeenPrice, chosen: Chosen) -> int:
        """Move the chosen orders, and send their messages; returns how many have moved."""
        if not chosen.count or self._is_stale(watched, seen):
            return 0
        started = self._starter.start_prepared(watched.type, seen.at, chosen.prepared)
        return started + self._starter.trigger(watched.type, seen.at, chosen.triggers)


def _may_have_come(watched: Watched, seen: SeenPrice, nearest: Decimal | None) -> bool:
    """Whether the order that is nearest has come; also if a damaged row does not let it be told."""
    if nearest is None or nearest.is_nan():
        return True
    return has_come(watched.type, watched.side, seen.price, nearest)


def _never(watched: Watched, seen: SeenPrice) -> Decimal:
    return out_of_reach(watched.type, watched.side, seen.price)
