"""Values of the domain as JSON documents: the one form for storage, streams and answers.

Names are camelCase; prices, fees and amounts are decimal strings, times RFC 3339 in UTC.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from orderengine.domain.errors import FailureReason
from orderengine.domain.events import OrderEvent
from orderengine.domain.order import FailedAttempt, Fill, FillLeg
from orderengine.domain.routing import Quote, Route, RouteReason
from orderengine.domain.side import Side

Document = dict[str, Any]

# The limit of a swap: the most that a buy pays in, the least that a sell gets out.
_LIMITS = {Side.BUY: "maxIn", Side.SELL: "minOut"}


def time_text(moment: datetime) -> str:
    """An aware time as RFC 3339 text in UTC with microseconds."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def time_from(text: str) -> datetime:
    """Read `time_text`'s form."""
    return datetime.fromisoformat(text)


def decimal_text(value: Decimal) -> str:
    """A decimal without exponent and without trailing zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent_text(bps: Decimal) -> str:
    """Basis points as a percentage."""
    return decimal_text(bps / 100)


def quote_document(quote: Quote) -> Document:
    """A quote as a document; `quote_from` reads it back without loss."""
    return {
        "dex": quote.venue,
        "pool": quote.pool,
        "poolKind": quote.pool_kind,
        "side": quote.side.value,
        "baseAmount": str(quote.base_amount),
        "baseDecimals": quote.base_decimals,
        "quoteAmount": str(quote.quote_amount),
        _LIMITS[quote.side]: str(quote.limit_amount),
        "price": decimal_text(quote.price),
        "midPrice": decimal_text(quote.mid_price),
        "fee": decimal_text(quote.fee),
        "marketImpactBps": decimal_text(quote.market_impact_bps),
        "quotedAt": time_text(quote.quoted_at),
        "expiresAt": time_text(quote.expires_at),
    }


def quote_from(document: Mapping[str, Any]) -> Quote:
    """Read `quote_document`'s form."""
    side = Side(document["side"])
    return Quote(
        venue=document["dex"],
        pool=document["pool"],
        pool_kind=document["poolKind"],
        side=side,
        base_amount=int(document["baseAmount"]),
        base_decimals=document["baseDecimals"],
        quote_amount=int(document["quoteAmount"]),
        limit_amount=int(document[_LIMITS[side]]),
        price=Decimal(document["price"]),
        mid_price=Decimal(document["midPrice"]),
        fee=Decimal(document["fee"]),
        market_impact_bps=Decimal(document["marketImpactBps"]),
        quoted_at=time_from(document["quotedAt"]),
        expires_at=time_from(document["expiresAt"]),
    )


def route_document(route: Route) -> Document:
    """A route as a document; `route_from` reads it back without loss."""
    return {
        "dex": route.venue,
        "routeReason": route.reason.value,
        "routeDetail": route.detail,
        "legs": [quote_document(leg) for leg in route.legs],
        "quotes": [quote_document(quote) for quote in route.quotes],
        "refusals": dict(route.refusals),
    }


def route_from(document: Mapping[str, Any]) -> Route:
    """Read `route_document`'s form."""
    return Route(
        legs=tuple(quote_from(item) for item in document["legs"]),
        quotes=tuple(quote_from(item) for item in document["quotes"]),
        refusals=dict(document["refusals"]),
        reason=RouteReason(document["routeReason"]),
        detail=document["routeDetail"],
    )


def fill_document(fill: Fill) -> Document:
    """A fill as a document; `fill_from` reads it back without loss."""
    return {
        "baseAmount": str(fill.base_amount),
        "quoteAmount": str(fill.quote_amount),
        "executedPrice": decimal_text(fill.executed_price),
        "fee": decimal_text(fill.fee),
        "marketImpactBps": decimal_text(fill.market_impact_bps),
        "slippagePct": percent_text(fill.slippage_bps),
        "landedAt": time_text(fill.landed_at),
        "executedLegs": [fill_leg_document(leg) for leg in fill.legs],
    }


def fill_from(document: Mapping[str, Any]) -> Fill:
    """Read `fill_document`'s form."""
    return Fill(
        base_amount=int(document["baseAmount"]),
        quote_amount=int(document["quoteAmount"]),
        executed_price=Decimal(document["executedPrice"]),
        fee=Decimal(document["fee"]),
        market_impact_bps=Decimal(document["marketImpactBps"]),
        slippage_bps=Decimal(document["slippagePct"]) * 100,
        landed_at=time_from(document["landedAt"]),
        legs=tuple(fill_leg_from(leg) for leg in document["executedLegs"]),
    )


def fill_leg_document(leg: FillLeg) -> Document:
    """One swap of a fill as a document; `fill_leg_from` reads it back without loss."""
    return {
        "dex": leg.venue,
        "pool": leg.pool,
        "baseAmount": str(leg.base_amount),
        "quoteAmount": str(leg.quote_amount),
        "fee": decimal_text(leg.fee),
        "marketImpactBps": decimal_text(leg.market_impact_bps),
    }


def fill_leg_from(document: Mapping[str, Any]) -> FillLeg:
    """Read `fill_leg_document`'s form."""
    return FillLeg(
        venue=document["dex"],
        pool=document["pool"],
        base_amount=int(document["baseAmount"]),
        quote_amount=int(document["quoteAmount"]),
        fee=Decimal(document["fee"]),
        market_impact_bps=Decimal(document["marketImpactBps"]),
    )


def failed_attempt_document(failed: FailedAttempt) -> Document:
    """A failed attempt as a document; `failed_attempt_from` reads it back."""
    return {"attempt": failed.attempt, "reason": failed.reason.value, "detail": failed.detail}


def failed_attempt_from(document: Mapping[str, Any]) -> FailedAttempt:
    """Read `failed_attempt_document`'s form."""
    return FailedAttempt(document["attempt"], FailureReason(document["reason"]), document["detail"])


def event_document(event: OrderEvent) -> Document:
    """An event as a document, for streams and for the list of events.

    Venue, price (quoted, then executed) and transaction appear in the data of the step that brings
    them, and also at the top level: older clients read them there.
    """
    data = event.data
    price = data.get("executedPrice", data.get("quotedPrice"))
    top = {"dex": data.get("dex"), "price": price, "txHash": data.get("txHash")}
    return {
        "orderId": str(event.order_id),
        "seq": event.seq,
        "status": event.status.value,
        "attempt": event.attempt,
        "at": time_text(event.occurred_at),
        **{name: value for name, value in top.items() if value is not None},
        "data": dict(data),
    }
