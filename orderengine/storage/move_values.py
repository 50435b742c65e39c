"""The values of moves, as their statements take them."""

from typing import Any

from orderengine.domain.delays import RecoveryDelays
from orderengine.domain.documents import fill_document, route_document
from orderengine.domain.json_text import json_text
from orderengine.domain.moves import (
    AMENDED,
    Amend,
    Build,
    Confirm,
    EndCanceled,
    EndExpired,
    Fail,
    FailAttempt,
    Move,
    NotFilled,
    Rest,
    StartRouting,
    Submit,
    Trigger,
)
from orderengine.storage.daily import charge_values


def values_of(move: Move, delays: RecoveryDelays) -> dict[str, Any]:
    """The parameters of a move's statement for one order, besides those that all moves have."""
    match move:
        case StartRouting():
            return {"due_s": delays.after(move), "recovery": int(move.restarts_attempt)}
        case Build():
            return {"due_s": delays.after(move), **_route_values(move)}
        case Submit(transaction=transaction):
            return {
                "due_s": delays.after(move),
                "signature": transaction.signature,
                "payload": transaction.payload,
                "last_valid_height": transaction.last_valid_height,
                "network": transaction.network,
                "wallet": transaction.wallet,
                "slot": transaction.slot,
            }
        case Confirm():
            return _fill_values(move)
        case FailAttempt(reason=reason, detail=detail):
            return {"due_s": delays.after(move), "reason": reason.value, "detail": detail}
        case Fail(reason=reason, detail=detail) | NotFilled(reason=reason, detail=detail):
            return {"reason": reason.value, "detail": detail}
        case Trigger() | Rest() | Amend() | EndCanceled() | EndExpired():
            return _values_of_waiting(move, delays)


def _route_values(move: Build) -> dict[str, Any]:
    route = move.route
    return {
        "route": json_text(route_document(route)),
        "dex": route.venue,
        "quoted_price": route.price,
        "quote_amount": route.quote_amount,
        "base_amount": route.base_amount,
        "limit_amount": move.limit_amount,
        "expires_at": route.expires_at,
    }


def _fill_values(move: Confirm) -> dict[str, Any]:
    fill = move.fill
    return {
        "signature": move.signature,
        "quoted_price": move.quoted_price,
        "fill": json_text(fill_document(fill)),
        "executed_price": fill.executed_price,
        "slippage_bps": fill.slippage_bps,
        "base_amount": fill.base_amount,
        "quote_amount": fill.quote_amount,
        "fee": fill.fee,
        "landed_at": fill.landed_at,
    }


def _values_of_waiting(
    move: Trigger | Rest | Amend | EndCanceled | EndExpired, delays: RecoveryDelays
) -> dict[str, Any]:
    match move:
        case Trigger():
            return {"due_s": delays.after(move), **charge_values(move.daily)}
        case Rest(paid=paid):
            return {"paid": int(paid)}
        case Amend():
            terms = {name: getattr(move, name) for name in AMENDED}
            return {**terms, "time_in_force": move.time_in_force.value}
        case EndCanceled() | EndExpired():
            return {}
