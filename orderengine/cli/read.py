"""`list`, `show`, `quotes`, `instruments`: read orders, quotes and instruments."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from orderengine.cli.changing import order_path
from orderengine.cli.common import (
    amount_of,
    json_option,
    order_arguments,
    service_option,
    tell_json,
    tell_table,
)
from orderengine.cli.events import Event, telling
from orderengine.cli.service import RequestRefused, Service
from orderengine.cli.tables import order_lines, tell_orders
from orderengine.domain.order import OrderStatus

OPEN = "open"
PRUNED = "EVENTS_PRUNED"
PAGE = 100
MOST_LISTED = 10_000
INSTRUMENT_COLUMNS = ("symbol", "name", "minQuantity", "maxQuantity", "quantityStep")
QUOTE_COLUMNS = ("dex", "poolKind", "price", "marketImpactBps", "fee", "wins")


@click.command(name="list")
@click.option(
    "--status",
    type=click.Choice([OPEN, *(status.value for status in OrderStatus)]),
    help=f"Only orders with this status; {OPEN}: all that have not ended.",
)
@click.option("--symbol", help="Only orders of this instrument.")
@click.option("--limit", type=click.IntRange(1, MOST_LISTED), default=20, show_default=True)
@json_option
@service_option
def list_orders(
    service: Service, status: str | None, symbol: str | None, limit: int, *, as_json: bool
) -> None:
    """List orders, newest first.

    A terminal that is too narrow for all columns gets fewer; --json and a pipe get all.
    """
    orders: list[Mapping[str, Any]] = []
    cursor = None
    while len(orders) < limit:
        size = min(PAGE, limit - len(orders))
        page = service.get("/api/orders", status=status, symbol=symbol, limit=size, cursor=cursor)
        orders += page["orders"]
        cursor = page.get("nextCursor")
        if cursor is None:
            break
    if as_json:
        tell_json({"orders": orders})
    elif orders:
        tell_orders(orders)
    else:
        click.echo("no orders")


@click.command()
@click.argument("order_id", metavar="ID")
@json_option
@service_option
def show(service: Service, order_id: str, *, as_json: bool) -> None:
    """Show an order and its events."""
    path = order_path(order_id)
    order = service.get(path)
    events = _events(service, path)
    if as_json:
        tell_json({**order, "events": events})
        return
    for line in order_lines(order):
        click.echo(line)
    click.echo()
    if not events:
        click.echo("its events were pruned")
    for event in events:
        place = f"{event['at']}  {event['seq']:>3}  {event['status']:<9}"
        click.echo(f"{place}  attempt {event['attempt']}  {telling(event)}".rstrip())


def _events(service: Service, path: str) -> Sequence[Event]:
    try:
        return list(service.get(f"{path}/events")["events"])
    except RequestRefused as error:
        if error.code != PRUNED:
            raise
        return []


@click.command(short_help="Show the venues' current quotes, and which would win.")
@order_arguments()
@click.option("--max-legs", type=int, help="Consider splits over up to this many venues.")
@json_option
@service_option
def quotes(
    service: Service,
    symbol: str,
    side: str,
    quantity: str | None,
    quote_quantity: str | None,
    max_legs: int | None,
    *,
    as_json: bool,
) -> None:
    """Show the venues' current quotes for QUANTITY, which one would win, and why."""
    amount = amount_of(quantity, quote_quantity)
    found = service.get("/api/quotes", symbol=symbol, side=side, **amount, maxLegs=max_legs)
    if as_json:
        tell_json(found)
        return
    winners = found["dex"].split("+")
    rows = [
        {**quote, "wins": "yes" if quote["dex"] in winners else "no"} for quote in found["quotes"]
    ]
    tell_table(rows, QUOTE_COLUMNS)
    click.echo(f"{found['dex']} at {found['quotedPrice']}: {found['routeDetail']}")


@click.command()
@json_option
@service_option
def instruments(service: Service, *, as_json: bool) -> None:
    """List the instruments, with steps and limits in whole tokens."""
    found = service.instruments()
    if as_json:
        tell_json({"instruments": found})
    else:
        tell_table(found, INSTRUMENT_COLUMNS)
