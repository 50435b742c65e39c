"""`export`: all orders, or all events, for analysis elsewhere."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TextIO
from uuid import UUID

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

from orderengine.cli.common import stopped_as
from orderengine.cli.operate import operator_ports
from orderengine.execution.archive import Row, export_events, export_orders

Write = Callable[[Sequence[Row]], None]

TABLES = {"orders": "orders", "events": "order_events"}


@click.command(short_help="Write all orders, or all events, as CSV or JSON lines.")
@click.argument("what", type=click.Choice(list(TABLES)))
@click.option("--format", "kind", type=click.Choice(["csv", "jsonl"]), help="csv if not given.")
@click.option(
    "--output",
    type=click.File("w", encoding="utf-8", lazy=False),
    default="-",
    help="A file; else standard output.",
)
@click.option("--json", "as_json", is_flag=True, help="As --format jsonl, and the count as JSON.")
def export(what: str, kind: str | None, output: TextIO, *, as_json: bool) -> None:
    """Write all orders, or all events, and how many there were to standard error.

    Sorted by id. Money and quantities are decimal strings, times in UTC. Memory does not grow
    with the number of rows; each one is written once, but not all as of one moment.
    """
    if as_json and kind == "csv":
        raise click.UsageError("--json is JSON lines: leave out --format csv")
    archive = operator_ports().archive
    pages = export_orders(archive) if what == "orders" else export_events(archive)
    is_json = as_json or kind == "jsonl"
    write = _jsonl_writer(output) if is_json else _csv_writer(output)
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    progress = Progress(*columns, console=console, disable=not console.is_terminal)
    with stopped_as("stopped; what was written is not all"), progress:
        task = progress.add_task(what, total=archive.estimate(TABLES[what]) or None)
        written = 0
        for page in pages:
            write(page)
            written += len(page)
            progress.advance(task, len(page))
        progress.update(task, total=written)
    click.echo(json.dumps({what: written}) if as_json else f"{written} {what}", err=True)


def _csv_writer(output: TextIO) -> Write:
    writer: Any = None

    def write(page: Sequence[Row]) -> None:
        nonlocal writer
        if writer is None:
            writer = csv.DictWriter(output, list(page[0]), lineterminator="\n")
            writer.writeheader()
        for row in page:
            writer.writerow({name: _cell(value) for name, value in row.items()})

    return write


def _jsonl_writer(output: TextIO) -> Write:
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
            return f"{value.normalize():f}"
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case UUID():
            return str(value)
        case _:
            return value
