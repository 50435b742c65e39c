"""Requests to the node, counted there: of a stack without orders, and while orders wait."""

import json
import time
import urllib.request
from collections import Counter
from decimal import Decimal

from benchmarks.client import HEADERS
from benchmarks.live.desk import Desk, Size, live_desk
from benchmarks.waiting.desk import Figure, listed
from orderengine.domain.instruments import Instrument
from orderengine.domain.texts import decimal_text

MOST_IDLE_PER_S = 2.0
TICK_S = 0.5
SYMBOLS = 5
SETTLED_S = 2.0


def measure(size: Size) -> list[Figure]:
    """Idle, and with orders of several symbols that wait for prices that never come."""
    with live_desk(size.block_ms[0], WATCH_TICK_MS=str(round(TICK_S * 1000))) as live:
        time.sleep(SETTLED_S)
        idle = _asked(live, size.idle_s)
        for instrument in list(listed().values())[:SYMBOLS]:
            _let_wait(live, instrument)
        time.sleep(SETTLED_S)
        waiting = _asked(live, size.ticks_s)
    ticks, most = size.ticks_s / TICK_S, 1 + SYMBOLS
    name = f"orders of {SYMBOLS} symbols wait"
    return [
        Figure("no order and no page", idle.total() / size.idle_s, "a second", MOST_IDLE_PER_S),
        *_by_method(idle, size.idle_s, "a second"),
        Figure(name, waiting.total() / ticks, "a tick", most),
        *_by_method(waiting, ticks, "a tick"),
    ]


def _asked(live: Desk, seconds: float) -> Counter[str]:
    before = live.requests()
    time.sleep(seconds)
    return live.requests() - before


def _by_method(asked: Counter[str], parts: float, unit: str) -> list[Figure]:
    return [Figure(f"  {name}", count / parts, unit) for name, count in asked.most_common()]


def _let_wait(live: Desk, instrument: Instrument) -> None:
    """Place a limit order for each side and a stop, all far from the price of now."""
    low, high = (instrument.reference_price * Decimal(each) for each in ("0.1", "10"))
    common = {"symbol": instrument.symbol, "quantity": decimal_text(instrument.min_quantity)}
    for terms in (
        {"type": "limit", "side": "buy", "limitPrice": decimal_text(low)},
        {"type": "limit", "side": "sell", "limitPrice": decimal_text(high)},
        {"type": "stop", "side": "sell", "stopPrice": decimal_text(low), "slippageBps": 300},
    ):
        body = json.dumps(common | terms).encode()
        url = f"{live.stack.url}/api/orders/execute"
        request = urllib.request.Request(url, body, HEADERS)  # noqa: S310
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            answer.read()
