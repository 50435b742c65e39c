"""Place many orders at once and watch them all: `python -m orderengine.cli.demo`.

Exits with 0 when every order came to its end, 1 when one did not, 2 when nothing answers.
"""

import argparse
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from rich.live import Live

from orderengine.cli.demo_board import Board, Row
from orderengine.cli.demo_orders import choose_orders
from orderengine.cli.demo_view import console, live_view, table, totals
from orderengine.cli.order import (
    DEFAULT_URL,
    EXIT_INTERRUPTED,
    EXIT_REFUSED,
    CannotGoOn,
    Event,
    Service,
    follow,
    service_url,
    telling,
)

MOST_ORDERS = 200
LIMIT_S = 120.0
REFRESH_S = 0.1

Tell = Callable[[Row, Event], None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; returns the exit code."""
    options = _parse(arguments)
    service = Service(options.url)
    try:
        orders = choose_orders(service.instruments(), options.orders)
    except CannotGoOn as error:
        print(error, file=sys.stderr)
        return EXIT_REFUSED
    board = Board(orders)
    began = time.monotonic()

    def clock() -> float:
        return time.monotonic() - began

    try:
        run(service, board, clock, limit_s=options.limit, plain=options.plain)
    except KeyboardInterrupt:
        print("stopped watching; the orders go on", file=sys.stderr)
        return EXIT_INTERRUPTED
    return 0 if all(row.is_terminal for row in board.rows()) else 1


def run(
    service: Service, board: Board, clock: Callable[[], float], *, limit_s: float, plain: bool
) -> None:
    """Place and follow all orders, each in a thread of its own; show them, then the summary."""
    tell = _printer(clock) if plain else None
    for row in board.rows():
        arguments = (service, board, row, clock, tell)
        threading.Thread(target=_place_and_follow, args=arguments, daemon=True).start()
    screen = console(plain=plain)
    if plain:
        board.wait(limit_s)
    else:
        with Live(console=screen, transient=True, auto_refresh=False) as live:
            while not board.wait(REFRESH_S) and clock() < limit_s:
                live.update(live_view(board.rows(), clock(), screen.height), refresh=True)
    rows = board.rows()
    screen.print(table(rows, clock()))
    for line in totals(rows):
        screen.print(line)


def _place_and_follow(
    service: Service, board: Board, row: Row, clock: Callable[[], float], tell: Tell | None
) -> None:
    row = replace(row, began_s=clock())
    try:
        order_id = service.place(row.order.document())
        for event in follow(lambda after: service.connect(order_id, after)):
            row = row.after(event, clock())
            board.put(row)
            if tell:
                tell(row, event)
    except CannotGoOn as error:
        board.put(replace(row, problem=str(error)))


def _printer(clock: Callable[[], float]) -> Tell:
    lock = threading.Lock()

    def tell(row: Row, event: Event) -> None:
        order = row.order
        what = f"{order.side} {order.quantity} {order.symbol}"
        place = f"{clock():8.3f} s  #{row.number:<3} {what:<22} {row.status:<9}"
        with lock:
            print(f"{place}  attempt {row.attempt}  {telling(event)}".rstrip(), flush=True)

    return tell


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m orderengine.cli.demo", description="Place many orders at once."
    )
    parser.add_argument("--orders", type=_count, default=25, help=f"1 to {MOST_ORDERS}, or 25")
    parser.add_argument("--plain", action="store_true", help="lines instead of a live table")
    parser.add_argument("--limit", type=float, default=LIMIT_S, help="how long to watch, in s")
    parser.add_argument("--url", default=DEFAULT_URL, type=service_url, help="where it runs")
    options = parser.parse_args(arguments)
    options.plain = options.plain or not sys.stdout.isatty()
    return options


def _count(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= MOST_ORDERS:
        message = f"must be a number from 1 to {MOST_ORDERS}"
        raise argparse.ArgumentTypeError(message)
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
