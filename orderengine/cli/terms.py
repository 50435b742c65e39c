"""The terms of an order in words: what it waits for, how long, and at which price."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from orderengine.domain.terms import OrderType, TimeInForce

Terms = Mapping[str, Any]

LASTS = {TimeInForce.GTC: "until canceled", TimeInForce.IOC: "in one try"}
STARTS = {"buy": "or above", "sell": "or below"}


def terms_in_words(terms: Terms) -> str:
    """The terms of an order, or of its amendment; empty for a market order."""
    return "" if terms.get("type") == OrderType.MARKET else ", ".join(_parts(terms))


def _parts(terms: Terms) -> Iterator[str]:
    if "limitPrice" in terms:
        yield f"at {terms['limitPrice']} USDC or better"
    if "stopPrice" in terms:
        beyond = STARTS.get(terms.get("side", ""), "or beyond")
        yield f"once the price is {terms['stopPrice']} USDC {beyond}"
    if "trigger" in terms or "minLiquidity" in terms:
        yield pool_in_words(terms.get("trigger", terms))
    if "worstPrice" in terms:
        yield f"at {terms['worstPrice']} USDC at worst"
    if "expiresAt" in terms:
        yield f"until {terms['expiresAt']}"
    elif terms.get("timeInForce") in LASTS:
        yield LASTS[terms["timeInForce"]]


def pool_in_words(trigger: Terms) -> str:
    """What a sniper waits for."""
    least = trigger.get("minLiquidity", "0")
    return f"once a pool is open{f' with at least {least} USDC' if Decimal(least) else ''}"
