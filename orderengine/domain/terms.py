"""The terms of an order: its type, how long it holds, and the fields that each type takes."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

from orderengine.domain.errors import Violation
from orderengine.domain.fields import Told
from orderengine.domain.pricing import USDC_DECIMALS
from orderengine.domain.side import Asset


class OrderType(StrEnum):
    """What starts an order: nothing, a price, or a pool."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    SNIPER = "sniper"


class TimeInForce(StrEnum):
    """How long an order is good: now, until it is canceled, or until its `expiresAt`."""

    IOC = "IOC"
    FOK = "FOK"
    GTC = "GTC"
    GTD = "GTD"


class TriggerOn(StrEnum):
    """What a sniper waits for."""

    POOL_OPENED = "poolOpened"
    LIQUIDITY_ADDED = "liquidityAdded"


@dataclass(frozen=True, slots=True)
class PoolTrigger:
    """The condition of a sniper: a pool that is open and has so much USDC."""

    on: TriggerOn
    min_liquidity: Annotated[Decimal, Told("The least USDC in the pool.")]


class Amounts:
    """The one exact amount that an order names; a part of `NewOrder`."""

    __slots__ = ()

    if TYPE_CHECKING:
        order_id: UUID
        quantity: Decimal | None
        quote_quantity: Decimal | None

    @property
    def exact(self) -> Asset:
        """The asset whose amount the order names."""
        return Asset.BASE if self.quote_quantity is None else Asset.QUOTE

    def exact_units(self, base_decimals: int) -> int:
        """The amount that the order names, in base units, rounded down.

        Raises ValueError for an order that names none.
        """
        if self.quote_quantity is not None:
            return int(self.quote_quantity.scaleb(USDC_DECIMALS))
        if self.quantity is None:
            raise ValueError(f"order {self.order_id} names no amount")
        return int(self.quantity.scaleb(base_decimals))

    @property
    def logged_amount(self) -> dict[str, str]:
        """The amount that the order names, as the field of a log line."""
        if self.quote_quantity is not None:
            return {"quote_quantity": f"{self.quote_quantity:f}"}
        return {"quantity": f"{self.quantity:f}"}


class Waits:
    """What an order's terms say about its start; a part of `NewOrder`."""

    __slots__ = ()

    if TYPE_CHECKING:
        type: OrderType
        limit_price: Decimal | None
        stop_price: Decimal | None
        trigger_on: TriggerOn | None
        min_liquidity: Decimal | None
        time_in_force: TimeInForce

    @property
    def pool_trigger(self) -> PoolTrigger | None:
        """The condition of a sniper."""
        if self.trigger_on is None:
            return None
        return PoolTrigger(self.trigger_on, self.min_liquidity or Decimal(0))

    @property
    def waits(self) -> bool:
        """True if the order waits for its condition before it starts."""
        return self.type is not OrderType.MARKET and self.time_in_force is not TimeInForce.IOC

    @property
    def rests(self) -> bool:
        """True if the order waits again when its price has left: a GTC or GTD limit order."""
        return self.waits and self.type is OrderType.LIMIT

    @property
    def watched_price(self) -> Decimal | None:
        """The price that starts an order which waits, for snipers the USDC in the pool."""
        if not self.waits:
            return None
        return self.limit_price or self.stop_price or self.min_liquidity or Decimal(0)


@dataclass(frozen=True, slots=True)
class Rules:
    """The fields of a type beside symbol, side, amount and what every order may have.

    The first time in force is the default.
    """

    needed: tuple[str, ...]
    optional: tuple[str, ...]
    times_in_force: tuple[TimeInForce, ...]


RULES: Mapping[OrderType, Rules] = {
    OrderType.MARKET: Rules(
        ("slippageBps",),
        ("worstPrice",),
        (TimeInForce.IOC, TimeInForce.FOK, TimeInForce.GTD),
    ),
    OrderType.LIMIT: Rules(
        ("limitPrice",),
        ("slippageBps",),
        (TimeInForce.GTC, TimeInForce.GTD, TimeInForce.IOC),
    ),
    # Without a worst price only the tolerance bounds what a stop is signed for.
    OrderType.STOP: Rules(
        ("stopPrice", "slippageBps"), ("worstPrice",), (TimeInForce.GTC, TimeInForce.GTD)
    ),
    OrderType.SNIPER: Rules(("trigger", "worstPrice"), (), (TimeInForce.GTD,)),
}
"""The fields of each type, named as in JSON."""

_OF_SOME_TYPES = frozenset(
    name for rules in RULES.values() for name in (*rules.needed, *rules.optional)
)


def terms_violation(
    kind: OrderType,
    given: Collection[str],
    time_in_force: TimeInForce | None,
    *,
    expires: bool,
) -> Violation | None:
    """The first rule of its type that an order breaks, or None.

    `given` are the names of the order's fields as in JSON; those that every type may have are
    ignored. `time_in_force` is the requested one, if any; `expires` says if there is an
    `expiresAt`.
    """
    rules = RULES[kind]
    for name in sorted(_OF_SOME_TYPES.intersection(given)):
        if name not in rules.needed and name not in rules.optional:
            return Violation(name, "type", f"is not a field of a {kind} order")
    for name in rules.needed:
        if name not in given:
            return Violation(name, "required", f"is required for a {kind} order")
    return _time_violation(kind, rules, time_in_force, expires=expires)


def _time_violation(
    kind: OrderType, rules: Rules, time_in_force: TimeInForce | None, *, expires: bool
) -> Violation | None:
    if time_in_force is not None and time_in_force not in rules.times_in_force:
        choices = ", ".join(rules.times_in_force)
        return Violation("timeInForce", "choice", f"must be one of {choices} for a {kind} order")
    lasts = settled_time(kind, time_in_force, expires=expires)
    if lasts is TimeInForce.GTD and not expires:
        return Violation("expiresAt", "required", f"is required for a {kind} order that is GTD")
    if lasts is not TimeInForce.GTD and expires:
        told = f"is a field of GTD orders, and this {kind} order is {lasts}"
        return Violation("expiresAt", "type", told)
    return None


def settled_time(
    kind: OrderType, time_in_force: TimeInForce | None, *, expires: bool
) -> TimeInForce:
    """The time in force to store: the requested one, or the default of the type.

    Without a requested one, an order that `expires` is GTD. FOK is stored as IOC: a swap executes
    as a whole or not at all.
    """
    if time_in_force is None:
        return TimeInForce.GTD if expires else RULES[kind].times_in_force[0]
    return TimeInForce.IOC if time_in_force is TimeInForce.FOK else time_in_force


def liquidity_violation(trigger: PoolTrigger) -> Violation | None:
    """The rule that a sniper's condition breaks: `liquidityAdded` needs an amount above 0."""
    if trigger.on is TriggerOn.LIQUIDITY_ADDED and not trigger.min_liquidity:
        told = "must be above 0 for liquidityAdded"
        return Violation("trigger.minLiquidity", "required", told)
    return None


LEAST_LIFE_S = 1
MOST_LIFE_DAYS = 366
"""How far ahead `expiresAt` may be, at least and at most, by the database's clock."""


def expiry_violation(expires_at: datetime, now: datetime) -> Violation | None:
    """The rule that an `expiresAt` breaks: it must be 1 s to 366 days ahead."""
    ahead_s = (expires_at - now).total_seconds()
    if LEAST_LIFE_S <= ahead_s <= MOST_LIFE_DAYS * 86_400:
        return None
    told = f"must be {LEAST_LIFE_S} s to {MOST_LIFE_DAYS} days ahead"
    return Violation("expiresAt", "range", told)
