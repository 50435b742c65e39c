"""Requests that change orders: an amendment, and a cancel of many."""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from flask import Request

from orderengine.api.answers.problems import ErrorCode, Refused
from orderengine.api.validation import terms
from orderengine.api.validation.decimals import ExactDecimal
from orderengine.api.validation.fields import Choice, ShortText
from orderengine.api.validation.inputs import load, read_query, validation_error
from orderengine.api.validation.requests import RequestSchema
from orderengine.api.validation.strict_json import read_object
from orderengine.api.validation.swaps import VISIBLE
from orderengine.domain.errors import Violation
from orderengine.domain.order import NewOrder, Order
from orderengine.domain.pricing import USDC_DECIMALS
from orderengine.domain.terms import terms_violation

MATCH_HEADER = "If-Match"
_TAG = r"(?:W/)?(\"[!#-~]*\")"
_A_TAG = re.compile(_TAG)
_TAGS = re.compile(rf"\*|{_TAG}(?:[ \t]*,[ \t]*{_TAG})*")


class AmendmentSchema(RequestSchema):
    """New terms of an order that waits; absent terms stay as they are."""

    quantity = ExactDecimal(metadata={"description": "Whole tokens, if the order names them."})
    quote_quantity = ExactDecimal(
        USDC_DECIMALS, metadata={"description": "USDC, if the order names so much."}
    )
    worst_price = ExactDecimal(
        metadata={"description": "The worst acceptable price of every attempt, as in the order."}
    )
    limit_price = terms.limit_price()
    stop_price = terms.stop_price()
    expires_at = terms.expires_at()


class All(StrEnum):
    """The only value of the parameter `all`."""

    TRUE = "true"


class CancelSchema(RequestSchema):
    """Which open orders to cancel: those of an instrument, or all."""

    symbol = ShortText(metadata={"description": "All orders of this instrument.", **VISIBLE})
    all = Choice(All, metadata={"description": "All orders."})


def read_amendment(request: Request) -> dict[str, Any]:
    """The values that an amendment changes; raises Refused.

    Null is refused, since it is ambiguous: other services remove a value by it, while in a new
    order of this one a field with null counts as absent.
    """
    body = read_object(request)
    nulls = [name for name, value in body.items() if value is None]
    known = [str(each.data_key) for each in _AMENDMENT.load_fields.values()]
    if nulls:
        told = "must not be null; a field that is to stay as it is must be left out"
        named = [name for name in known if name in nulls]
        if named:
            raise validation_error([Violation(name, "type", told) for name in named])
    values = load(_AMENDMENT, body)
    if not values:
        told = f"must change at least one of: {', '.join(known)}"
        raise validation_error([Violation("body", "empty", told)])
    return values


_AMENDMENT = AmendmentSchema()


def read_cancel(request: Request) -> str | None:
    """The symbol whose orders are to be canceled, None for all orders; raises Refused."""
    wanted = read_query(_CANCEL, request)
    if len(wanted) != 1:
        told = "must be given, or else all=true, and not both"
        raise validation_error([Violation("symbol", "combination", told)])
    symbol: str | None = wanted.get("symbol")
    return symbol


_CANCEL = CancelSchema()


def entity_tag(order: Order) -> str:
    """The ETag of an order: its version, which every step raises."""
    return f'"{order.version}"'


def matches(request: Request, order: Order) -> bool:
    """Whether the request means the order as it is now; raises Refused without `If-Match`.

    A tag counts although it is marked as weak, as proxies mark it when they compress an answer: the
    version tells all of an order's terms.
    """
    given = request.headers.get(MATCH_HEADER)
    if given is None:
        told = f"send {MATCH_HEADER} with the order's version, as its ETag has it"
        raise Refused(428, ErrorCode.PRECONDITION_REQUIRED, told)
    if not _TAGS.fullmatch(given):
        told = 'must be a version in quotes, such as "3"'
        raise validation_error([Violation(MATCH_HEADER, "entity_tag", told)])
    return given == "*" or entity_tag(order) in _A_TAG.findall(given)


def broken_terms(order: NewOrder) -> Violation | None:
    """The rule that a changed order breaks, as it would in a new request."""
    if order.quantity is not None and order.quote_quantity is not None:
        told = "must not be given beside the order's other amount: one of them is exact"
        return Violation("quoteQuantity", "exclusive", told)
    values: Mapping[str, Any] = {
        "trigger": order.pool_trigger,
        **{field: getattr(order, field) for field in terms.NAMES if field != "trigger"},
    }
    given = [terms.NAMES[field] for field, value in values.items() if value is not None]
    expires = order.expires_at is not None
    return terms_violation(order.type, given, order.time_in_force, expires=expires)
