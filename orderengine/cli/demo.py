"""`demo`: place many orders at once and watch them all."""

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import click
from rich.live import Live

from orderengine.cli.common import (
    EXIT_FAILED,
    STOPPED_WATCHING,
    json_option,
    service_option,
    stopped_as,
    tell_json,
)
from orderengine.cli.demo_board import Board, Row
from orderengine.cli.demo_orders import choose_orders
from orderengine.cli.demo_view import console, live_view, table, totals
from orderengine.cli.events import Event, telling
from orderengine.cli.following import follow
from orderengine.cli.placing import OutcomeUnknown, new_key, place
from orderengine.cli.service import CannotGoOn, Service

MOST_ORDERS = 200
TIMEOUT_S = 120.0
LONGEST_S = 86_400.0
REFRESH_S = 0.1

Tell = Callable[[Row, Event], None]


def _within_a_day(_: click.Context, _option: click.Parameter, seconds: float) -> float:
    if not 0 < seconds <= LONGEST_S:  # refuses NaN too
        raise click.BadParameter(f"must be more than 0 and at most {LONGEST_S:.0f} seconds")
    return seconds


@click.command()
@click.option(
    "--orders", "count", type=click.IntRange(1, MOST_ORDERS), default=25, show_default=True
)
@click.option("--plain", is_flag=True, help="Print lines instead of a live table.")
@click.option(
    "--timeout",
    type=float,
    default=TIMEOUT_S,
    callback=_within_a_day,
    help="How long to watch, in seconds.",
)
@json_option
@service_option
def demo(service: Service, count: int, timeout: float, *, plain: bool, as_json: bool) -> None:
    """Place many orders at once and watch them all.

    Orders are placed as fast as the service's limits allow. If the service is busy, demo retries
    when the service says. Order 5 has a tolerance of 0, so that it fails.

    Exits with 0 if every order ended, 1 if one did not, 2 if nothing answers.
    """
    board = Board(choose_orders(service.instruments(), count))
    began = time.monotonic()

    def clock() -> float:
        return time.monotonic() - began

    with stopped_as(STOPPED_WATCHING):
        if as_json:
            _start(service, board, clock, timeout)
            board.wait(timeout)
            for row in board.rows():
                tell_json(row.document())
        else:
            shown_plain = plain or not sys.stdout.isatty()
            run(service, board, clock, timeout_s=timeout, plain=shown_plain)
    if not all(row.is_terminal for row in board.rows()):
        sys.exit(EXIT_FAILED)


def run(
    service: Service, board: Board, clock: Callable[[], float], *, timeout_s: float, plain: bool
) -> None:
    """Place and follow all orders, each in its own thread; show them, then the summary."""
    _start(service, board, clock, timeout_s, _printer(clock) if plain else None)
    screen = console(plain=plain)
    if plain:
        board.wait(timeout_s)
    else:
        with Live(console=screen, transient=True, auto_refresh=False) as live:
            while not board.wait(REFRESH_S) and clock() < timeout_s:
                live.update(live_view(board.rows(), clock(), screen.height), refresh=True)
    rows = board.rows()
    screen.print(table(rows, clock()))
    for line in totals(rows):
        screen.print(line)


def _start(
    service: Service,
    board: Board,
    clock: Callable[[], float],
    timeout_s: float,
    tell: Tell | None = None,
) -> None:
    def one(row: Row) -> None:
        try:
            _place_and_follow(service, board, row, clock, timeout_s, tell)
        except OutcomeUnknown as error:
            board.put(replace(board.row(row.number), problem=str(error), in_doubt=True))
        except CannotGoOn as error:
            board.put(replace(board.row(row.number), problem=str(error)))

    for row in board.rows():
        threading.Thread(target=one, args=(row,), daemon=True).start()


def _place_and_follow(
    service: Service,
    board: Board,
    row: Row,
    clock: Callable[[], float],
    timeout_s: float,
    tell: Tell | None,
) -> None:
    accepted = place(service, row.order.document(), new_key(), patience_s=timeout_s)
    order_id = str(accepted["orderId"])
    row = replace(row, order_id=order_id, status="accepted", began_s=clock())
    board.put(row)
    for event in follow(lambda after: service.connect(order_id, after)):
        row = row.after(event, clock())
        board.put(row)
        if tell:
            tell(row, event)
    if not row.is_terminal:
        board.put(replace(row, problem=f"it ended with the unknown status {row.status}"))


def _printer(clock: Callable[[], float]) -> Tell:
    lock = threading.Lock()

    def tell(row: Row, event: Event) -> None:
        order = row.order
        what = f"{order.side} {order.quantity} {order.symbol}"
        place = f"{clock():8.3f} s  #{row.number:<3} {what:<22} {row.status:<9}"
        with lock:
            print(f"{place}  attempt {row.attempt}  {telling(event)}".rstrip(), flush=True)

    return tell
