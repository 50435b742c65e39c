"""The options of `submit` that say what an order waits for, and for how long."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from orderengine.domain.fields import camel_case
from orderengine.domain.terms import OrderType, TimeInForce, TriggerOn

F = TypeVar("F", bound=Callable[..., Any])

POOL = {"trigger": "on", "min_liquidity": "minLiquidity"}
"""The options that together are the field `trigger`, with their names in it."""

_OPTIONS = (
    click.option(
        "--type",
        type=click.Choice([each.value for each in OrderType]),
        help="What the order waits for; default: market, which waits for nothing.",
    ),
    click.option(
        "--limit-price", help="For a limit order: the worst price, after fees and impact."
    ),
    click.option("--stop-price", help="For a stop order: the market price that starts it."),
    click.option(
        "--trigger",
        type=click.Choice([each.value for each in TriggerOn]),
        help="For a sniper: what has to happen to a pool.",
    ),
    click.option("--min-liquidity", help="For a sniper: the least USDC in the pool."),
    click.option(
        "--time-in-force",
        type=click.Choice([each.value for each in TimeInForce], case_sensitive=False),
        metavar="[IOC|FOK|GTC|GTD]",
        help="GTC: until canceled; GTD: until --expires-at; IOC, FOK: one try.",
    ),
    click.option("--expires-at", help="When the order ends, as 2027-01-31T12:00:00Z."),
)


def terms_options(command: F) -> F:
    """Add the options, which the service checks."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def order_fields(given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an order, as in JSON, of the options that were given; None is left out."""
    found = {name: value for name, value in given.items() if value is not None}
    pool = {key: found.pop(name) for name, key in POOL.items() if name in found}
    fields = {camel_case(name): value for name, value in found.items()}
    return fields | {"trigger": pool} if pool else fields
