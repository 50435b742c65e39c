"""The terms of an order in a request: its type, its prices, what it waits for, and how long."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar

from marshmallow import RAISE, Schema, ValidationError, fields, missing

from orderengine.api.validation.decimals import DECIMAL_TEXT, ExactDecimal
from orderengine.api.validation.fields import MAX_DIGITS, BrokenRule, Choice, RuleField
from orderengine.api.validation.strict_json import shown
from orderengine.domain.terms import (
    LEAST_LIFE_S,
    MOST_LIFE_DAYS,
    RULES,
    OrderType,
    PoolTrigger,
    TimeInForce,
    TriggerOn,
    liquidity_violation,
    settled_time,
    terms_violation,
)

DEFAULT_SLIPPAGE_BPS = 100

# To the microsecond, as PostgreSQL stores times; an offset has at most 23 hours.
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?"
    r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)


class Moment(RuleField[datetime]):
    """A time, RFC 3339 with an offset and at most six digits of a second; read as UTC."""

    rules: ClassVar[Mapping[str, str]] = {
        "type": "must be a string",
        "time": "must be a time such as 2026-11-24T23:39:37Z or 2026-11-24T23:39:37.5+01:00",
    }
    openapi: ClassVar[Mapping[str, Any]] = {"type": "string", "format": "date-time"}

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> datetime:
        if not isinstance(value, str):
            raise self.make_error("type")
        if not _MOMENT.fullmatch(value):
            raise self.make_error("time")
        try:
            return datetime.fromisoformat(value.upper()).astimezone(UTC)
        except (OverflowError, ValueError):
            raise self.make_error("time") from None


class Liquidity(ExactDecimal):
    """An ExactDecimal that may be 0."""

    rules: ClassVar[Mapping[str, str]] = {**ExactDecimal.rules, "positive": "must not be negative"}
    openapi: ClassVar[Mapping[str, Any]] = {
        "anyOf": [
            {
                **DECIMAL_TEXT,
                "title": "AmountString",
                "pattern": rf"^([1-9][0-9]{{0,{MAX_DIGITS - 1}}}|0)(\.[0-9]+)?$",
            },
            {
                "title": "AmountNumber",
                "type": "number",
                "minimum": 0,
                "exclusiveMaximum": float(f"1e{MAX_DIGITS}"),
            },
        ],
        "examples": ["50000"],
    }

    def is_allowed(self, number: Decimal) -> bool:
        """True from 0 on."""
        return number >= 0


class PoolTriggerRequestSchema(Schema):
    """What a sniper waits for: a pool that is open and has so much USDC."""

    class Meta:
        """Documented as closed."""

        unknown = RAISE

    on = Choice(TriggerOn, required=True, metadata={"examples": ["poolOpened"]})
    min_liquidity = Liquidity(
        data_key="minLiquidity",
        metadata={
            "description": "The least USDC in the pool; required for `liquidityAdded`, else 0."
        },
    )


class Trigger(RuleField[PoolTrigger], fields.Nested):
    """The condition of a sniper; a refusal names the member."""

    rules: ClassVar[Mapping[str, str]] = {"type": "must be an object"}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(nested=PoolTriggerRequestSchema, **kwargs)

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> PoolTrigger:
        if not isinstance(value, dict):
            raise self.make_error("type")
        left = {name: member for name, member in value.items() if member is not None}
        read: dict[str, Any] = {}
        broken: list[BrokenRule] = []
        for name, field in self.schema.load_fields.items():
            key = str(field.data_key or name)
            try:
                read[name] = field.deserialize(left.pop(key, missing), key, value)
            except ValidationError as error:
                told: Any = error.messages
                broken += [BrokenRule(rule, text, f".{key}") for rule, text, _ in told]
        listed = "is not a field here; the fields are: on, minLiquidity"
        broken += [BrokenRule("unknown", listed, f".{shown(name)}") for name in left]
        if broken:
            raise ValidationError(broken)
        return self._whole(read)

    def _whole(self, read: Mapping[str, Any]) -> PoolTrigger:
        least = read["min_liquidity"]
        trigger = PoolTrigger(read["on"], Decimal(0) if least is missing else least)
        found = liquidity_violation(trigger)
        if found is not None:
            member = found.field.removeprefix("trigger")
            raise ValidationError([BrokenRule(found.rule, found.message, member)])
        return trigger


def order_type() -> Choice[OrderType]:
    """The field `type`."""
    told = (
        "`market` starts at once and is the default; `limit` waits for `limitPrice`, `stop` for "
        "`stopPrice`, `sniper` for its `trigger`. Other fields than those of its type are refused."
    )
    return Choice(OrderType, metadata={"description": told})


def limit_price() -> ExactDecimal:
    """The field `limitPrice`."""
    told = (
        "The price of a limit order for its own size, in USDC for one token, fees and impact "
        "included: the maximum for a buy, the minimum for a sell. With `timeInForce` `IOC` the "
        "order does not wait."
    )
    return ExactDecimal(metadata={"description": told})


def stop_price() -> ExactDecimal:
    """The field `stopPrice`."""
    told = (
        "The reference price that starts a stop order, in USDC: a buy when it is reached or "
        "above, a sell when it is reached or below. From then on it is a market order."
    )
    return ExactDecimal(metadata={"description": told})


def trigger() -> Trigger:
    """The field `trigger`."""
    return Trigger(metadata={"description": "What a sniper waits for."})


def time_in_force() -> Choice[TimeInForce]:
    """The field `timeInForce`."""
    told = (
        "`IOC`: one try, the default of market orders, for which `FOK` is the same; `GTC`: until "
        "canceled, the default of limit and stop orders; `GTD`: until `expiresAt`, the default "
        "with it, and the only one of snipers."
    )
    return Choice(TimeInForce, metadata={"description": told})


def expires_at() -> Moment:
    """The field `expiresAt`."""
    told = (
        f"From then on nothing is signed; {LEAST_LIFE_S} s to {MOST_LIFE_DAYS} days ahead. A "
        "transaction that was sent before may still land. A time with an offset, RFC 3339."
    )
    return Moment(metadata={"description": told, "examples": ["2026-12-24T18:00:00+01:00"]})


NAMES = {
    "slippage_tolerance_bps": "slippageBps",
    "worst_price": "worstPrice",
    "limit_price": "limitPrice",
    "stop_price": "stopPrice",
    "trigger": "trigger",
}
"""The fields that only some types have, by their names in Python."""
_CONDITIONS = frozenset({"limit_price", "stop_price", "trigger", "time_in_force", "expires_at"})
"""The fields that a plain market order does not have."""


def settle(values: dict[str, Any]) -> dict[str, Any]:
    """Complete the terms of an order; raises ValidationError for the rule that they break."""
    kind = values.setdefault("type", OrderType.MARKET)
    if kind is OrderType.MARKET and _CONDITIONS.isdisjoint(values):  # sooner: most orders are
        values.setdefault("slippage_tolerance_bps", DEFAULT_SLIPPAGE_BPS)
        values["time_in_force"] = TimeInForce.IOC
        return values
    needs_tolerance = NAMES["slippage_tolerance_bps"] in RULES[kind].needed
    values.setdefault("slippage_tolerance_bps", DEFAULT_SLIPPAGE_BPS if needs_tolerance else None)
    given = [name for field, name in NAMES.items() if values.get(field) is not None]
    asked, expires = values.get("time_in_force"), "expires_at" in values
    found = terms_violation(kind, given, asked, expires=expires)
    if found is not None:
        raise ValidationError([BrokenRule(found.rule, found.message)], found.field)
    values["time_in_force"] = settled_time(kind, asked, expires=expires)
    condition: PoolTrigger | None = values.pop("trigger", None)
    if condition is not None:
        values |= {"trigger_on": condition.on, "min_liquidity": condition.min_liquidity}
    return values
