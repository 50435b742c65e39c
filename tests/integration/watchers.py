"""A price watcher on a real PostgreSQL, with venues and a reference price that a test sets."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Engine as Database
from sqlalchemy import text

from orderengine.domain.home import ANYWHERE, Home
from orderengine.domain.instruments import Instrument, Instruments
from orderengine.domain.order import NewOrder, Order, OrderStatus
from orderengine.domain.side import Side
from orderengine.domain.terms import OrderType, TimeInForce
from orderengine.execution.chain.engine import Engine
from orderengine.execution.operations.counters import ProcessMetrics
from orderengine.execution.waiting.prices import REFERENCE, SeenPrice
from orderengine.execution.waiting.watcher import PriceWatcher
from orderengine.storage.clock import DatabaseClock
from orderengine.storage.daily import SqlDays
from orderengine.storage.orders import SqlOrders
from orderengine.storage.triggers import SqlWaiting
from tests.conftest import a_new_order
from tests.fake_network import FakeNetwork
from tests.fakes import FakeBoard, FakeDispatcher, FakePublisher

# So long that a price does not grow stale on a slow machine.
TICK_S = 4.0


@dataclass
class LateClock:
    """The database's clock, `late_s` behind: prices that were seen some time ago."""

    database: DatabaseClock
    late_s: float = 0.0

    def now(self) -> datetime:
        return self.database.now() - timedelta(seconds=self.late_s)


@dataclass
class FakeReferences:
    """A reference price that a test sets, seen now."""

    clock: LateClock
    price: Decimal = Decimal(230)

    def seen_all(self, instruments: Sequence[Instrument]) -> list[SeenPrice | None]:
        return [self.seen(instrument) for instrument in instruments]

    def seen(self, instrument: Instrument) -> SeenPrice:
        return SeenPrice(self.price, self.clock.now(), REFERENCE)


@dataclass
class Watch:
    """A watcher and its surroundings; several may share a database."""

    database: Database
    instruments: Instruments
    holder: str = "one"
    slots: int = 10
    max_daily_notional: int = 0
    home: Home = ANYWHERE
    now: list[float] = field(default_factory=lambda: [1000.0])

    def __post_init__(self) -> None:
        self.orders = SqlOrders(self.database, home=lambda: self.home)
        clock = DatabaseClock(self.database)
        self.seen_at = LateClock(clock)
        self.board = FakeBoard(self.seen_at)
        self.references = FakeReferences(self.seen_at)
        self.dispatcher = FakeDispatcher()
        self.publisher = FakePublisher()
        self.metrics = ProcessMetrics()
        engine = Engine(
            orders=self.orders,
            board=self.board,
            network=FakeNetwork(),
            publisher=self.publisher,
            dispatcher=self.dispatcher,
            instruments=self.instruments,
            metrics=self.metrics,
            clock=clock,
            max_attempts=3,
            attempt_backoff_s=float,
            max_daily_notional=self.max_daily_notional,
            home=lambda: self.home,
        )
        self.watcher = PriceWatcher(
            engine=engine,
            waiting=SqlWaiting(self.database),
            days=SqlDays(self.database),
            board=self.board,
            references=self.references,
            clock=clock,
            holder=self.holder,
            slots=self.slots,
            tick_s=TICK_S,
            monotonic=lambda: self.now[0],
        )

    def tick(self, after_s: float = TICK_S) -> bool:
        """A tick so many seconds after the last one."""
        self.now[0] += after_s
        return self.watcher.tick()

    def ask(self, price: str) -> None:
        """Let every venue trade at a price."""
        self.board.answers = {"raydium": Decimal(price), "meteora": Decimal(price)}

    def limit(self, price: str, side: Side = Side.BUY, **changed: Any) -> UUID:
        return self._accept(
            side,
            type=OrderType.LIMIT,
            limit_price=Decimal(price),
            slippage_tolerance_bps=None,
            **changed,
        )

    def stop(self, price: str, side: Side = Side.SELL, **changed: Any) -> UUID:
        return self._accept(side, type=OrderType.STOP, stop_price=Decimal(price), **changed)

    def sniper(self, least: str, **changed: Any) -> UUID:
        from orderengine.domain.terms import TriggerOn

        return self._accept(
            Side.BUY,
            type=OrderType.SNIPER,
            trigger_on=TriggerOn.LIQUIDITY_ADDED,
            min_liquidity=Decimal(least),
            worst_price=Decimal(1000),
            time_in_force=TimeInForce.GTD,
            expires_at=self.seen_at.now() + timedelta(hours=1),
            **changed,
        )

    def _accept(self, side: Side, **changed: Any) -> UUID:
        given: dict[str, Any] = {"time_in_force": TimeInForce.GTC, "base_decimals": 6, **changed}
        request: NewOrder = replace(a_new_order(side), **given)
        return self.orders.accept(request).order.order_id

    def order(self, order_id: UUID) -> Order:
        order = self.orders.get(order_id)
        assert order is not None
        return order

    def status(self, order_id: UUID) -> OrderStatus:
        return self.order(order_id).status

    @property
    def started(self) -> list[UUID]:
        """The orders whose chains were dispatched, in their order."""
        return [sent.order_id for sent in self.dispatcher.sent]

    def run(self, statement: str, **values: Any) -> list[Any]:
        with self.database.connect() as connection:
            found = connection.execute(text(statement), values)
            return list(found) if found.returns_rows else []

    def watch_price(self, order_id: UUID) -> Decimal:
        ((price,),) = self.run("SELECT watch_price FROM orders WHERE id = :id", id=order_id)
        assert isinstance(price, Decimal)
        return price
