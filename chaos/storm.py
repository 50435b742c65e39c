"""Clients that cancel and amend the orders of a load at random moments of their life."""

import heapq
import json
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from typing import Self
from uuid import uuid4

from benchmarks.client import QUANTITIES, SLIPPAGE_BPS
from chaos.changes import ORDERS, UNKNOWN, Change, Document, amend, ask, cancel, cancel_all
from chaos.load import Load, Offers
from harness.waiting import wait_until
from orderengine.config.settings import INSTRUMENTS
from orderengine.domain.instruments import Instruments, parse_instruments
from orderengine.domain.texts import time_text
from orderengine.market.reference import reference_price

SEED = 1
"""The market's default."""
VOLATILITY = 20
SETTINGS = {
    "SIM_VOLATILITY": str(VOLATILITY),
    "SIM_SEED": str(SEED),
    "SIM_SPREAD_BPS": "0-50",
    "RATE_PER_KEY": "0",
    "RATE_PER_ADDRESS": "0",
    "MAX_OPEN_ORDERS": "0",
    "MAX_WAITING_PER_CLIENT": "0",
}
"""Prices move by up to 1 % in 10 s, and no client is refused for its many requests."""

KINDS = ("market", "limit", "limit", "limit", "IOC", "stop", "sniper")
LIFE_S = (4.0, 10.0)
"""The API refuses one of less than a second, also after the request has waited for a process."""
FAR_PERCENT = 2.0
STOPS_AWAY_PERCENT = 0.8
"""The API refuses a stop whose price is reached already."""
TEMPLATES = 2_000
CLIENTS = 24
LOOK_S = 0.02
AGAIN_S = 0.5
ANSWER_LIMIT_S = 60.0
LATEST_S = 6.0
_SIX_DIGITS = Context(prec=6)


def offers(seed: int = 0) -> Offers:
    """Orders of all types, near the price of the moment of their sending; half of them expire."""
    rng = random.Random(seed)
    return Offers([_template(rng) for _ in range(TEMPLATES)], Prices().order)


def _template(rng: random.Random) -> str:
    kind = rng.choice(KINDS)
    lives_s = rng.uniform(*LIFE_S) if rng.random() < 0.5 or kind == "sniper" else None
    return json.dumps(
        {
            "kind": kind,
            "symbol": rng.choice(list(QUANTITIES)),
            "side": rng.choice(("buy", "sell")),
            "percent": rng.uniform(-FAR_PERCENT, FAR_PERCENT),
            "livesS": None if kind == "IOC" else lives_s,
            "deep": rng.random() < 0.3,
        }
    )


@dataclass
class Prices:
    """Makes orders whose prices lie beside those of the simulated market."""

    instruments: Instruments = field(
        default_factory=lambda: parse_instruments(INSTRUMENTS.read_text("utf-8"))
    )

    def near(self, symbol: str, percent: float) -> str:
        """The reference price now, moved by so much."""
        instrument = self.instruments.get(symbol)
        price = reference_price(SEED, instrument, datetime.now(UTC), VOLATILITY)
        return f"{_SIX_DIGITS.multiply(price, Decimal(1 + percent / 100)):f}"

    def order(self, template: str) -> str:
        """The body of a request, made from a template at its sending."""
        given = json.loads(template)
        kind, symbol, side = given["kind"], given["symbol"], given["side"]
        percent: float = given["percent"]
        is_buy = side == "buy"
        order: Document = {
            "symbol": symbol,
            "side": side,
            "quantity": QUANTITIES[symbol],
            "clientOrderId": uuid4().hex,
        }
        if given["livesS"]:
            order["expiresAt"] = in_s(given["livesS"])
        if kind in ("limit", "IOC"):
            order |= {"type": "limit", "limitPrice": self.near(symbol, percent)}
        elif kind == "stop":
            away = (1 if is_buy else -1) * (STOPS_AWAY_PERCENT + abs(percent) / 2)
            order |= {"type": "stop", "stopPrice": self.near(symbol, away)}
        elif kind == "sniper":
            worst = self.near(symbol, 5 if is_buy else -5)
            trigger = (
                {"on": "liquidityAdded", "minLiquidity": "1000000000000"}
                if given["deep"]
                else {"on": "poolOpened"}
            )
            order |= {"type": "sniper", "trigger": trigger, "worstPrice": worst}
        if kind in ("market", "stop"):
            order["slippageBps"] = SLIPPAGE_BPS
        if kind in ("market", "IOC"):
            order["timeInForce"] = "GTD" if given["livesS"] else "IOC"
        return json.dumps(order)

    def terms(self, order: Document, rng: random.Random) -> Document:
        """New terms for an order that waits: another price, or another end."""
        if order.get("expiresAt") and rng.random() < 0.3:
            return {"expiresAt": in_s(rng.uniform(*LIFE_S))}
        names = {"limit": "limitPrice", "stop": "stopPrice"}
        name = names.get(order["type"], "worstPrice")
        percent = rng.uniform(-FAR_PERCENT, FAR_PERCENT)
        if name == "worstPrice":
            percent = 6 if order["side"] == "buy" else -6
        return {name: self.near(order["symbol"], percent)}


def in_s(seconds: float) -> str:
    """The time so many seconds ahead, as in JSON."""
    return time_text(datetime.now(UTC) + timedelta(seconds=seconds))


@dataclass(order=True)
class _Plan:
    at: float
    number: int
    act: Callable[[], None] = field(compare=False)


class Storm:
    """Changes most orders of a load, each once or a few times; `changes` gets the answers."""

    def __init__(self, port: int, load: Load, rng: random.Random, changes: list[Change]) -> None:
        self._port, self._load, self._rng, self._changes = port, load, rng, changes
        self._prices = Prices()
        self._plans: list[_Plan] = []
        self._seen = 0
        self._stopping = threading.Event()
        self._clients = ThreadPoolExecutor(CLIENTS)
        self._thread = threading.Thread(target=self._run, name="storm")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        self._clients.shutdown()

    def sweep(self) -> None:
        """Cancel all open orders until the answer counts none; raises TimeoutError."""
        wait_until(self._has_canceled_all, ANSWER_LIMIT_S, "orders stay open", pause_s=AGAIN_S)

    def _has_canceled_all(self) -> bool:
        counts = cancel_all(self._port)
        return counts is not None and not any(counts.values())

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_S):
            fresh = self._load.answers[self._seen :]
            self._seen += len(fresh)
            for answer in fresh:
                if answer.order_id:
                    self._plan(answer.order_id)
            while self._plans and self._plans[0].at <= time.monotonic():
                self._clients.submit(heapq.heappop(self._plans).act)

    def _plan(self, order_id: str) -> None:
        dice = random.Random(self._rng.random())
        roll = dice.random()
        if roll < 0.35:
            self._at(dice, lambda: self._cancel(order_id))
        elif roll < 0.45:
            self._at(dice, lambda: self._cancel_by_name(order_id))
        elif roll < 0.55:
            later_s = LATEST_S * dice.random() ** 2
            for _ in range(2):  # two clients at once
                self._after(later_s, lambda: self._cancel(order_id))
        elif roll < 0.8:
            self._at(dice, lambda: self._amend(order_id, dice))
            if dice.random() < 0.5:
                self._at(dice, lambda: self._cancel(order_id))

    def _at(self, dice: random.Random, act: Callable[[], None]) -> None:
        """Plan an act for some moment; early ones are more frequent, as most orders end early."""
        self._after(LATEST_S * dice.random() ** 2, act)

    def _after(self, seconds: float, act: Callable[[], None]) -> None:
        plan = _Plan(time.monotonic() + seconds, self._rng.randrange(2**63), act)
        heapq.heappush(self._plans, plan)

    def _cancel(self, order_id: str, name: str | None = None) -> None:
        """Ask until there is an answer: without one, nobody knows if the order is canceled."""
        deadline = time.monotonic() + ANSWER_LIMIT_S
        while time.monotonic() < deadline:
            change = cancel(self._port, order_id, name)
            self._changes.append(change)
            if change.status not in UNKNOWN:
                return
            time.sleep(AGAIN_S)

    def _cancel_by_name(self, order_id: str) -> None:
        order = self._read(order_id)
        if order is not None:
            self._cancel(order_id, order["clientOrderId"])

    def _amend(self, order_id: str, dice: random.Random) -> None:
        order = self._read(order_id)
        if order is not None and order["type"] != "market":
            self._changes.append(amend(self._port, order, self._prices.terms(order, dice)))

    def _read(self, order_id: str) -> Document | None:
        status, order = ask(self._port, "GET", f"{ORDERS}/{order_id}")
        return order if status == 200 else None
