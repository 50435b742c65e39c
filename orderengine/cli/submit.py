"""`submit` and `watch`: place an order, and follow orders to their end."""

import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import click

from orderengine.cli.batches import submit_file
from orderengine.cli.common import (
    EXIT_REFUSED,
    STOPPED_WATCHING,
    amount_of,
    asked_text,
    full_disk_told,
    json_option,
    order_arguments,
    plain_option,
    service_option,
    stopped_as,
    tell_json,
)
from orderengine.cli.events import Event, code_of, telling
from orderengine.cli.following import follow
from orderengine.cli.options import order_fields, terms_options
from orderengine.cli.placing import may_be_stored, new_key, place
from orderengine.cli.progress import SHORT_ID, is_shown_live, live
from orderengine.cli.service import CannotGoOn, Service
from orderengine.cli.terms import terms_in_words

MOST_WATCHED = 50

Tell = Callable[[Event], None]


class _Key(click.ParamType[str]):
    name = "key"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not re.fullmatch("[!-~]{1,255}", value):
            self.fail("must be 1 to 255 visible ASCII characters", param, ctx)
        return str(value)


@click.command()
@order_arguments(required=False)
@click.option(
    "--file",
    "path",
    type=click.Path(dir_okay=False, allow_dash=True),
    help="Place the orders of a file; - for standard input.",
)
@terms_options
@click.option(
    "--slippage-bps", type=int, help="The tolerance; default 100, for a limit order none."
)
@click.option("--worst-price", help="The worst price of every attempt, in USDC for one token.")
@click.option("--max-legs", type=int, help="Split over at most this many venues; default 1.")
@click.option("--client-order-id", help="Your own name for the order; must be unique.")
@click.option(
    "--idempotency-key",
    "key",
    type=_Key(),
    default=new_key,
    help="Default: a new key for each order.",
)
@click.option("--watch", "watched", is_flag=True, help="Follow the order to its end.")
@plain_option
@json_option
@service_option
def submit(
    service: Service,
    symbol: str | None,
    side: str | None,
    quantity: str | None,
    *,
    quote_quantity: str | None,
    path: str | None,
    key: str,
    watched: bool,
    plain: bool,
    as_json: bool,
    **others: Any,
) -> None:
    """Place an order, or the orders of a file.

    It buys or sells QUANTITY whole tokens of SYMBOL, or with --quote-quantity spends or receives
    so much USDC: orderengine submit AAPL buy 10 --watch

    A limit order waits until it gets its price for its whole quantity, a stop until the market
    reaches its price, a sniper until a pool opens; for example:
    orderengine submit AAPL buy 10 --type limit --limit-price 220

    With --file: CSV with a header of the fields of the API (symbol,side,quantity, and if needed
    quoteQuantity,type,limitPrice,slippageBps,clientOrderId and so on), or one JSON object a line.
    Orders are placed in batches of 100. Each refused order is named with its line.

    If the answer is lost or the service is busy, submit retries for 30 seconds with the same key.

    Exits with 0 if every order was accepted, 2 if one was refused or nothing answers, 3 if one may
    have been stored. With --watch: 0 if it was confirmed, 1 if it ended otherwise.
    """
    if plain and not watched:
        raise click.UsageError("--plain needs --watch")
    named, given = {"symbol": symbol, "side": side}, order_fields(others)
    if path is not None:
        _require_none([watched, *named.values(), quantity, quote_quantity, *given])
        sys.exit(submit_file(service, path, key, as_json=as_json))
    order = {**_required(named), **amount_of(quantity, quote_quantity), **given}
    _submit_one(service, order, key, watched=watched, plain=plain, as_json=as_json)


def _require_none(arguments: Sequence[object]) -> None:
    """Raise click.UsageError if an argument is given that does not go with --file."""
    if any(arguments):
        raise click.UsageError("--file goes with --idempotency-key, --json and --url only")


def _required(arguments: Mapping[str, str | None]) -> Mapping[str, str | None]:
    """Return the arguments; raise click.UsageError for the first that is not given."""
    for name, value in arguments.items():
        if value is None:
            raise click.UsageError(f"Missing argument '{name.upper()}'.")
    return arguments


def _submit_one(
    service: Service,
    order: Mapping[str, Any],
    key: str,
    *,
    watched: bool,
    plain: bool,
    as_json: bool,
) -> None:
    with stopped_as(may_be_stored(key)):
        accepted = place(service, order, key)
    order_id = str(accepted["orderId"])
    replay = " (placed before, with the same key)" if accepted.get("replayed") else ""
    with full_disk_told(f"order {order_id} was accepted; "):
        if as_json:
            tell_json(accepted)
        else:
            terms = terms_in_words(accepted)
            asked = f"{asked_text(order)}{' ' * bool(terms)}{terms}"
            click.echo(f"order {order_id}: {asked}{replay}")
    if watched:
        told = _shown([order_id], plain=plain, as_json=as_json)
        with stopped_as(STOPPED_WATCHING), told as tell:
            status = _follow(service, order_id, tell)
        sys.exit(code_of(status))


@click.command()
@click.argument("order_ids", metavar="ID...", nargs=-1, required=True)
@plain_option
@json_option
@service_option
def watch(service: Service, order_ids: Sequence[str], *, plain: bool, as_json: bool) -> None:
    """Follow orders to their end, from their first event on.

    Each line begins with the seconds from the order's acceptance to the event, not to the time of
    reading.

    Exits with 0 if all were confirmed, 1 if one ended otherwise, 2 if one can not be followed.
    """
    wanted = list(dict.fromkeys(map(str.lower, order_ids)))  # as the events spell them
    if len(wanted) > MOST_WATCHED:
        raise click.UsageError(f"at most {MOST_WATCHED} orders at once")
    told = _shown(wanted, plain=plain, as_json=as_json)
    with stopped_as(STOPPED_WATCHING), told as tell:
        if len(wanted) == 1:
            code = code_of(_follow(service, wanted[0], tell))
        else:
            code = _follow_many(service, wanted, tell)
    sys.exit(code)


@contextmanager
def _shown(order_ids: Sequence[str], *, plain: bool, as_json: bool) -> Iterator[Tell]:
    """Yield a function that shows events: as JSON, as lines, or live on a terminal."""
    if as_json:
        yield tell_json
    elif plain or not is_shown_live():
        yield _teller(named=len(order_ids) > 1)
    else:
        with live(order_ids) as tell:
            yield tell


def _follow(service: Service, order_id: str, tell: Tell) -> str:
    status = ""
    for event in follow(lambda after: service.connect(order_id, after)):
        status = event["status"]
        tell(event)
    return status


def _follow_many(service: Service, order_ids: Sequence[str], tell: Tell) -> int:
    """Follow each order in its own thread, show events as they come, return the exit status."""
    lock = threading.Lock()
    codes: dict[str, int] = {}

    def tell_alone(event: Event) -> None:
        with lock:
            tell(event)

    def one(order_id: str) -> None:
        try:
            code = code_of(_follow(service, order_id, tell_alone))
        except CannotGoOn as error:
            code = EXIT_REFUSED
            with lock:
                click.echo(f"{order_id}: {error}", err=True)
        codes[order_id] = code

    threads = [threading.Thread(target=one, args=(each,), daemon=True) for each in order_ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return max(codes.values())


def _teller(*, named: bool) -> Tell:
    """Lines with the time since the order was placed, by the events' own times."""
    placed_at: dict[str, datetime] = {}

    def tell(event: Event) -> None:
        order_id, at = event["orderId"], datetime.fromisoformat(event["at"])
        passed_s = (at - placed_at.setdefault(order_id, at)).total_seconds()
        prefix = f"{order_id[:SHORT_ID]}  " if named else ""
        place = f"{passed_s:8.3f} s  {event['status']:<9}"
        click.echo(f"{prefix}{place}  attempt {event['attempt']}  {telling(event)}".rstrip())

    return tell
