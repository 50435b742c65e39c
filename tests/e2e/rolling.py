"""The processes of two releases on one database, and the orders of their clients."""

import json
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Engine, text

from harness.waiting import wait_until
from orderengine.config.settings import INSTRUMENTS
from orderengine.domain.instruments import parse_instruments
from orderengine.domain.texts import time_text
from orderengine.market.reference import reference_price
from tests.e2e.stack import ASK_PAUSE_S, TIMEOUT_S, Document, Following, Stack
from tests.simulations import a_simulation

VOLATILITY = 50
AAPL = parse_instruments(INSTRUMENTS.read_text("utf-8")).get("AAPL")
HALF = Decimal("0.5")
LOOSE = {"slippageBps": 1000}


@dataclass
class Deploy:
    """The processes of both releases on one database, and the orders of their clients by kind."""

    old: Stack
    new: Stack
    database: Engine
    placed: dict[str, list[str]] = field(default_factory=dict)
    told_by_old: dict[str, Any] = field(default_factory=dict)
    live: list[Following] = field(default_factory=list)

    def place(self, kind: str, count: int, stack: Stack, **order: object) -> None:
        asked = {"symbol": "AAPL", "side": "buy", "quantity": "1", **order}
        asked = {name: value for name, value in asked.items() if value is not None}
        self.placed.setdefault(kind, []).extend(stack.place(**asked) for _ in range(count))

    def statuses(self, kind: str) -> Counter[str]:
        return Counter(str(self.new.order(each)["status"]) for each in self.placed[kind])

    def until(self, kind: str, *statuses: str) -> None:
        """Wait until all orders of a kind have one of these statuses."""
        wait_until(
            lambda: set(self.statuses(kind)) <= set(statuses),
            TIMEOUT_S,
            kind,
            pause_s=ASK_PAUSE_S,
        )

    def rows(self, statement: str) -> list[Any]:
        with self.database.connect() as connection:
            return list(connection.execute(text(statement)))

    @contextmanager
    def trading(self) -> Iterator[None]:
        """Market orders at the old web, one after the other, until the end of the block."""
        is_over = threading.Event()

        def trade() -> None:
            while not is_over.wait(0.15):
                self.place("market at the old web", 1, self.old, **LOOSE)

        with ThreadPoolExecutor(1) as threads:
            trader = threads.submit(trade)
            try:
                yield
            finally:
                is_over.set()
        trader.result()


def send(stack: Stack, method: str, path: str) -> tuple[int, Document]:
    request = urllib.request.Request(stack.url + path, method=method)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.load(refused)


def a_stop_that_fires() -> dict[str, str]:
    """A stop that is not reached now but within seconds: the path of the prices is known ahead."""
    now, seed = datetime.now(UTC), a_simulation().seed
    first, *later = (
        reference_price(seed, AAPL, now + timedelta(seconds=s), VOLATILITY) for s in range(21)
    )
    rise, fall = max(later) - first, first - min(later)
    price = first + rise * HALF if rise > fall else first - fall * HALF
    return {
        "type": "stop",
        "side": "buy" if rise > fall else "sell",
        "stopPrice": f"{price:.4f}",
    }


def later(seconds: float) -> str:
    return time_text(datetime.now(UTC) + timedelta(seconds=seconds))


def moved_by(stack: Stack) -> Mapping[str, set[str]]:
    """The orders that a stack's worker has moved, by the status of each step."""
    moved: dict[str, set[str]] = {}
    for line in stack.log_lines("worker"):
        if line.get("event") == "order_moved":
            moved.setdefault(line["status"], set()).add(line["order_id"])
    return moved
