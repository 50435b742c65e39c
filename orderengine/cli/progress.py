"""Live progress of orders on a terminal: each stage as it is reached, with its time."""

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import zip_longest

from rich.console import Console, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from orderengine.cli.common import asked_text
from orderengine.cli.events import STYLES, TERMINAL, Event, telling
from orderengine.domain.order import OrderStatus

REFRESHES_PER_S = 12
SHORT_ID = 8


def is_shown_live() -> bool:
    """True if standard output is a terminal that can redraw."""
    return sys.stdout.isatty() and not Console().is_dumb_terminal


class Progress:
    """The events of the followed orders; any thread may call `tell`."""

    def __init__(self, order_ids: Sequence[str], clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._lock = threading.Lock()
        self._events: dict[str, list[Event]] = {order_id: [] for order_id in order_ids}
        self._heard_at = dict.fromkeys(order_ids, clock())
        has_unicode = Console().encoding.startswith("utf")
        self._spinner: RenderableType = Spinner("dots" if has_unicode else "line")
        self._good, self._bad = "✓✗" if has_unicode else "+x"

    def tell(self, event: Event) -> None:
        """Add an event of an order."""
        with self._lock:
            self._events[event["orderId"]].append(event)
            self._heard_at[event["orderId"]] = self._clock()

    def end(self) -> None:
        """Mark the orders that have not ended: no more events will come."""
        self._spinner = Text("?", "yellow")

    def __rich__(self) -> RenderableType:
        """The stages of one order, or a line for each of many."""
        with self._lock:
            known = {order_id: list(events) for order_id, events in self._events.items()}
        if len(known) == 1:
            return self._stages(*known.popitem())
        return self._lines(known)

    def _stages(self, order_id: str, events: Sequence[Event]) -> Table:
        view = _table("", "stage", "took", "attempt", "")
        for event, following in zip_longest(events, events[1:]):
            status = event["status"]
            took_s = _between(events[0], event) if status in TERMINAL else None
            if took_s is None and following is not None:
                took_s = _between(event, following)
            view.add_row(
                self._mark(event, is_last=following is None),
                Text(status, style=STYLES.get(status, "")),
                f"{self._since_heard(order_id) if took_s is None else took_s:.3f} s",
                str(event["attempt"]),
                _brief(event),
            )
        if not events:
            view.add_row(self._spinner)
        return view

    def _lines(self, known: dict[str, list[Event]]) -> Table:
        view = _table("", "order", "", "status", "took", "attempt", "")
        for order_id, events in known.items():
            if not events:
                view.add_row(self._spinner, order_id[:SHORT_ID])
                continue
            placed, last = events[0], events[-1]
            took_s = _between(placed, last)
            if last["status"] not in TERMINAL:
                took_s += self._since_heard(order_id)
            view.add_row(
                self._mark(last, is_last=True),
                order_id[:SHORT_ID],
                asked_text(placed["data"]),
                Text(last["status"], style=STYLES.get(last["status"], "")),
                f"{took_s:.3f} s",
                str(last["attempt"]),
                _brief(last),
            )
        return view

    def _mark(self, event: Event, *, is_last: bool) -> RenderableType:
        if is_last and event["status"] not in TERMINAL:
            return self._spinner
        is_good = not TERMINAL.get(event["status"], 0)
        return Text(self._good if is_good else self._bad, STYLES.get(event["status"], "dim"))

    def _since_heard(self, order_id: str) -> float:
        return self._clock() - self._heard_at[order_id]


@contextmanager
def live(order_ids: Sequence[str]) -> Iterator[Callable[[Event], None]]:
    """Draw these orders on the terminal, and redraw them until the block ends."""
    progress = Progress(order_ids)
    console = Console(highlight=False)
    with Live(progress, console=console, refresh_per_second=REFRESHES_PER_S):
        try:
            yield progress.tell
        finally:
            progress.end()


def _table(*names: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for name in names:
        is_number = name in {"took", "attempt"}
        table.add_column(
            name, justify="right" if is_number else "left", overflow="fold", no_wrap=is_number
        )
    return table


def _brief(event: Event) -> str:
    """Like `telling`, but with a short transaction hash; `show` prints it whole."""
    tx_hash = event["data"].get("txHash")
    if event["status"] != OrderStatus.SUBMITTED or tx_hash is None:
        return telling(event)
    return f"tx {tx_hash[:SHORT_ID]}...{tx_hash[-SHORT_ID:]}"


def _between(earlier: Event, later: Event) -> float:
    """Seconds between two events, by the database's clock."""
    began, ended = (datetime.fromisoformat(event["at"]) for event in (earlier, later))
    return (ended - began).total_seconds()
