"""`cancel` and `amend`: change orders that have not ended."""

import sys
from collections.abc import Mapping
from typing import Any

import click

from orderengine.cli.changing import all_path, amend, cancel, named_path, order_path
from orderengine.cli.common import (
    EXIT_FAILED,
    asked_text,
    full_disk_told,
    json_option,
    service_option,
    tell_json,
)
from orderengine.cli.service import Service
from orderengine.cli.terms import terms_in_words
from orderengine.domain.fields import camel_case
from orderengine.domain.order import OrderStatus

ONE_OF = "name one of: ID, --client-order-id, --symbol, --all"
COUNTS = "{canceled} canceled, {requested} requested, {tooLate} too late"
REFUSED = ", {refused} not canceled: the service's log tells why"


@click.command(name="cancel", short_help="Cancel an order, or all orders.")
@click.argument("order_id", metavar="[ID]", required=False)
@click.option("--client-order-id", "name", help="The order with this name of yours.")
@click.option("--symbol", help="All open orders of this instrument.")
@click.option("--all", "is_all", is_flag=True, help="All open orders.")
@json_option
@service_option
def cancel_orders(
    service: Service,
    order_id: str | None,
    *,
    name: str | None,
    symbol: str | None,
    is_all: bool,
    as_json: bool,
) -> None:
    """Cancel an order, all orders of an instrument, or all orders.

    The transaction of a submitted order may still land, so its cancel is only requested. The order
    then ends canceled, or confirmed if its transaction has landed. It is safe to repeat the
    command.

    Exits with 0 if orders were canceled or their cancel was requested, 1 if the database refused to
    change some of many, 2 if the order had ended otherwise or nothing answers, 3 if the cancel may
    have taken effect.
    """
    paths = [
        *([order_path(order_id)] if order_id is not None else ()),
        *([named_path(name)] if name is not None else ()),
        *([all_path(symbol)] if symbol is not None else ()),
        *([all_path(None)] if is_all else ()),
    ]
    if len(paths) != 1:
        raise click.UsageError(ONE_OF)
    told = cancel(service, paths[0])
    with full_disk_told("the cancel took effect; "):
        if as_json:
            tell_json(told)
        elif "orderId" in told:
            click.echo(_outcome(told))
        else:
            click.echo(_counts(told))
    if told.get("refused"):
        sys.exit(EXIT_FAILED)


def _counts(told: Mapping[str, Any]) -> str:
    # An earlier release does not tell of those that were refused.
    return (COUNTS + (REFUSED if told.get("refused") else "")).format_map(told)


def _outcome(order: Mapping[str, Any]) -> str:
    if order["status"] == OrderStatus.CANCELED:
        return f"order {order['orderId']} is canceled"
    return (
        f"order {order['orderId']} is {order['status']}, and its cancel is requested: it ends"
        " canceled, or confirmed if its transaction lands"
    )


@click.command(name="amend", short_help="Change the terms of an order that waits.")
@click.argument("order_id", metavar="ID")
@click.option("--limit-price", help="The new price of a limit order.")
@click.option("--stop-price", help="The new price of a stop order.")
@click.option("--worst-price", help="The new worst price of a stop order or a sniper.")
@click.option("--quantity", help="The new quantity, in whole tokens.")
@click.option("--quote-quantity", help="The new amount of an order for exactly so much USDC.")
@click.option("--expires-at", help="The new end, as 2027-01-31T12:00:00Z.")
@json_option
@service_option
def amend_order(service: Service, order_id: str, *, as_json: bool, **others: str | None) -> None:
    """Change the terms of an order that waits; the others stay.

    The command reads the order and changes it only if it has not moved since. Once an order has
    started, it cannot be amended, only canceled.

    Exits with 0 if the order was amended, 2 if it was not or nothing answers, 3 if the change may
    have taken effect.
    """
    changes = {camel_case(name): value for name, value in others.items() if value is not None}
    if not changes:
        raise click.UsageError("name at least one new term, such as --limit-price")
    order = amend(service, order_id, changes)
    with full_disk_told("the order was amended; "):
        if as_json:
            tell_json(order)
        else:
            click.echo(f"order {order['orderId']}: {asked_text(order)} {terms_in_words(order)}")
