"""`export`: all orders, or all events, for analysis elsewhere."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import IO
from uuid import UUID

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

from orderengine.cli.common import Refusal, reason, stopped_as
from orderengine.cli.operate import operator_ports
from orderengine.cli.target import STDOUT, Target
from orderengine.domain.errors import StorageUnavailable
from orderengine.domain.texts import decimal_text, time_text
from orderengine.execution.operations.archive import (
    EVENT_COLUMNS,
    ORDER_COLUMNS,
    Archive,
    Row,
    export_events,
    export_orders,
)

Write = Callable[[Sequence[Row]], None]

TABLES = {"orders": "orders", "events": "order_events"}
COLUMNS = {"orders": ORDER_COLUMNS, "events": EVENT_COLUMNS}


@click.command(short_help="Write all orders, or all events, as CSV or JSON lines.")
@click.argument("what", type=click.Choice(list(TABLES)))
@click.option("--format", "kind", type=click.Choice(["csv", "jsonl"]), help="Default: csv.")
@click.option(
    "--output",
    "path",
    type=click.Path(dir_okay=False),
    default=STDOUT,
    help="A file; default: standard output.",
)
@click.option("--json", "as_json", is_flag=True, help="--format jsonl, with the count as JSON.")
def export(what: str, kind: str | None, path: str, *, as_json: bool) -> None:
    """Write all orders or all events, and their number to standard error.

    Rows are sorted by id. Names and values are those of the API: money and quantities are decimal
    strings, times in UTC with six decimals. Memory does not grow with the number of rows. Each row
    is written once, but the rows are not a snapshot of one moment. A file given by --output is
    written whole or not at all.
    """
    if as_json and kind == "csv":
        raise click.UsageError("--json writes JSON lines: omit --format csv")
    archive, target = operator_ports().archive, Target(path)
    try:
        with stopped_as(f"stopped; {target.left}"), target.opened() as output:
            is_json = as_json or kind == "jsonl"
            write = _jsonl_writer(output) if is_json else _csv_writer(output, COLUMNS[what])
            written = _write_all(what, archive, write)
    except StorageUnavailable as error:
        raise Refusal(reason(error, f"; {target.left}")) from error
    click.echo(json.dumps({what: written}) if as_json else f"{written} {what}", err=True)


def _write_all(what: str, archive: Archive, write: Write) -> int:
    pages = export_orders(archive) if what == "orders" else export_events(archive)
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    written = 0
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=archive.estimate(TABLES[what]) or None)
        for page in pages:
            write(page)
            written += len(page)
            progress.advance(task, len(page))
        if not written:
            write(())
        progress.update(task, total=written)
    return written


def _csv_writer(output: IO[str], columns: Sequence[str]) -> Write:
    writer = csv.DictWriter(output, columns, lineterminator="\n")
    begun = False

    def write(page: Sequence[Row]) -> None:
        nonlocal begun
        if not begun:  # not earlier, so that a database without an answer leaves no header
            writer.writeheader()
        begun = True
        for row in page:
            writer.writerow({name: _cell(value) for name, value in row.items()})

    return write


def _jsonl_writer(output: IO[str]) -> Write:
    def write(page: Sequence[Row]) -> None:
        output.writelines(f"{line}\n" for line in _lines(page))

    return write


def _lines(page: Sequence[Row]) -> Iterator[str]:
    for row in page:
        yield json.dumps({name: _plain(value) for name, value in row.items()}, ensure_ascii=False)


def _cell(value: object) -> object:
    plain = _plain(value)
    return json.dumps(plain, ensure_ascii=False) if isinstance(plain, Mapping) else plain


def _plain(value: object) -> object:
    match value:
        case Decimal():
            return decimal_text(value)
        case datetime():
            return time_text(value)
        case UUID():
            return str(value)
        case _:
            return value
