"""Limits whose marginal price fits and whose own size does not: they write no event."""

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from decimal import Decimal

from benchmarks.stack import NO_DELAYS
from benchmarks.waiting.desk import Desk, Figure, Size, a_desk
from benchmarks.waiting.rows import add_alike

SYMBOL = "AAPL"
SMALL = 1
FAR = Decimal("1.04")
"""How far at least the price of their own size is above that of a small one.

The limit lies in the middle, further from both than the path of the prices goes in ten minutes.
"""
LOOK_S = 1.0
REFUSED = 422
SETTINGS = NO_DELAYS | {"SIM_SPREAD_BPS": "0-0"}


def measure(size: Size) -> list[Figure]:
    """Count the events that are written while these orders wait."""
    with a_desk(**SETTINGS) as desk:
        small, quantity, own = _sizes(desk)
        order_ids = add_alike(
            desk.database,
            symbol=SYMBOL,
            side="buy",
            quantity=str(quantity),
            type="limit",
            price=str(((small + own) / 2).quantize(Decimal("0.01"))),
            count=size.unfit,
        )
        before = _events(desk)
        ends_at = time.monotonic() + size.minutes * 60
        while time.monotonic() < ends_at:
            desk.stack.require_running()
            time.sleep(min(LOOK_S, size.minutes * 60))
        written = _events(desk) - before
        put_off = desk.scalar("SELECT count(*) FROM orders WHERE watch_price < limit_price")
        waiting = desk.scalar("SELECT count(*) FROM orders WHERE status = 'waiting'")
    return [
        Figure("orders whose own size does not fit", len(order_ids)),
        Figure("of these put off to a better price", put_off),
        Figure("of these waiting at the end", waiting),
        Figure(f"events that they wrote in {size.minutes:g} min", written, "", 0),
    ]


def _sizes(desk: Desk) -> tuple[Decimal, int, Decimal]:
    """The price of a small order, and the largest quantity that the pools take, with its price."""
    small = own = _price(desk, SMALL) or Decimal(0)
    quantity = SMALL
    while (price := _price(desk, _larger(quantity))) is not None:
        quantity, own = _larger(quantity), price
    if own < small * FAR:
        raise RuntimeError(f"{quantity} cost {own}, and {SMALL} cost {small}")
    return small, quantity, own


def _larger(quantity: int) -> int:
    return quantity * 5 // 4 + 1


def _events(desk: Desk) -> float:
    return desk.scalar("SELECT count(*) FROM order_events")


def _price(desk: Desk, quantity: int) -> Decimal | None:
    """What a token costs in an order of this size; None if the pools do not hold so much."""
    asked = {"symbol": SYMBOL, "side": "buy", "quantity": str(quantity)}
    url = f"{desk.stack.url}/api/quotes?{urllib.parse.urlencode(asked)}"
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - a URL of ours
            return Decimal(str(json.loads(answer.read())["quotedPrice"]))
    except urllib.error.HTTPError as refusal:
        if refusal.code != REFUSED:
            raise
        return None
