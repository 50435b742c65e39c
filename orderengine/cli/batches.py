"""`submit --file`: places the orders of a file, in batches of up to 100."""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from orderengine.cli.common import EXIT_REFUSED, Interrupted, Refusal, full_disk_told, tell_json
from orderengine.cli.limits import BUSY, SHORTEST_S
from orderengine.cli.order_files import Line, UnreadableFile, read_orders
from orderengine.cli.placing import ASK_AGAIN_FOR_S, OutcomeUnknown, place_batch
from orderengine.cli.service import CannotGoOn, Service

BATCH = 100
BATCH_BYTES = 60_000
"""The most bytes of a batch, within what the service and the proxies in front of it take."""
LONGEST_KEY = 235
"""The longest Idempotency-Key that leaves room for the number of a batch."""
UNSENDABLE = "UNSENDABLE"
"""The code of a line that is no order, and was not sent."""

Result = Mapping[str, Any]
Tell = Callable[[Line, Result], None]


@dataclass
class Sender:
    """Places the orders of one file, batch by batch.

    Each batch has a key of its own, made from `key`. A repeat with the same `key` and file makes
    the same batches, so that it orders nothing twice. Orders that a busy service refused are sent
    again with a new key. But a batch of which no order was accepted has not used its key up: it is
    sent again whole, as a repeat would send it, and only its last results count.

    `in_doubt` counts the orders that were sent, and whose results are not known or not told.
    """

    service: Service
    key: str
    tell: Tell
    clock: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = time.sleep
    counts: Counter[str] = field(default_factory=Counter)
    in_doubt: int = 0

    def send_all(self, lines: Sequence[Line]) -> None:
        """Place all orders; raises CannotGoOn, or OutcomeUnknown, when the rest can not be."""
        for line in lines:
            if line.fault:
                self._settle(line, _unsendable(line.fault))
        for number, batch in enumerate(batches_of([each for each in lines if not each.fault])):
            self._send(number, batch)

    def _send(self, number: int, lines: Sequence[Line]) -> None:
        part, accepted_at = 0, self.clock()
        while lines:
            results = self._placed(lines, f"{self.key}.{number}.{part}")
            is_patient = self.clock() - accepted_at <= ASK_AGAIN_FOR_S
            waits = [_later_s(result) if is_patient else None for result in results]
            is_used_up = any(map(_is_accepted, results))
            if is_used_up:
                part, accepted_at = part + 1, self.clock()
            if is_used_up or not any(waits):
                lines = self._told(lines, results, waits)
            self.in_doubt = 0
            if lines:
                self.pause(max(later_s or 0.0 for later_s in waits))

    def _told(
        self, lines: Sequence[Line], results: Sequence[Result], waits: Sequence[float | None]
    ) -> Sequence[Line]:
        """Settle all lines but those that wait, which are returned."""
        waiting = []
        for line, result, later_s in zip(lines, results, waits, strict=True):
            self.in_doubt -= 1
            if later_s is None:
                self._settle(line, result)
            else:
                waiting.append(line)
        return waiting

    def _placed(self, lines: Sequence[Line], key: str) -> Sequence[Result]:
        texts = [line.text for line in lines]
        self.in_doubt = len(lines)
        try:
            return place_batch(self.service, texts, key, self.clock, self.pause)
        except OutcomeUnknown as error:
            told = f"lines {lines[0].number} to {lines[-1].number} may have been stored"
            raise OutcomeUnknown(f"{error}; {told}: {_advice(self.key)}") from error
        except CannotGoOn:
            self.in_doubt = 0
            raise

    def _settle(self, line: Line, result: Result) -> None:
        self.counts["accepted" if _is_accepted(result) else "refused"] += 1
        self.tell(line, result)


def _is_accepted(result: Result) -> bool:
    return "order" in result


def _later_s(result: Result) -> float | None:
    """The seconds after which a busy service may take the order; None if it is settled."""
    is_busy = result.get("problem", {}).get("code") in BUSY
    later_s = result.get("retryAfter")
    return max(float(later_s), SHORTEST_S) if is_busy and later_s is not None else None


def _unsendable(fault: str) -> Result:
    return {"status": 400, "problem": {"code": UNSENDABLE, "detail": fault}}


def _advice(key: str) -> str:
    return f"repeat the command with --idempotency-key {key}, which orders nothing twice"


def batches_of(lines: Sequence[Line]) -> Iterator[list[Line]]:
    """The lines in batches that the service takes, the same each time."""
    batch: list[Line] = []
    size = 0
    for line in lines:
        length = len(line.text.encode()) + 1
        if batch and (len(batch) == BATCH or size + length > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(line)
        size += length
    if batch:
        yield batch


def read_file(path: str) -> list[Line]:
    """The orders of a file, or of standard input for `-`; raises Refusal."""
    name = "standard input" if path == "-" else path
    try:
        with click.open_file(path, encoding="utf-8") as file:
            return read_orders(file.read())
    except OSError as error:
        raise Refusal(f"reading {name} failed: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Refusal(f"{name} is not UTF-8") from error
    except UnreadableFile as error:
        raise Refusal(f"{name}: {error}") from error


def submit_file(service: Service, path: str, key: str, *, as_json: bool) -> int:
    """Place the orders of a file, and return the exit status.

    Tells each refused line on standard error, and a summary on standard output. As JSON, it writes
    each line's result, and the summary to standard error. Raises CannotGoOn, or OutcomeUnknown,
    if it can not go on.
    """
    if len(key) > LONGEST_KEY:
        raise click.UsageError(f"with --file, a key has at most {LONGEST_KEY} characters")
    lines = read_file(path)
    with _progress(as_json=as_json) as progress:
        task = progress.add_task("orders", total=len(lines))
        teller = _json_teller if as_json else _teller(progress.console)

        def tell(line: Line, result: Result) -> None:
            teller(line, result)
            progress.advance(task)

        sender = Sender(service, key, tell)
        try:
            sender.send_all(lines)
        except KeyboardInterrupt as error:
            raise Interrupted(f"stopped, {_summary(sender, lines)}: {_advice(key)}") from error
        except CannotGoOn:
            progress.stop()
            _tell_summary(sender, lines, as_json=as_json)
            raise
    _tell_summary(sender, lines, as_json=as_json)
    return EXIT_REFUSED if sender.counts["refused"] else 0


def _progress(*, as_json: bool) -> Progress:
    console = Console(stderr=True, highlight=False)
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    is_mixed = as_json and sys.stdout.isatty()
    return Progress(
        *columns, console=console, disable=is_mixed or not console.is_terminal, transient=True
    )


def _json_teller(line: Line, result: Result) -> None:
    with full_disk_told("orders were placed; "):
        tell_json({"line": line.number, **result})


def _teller(console: Console) -> Tell:
    def tell(line: Line, result: Result) -> None:
        if not _is_accepted(result):
            problem = result.get("problem", {})
            told = " ".join(f"{problem.get('code')}: {problem.get('detail')}".split())
            text = f"line {line.number}: refused ({told})"
            console.print(text, markup=False, soft_wrap=True)

    return tell


def _summary(sender: Sender, lines: Sequence[Line]) -> str:
    counts = {"accepted": 0, "refused": 0, **sender.counts, "in doubt": sender.in_doubt}
    counts["not sent"] = len(lines) - sum(counts.values())
    return ", ".join(
        f"{number} {name}" for name, number in counts.items() if number or name == "accepted"
    )


def _tell_summary(sender: Sender, lines: Sequence[Line], *, as_json: bool) -> None:
    with full_disk_told("orders were placed; "):
        click.echo(_summary(sender, lines), err=as_json)
