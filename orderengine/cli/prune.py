"""`prune`: drop the events of orders that ended long ago."""

from datetime import timedelta

import click
from rich.console import Console

from orderengine.cli.common import json_option, stopped_as, tell_json
from orderengine.cli.operate import Age, operator_ports, operator_settings
from orderengine.config.addresses import place_of
from orderengine.execution.operations import archive
from orderengine.execution.operations.archive import Pruned


@click.command(short_help="Delete the events of orders that ended long ago.")
@click.option(
    "--older-than", "age", type=Age(), required=True, help="For example 30d; at least 1d."
)
@click.option("--yes", is_flag=True, help="Delete; without it, only report.")
@json_option
def prune(age: timedelta, *, yes: bool, as_json: bool) -> None:
    """Delete events, keys and the simulated network's rows of orders that ended long ago.

    The orders stay, with their prices, fills, signed bytes and settlements. Orders that the
    metrics have not summed up yet are left for the next prune.
    """
    if age < archive.YOUNGEST:
        raise click.UsageError("--older-than must be at least 1d")
    database = place_of(operator_settings().database_url)
    if yes:
        with stopped_as("stopped; deleted rows stay deleted, and another prune deletes the rest"):
            _prune(age, database, as_json=as_json)
    else:
        _tell_what_would_go(age, database, as_json=as_json)


def _tell_what_would_go(age: timedelta, database: str, *, as_json: bool) -> None:
    found = operator_ports().archive.prunable(age.total_seconds())
    if as_json:
        tell_json({"dryRun": True, "database": database, **found._asdict()})
        return
    most = "at least " if found.more else ""
    click.echo(
        f"{database}: would delete {most}{found.events} events of {found.orders} orders, their"
        " rows in the simulated network, and old keys; nothing is deleted without --yes"
    )


def _prune(age: timedelta, database: str, *, as_json: bool) -> None:
    ports = operator_ports()
    with Console(stderr=True).status("pruning") as status:

        def show(so_far: Pruned) -> None:
            status.update(f"pruned {so_far.orders} orders")

        total = archive.prune(ports.archive, ports.orders, ports.witness, age, show)
    if as_json:
        names = ("orders", "events", "ledgerRows", "keys")
        counts = dict(zip(names, total, strict=True))
        tell_json({"dryRun": False, "database": database, **counts})
        return
    click.echo(
        f"{database}: deleted {total.events} events of {total.orders} orders, {total.ledger_rows}"
        f" rows of the simulated network, {total.keys} keys"
    )
