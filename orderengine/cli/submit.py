"""`submit` and `watch`: place an order, and follow orders to their end."""

import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import click

from orderengine.cli.common import (
    EXIT_REFUSED,
    json_option,
    order_arguments,
    service_option,
    tell_json,
)
from orderengine.cli.service import TERMINAL, CannotGoOn, Event, Service, follow, telling

MOST_WATCHED = 50
SHORT_ID = 8

Tell = Callable[[Event], None]


@click.command()
@order_arguments
@click.option("--slippage-bps", type=int, help="The tolerance; 100 if not given.")
@click.option("--worst-price", help="In USDC for one token; binds every attempt.")
@click.option("--max-legs", type=int, help="Over how many venues it may be split; 1 if not given.")
@click.option("--watch", "watched", is_flag=True, help="Follow it to its end.")
@json_option
@service_option
def submit(
    service: Service,
    symbol: str,
    side: str,
    quantity: str,
    *,
    watched: bool,
    as_json: bool,
    **limits: Any,
) -> None:
    """Place an order: buy or sell QUANTITY whole tokens of SYMBOL.

    Exits with 0 when it was accepted, with 2 when it was refused or nothing answers. With --watch:
    0 when it was confirmed, 1 when it failed.
    """
    order = {"symbol": symbol, "side": side, "quantity": quantity}
    names = {"slippage_bps": "slippageBps", "worst_price": "worstPrice", "max_legs": "maxLegs"}
    order |= {names[name]: value for name, value in limits.items() if value is not None}
    tell = _tell_json if as_json else _teller(time.monotonic())
    accepted = service.submit(order)
    order_id = str(accepted["orderId"])
    if as_json:
        tell_json(accepted)
    else:
        click.echo(f"order {order_id}: {side} {quantity} {symbol}")
    if watched:
        sys.exit(TERMINAL[_follow(service, order_id, tell)])


@click.command()
@click.argument("order_ids", metavar="ID...", nargs=-1, required=True)
@json_option
@service_option
def watch(service: Service, order_ids: Sequence[str], *, as_json: bool) -> None:
    """Follow orders to their end, from their first event on.

    Exits with 0 when all were confirmed, 1 when one failed, 2 when one can not be followed.
    """
    if len(order_ids) > MOST_WATCHED:
        raise click.UsageError(f"at most {MOST_WATCHED} orders at once")
    if len(order_ids) == 1:
        tell = _tell_json if as_json else _teller(time.monotonic())
        sys.exit(TERMINAL[_follow(service, order_ids[0], tell)])
    sys.exit(_watch_many(service, order_ids, as_json=as_json))


def _follow(service: Service, order_id: str, tell: Tell) -> str:
    status = ""
    for event in follow(lambda after: service.connect(order_id, after)):
        status = event["status"]
        tell(event)
    return status


def _watch_many(service: Service, order_ids: Sequence[str], *, as_json: bool) -> int:
    """Follow each one in a thread of its own, and tell whatever comes as it comes: the status."""
    started, lock = time.monotonic(), threading.Lock()
    codes: dict[str, int] = {}

    def one(order_id: str) -> None:
        teller = _tell_json if as_json else _teller(started, f"{order_id[:SHORT_ID]}  ")

        def tell(event: Event) -> None:
            with lock:
                teller(event)

        try:
            code = TERMINAL[_follow(service, order_id, tell)]
        except CannotGoOn as error:
            code = EXIT_REFUSED
            with lock:
                click.echo(f"{order_id}: {error}", err=True)
        codes[order_id] = code

    threads = [threading.Thread(target=one, args=(each,), daemon=True) for each in set(order_ids)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return max(codes.values())


def _teller(started: float, prefix: str = "") -> Tell:
    def tell(event: Event) -> None:
        place = f"{time.monotonic() - started:8.3f} s  {event['status']:<9}"
        click.echo(f"{prefix}{place}  attempt {event['attempt']}  {telling(event)}".rstrip())

    return tell


def _tell_json(event: Event) -> None:
    tell_json(event)
