"""`prune`: forget how orders of long ago came to their end."""

from datetime import timedelta

import click
from rich.console import Console

from orderengine.cli.common import Refusal, json_option, tell_json
from orderengine.cli.operate import Age, operator_ports
from orderengine.execution import archive
from orderengine.execution.archive import Pruned


@click.command(short_help="Forget how orders of long ago came to their end.")
@click.option("--older-than", "age", type=Age(), required=True, help="For example 30d; from 1d.")
@click.option("--yes", is_flag=True, help="Do it; else tells what would be done.")
@json_option
def prune(age: timedelta, *, yes: bool, as_json: bool) -> None:
    """Drop events, keys and the simulated network's rows of orders that ended long ago.

    The orders stay, with their prices, fills, signed bytes and settlements. Orders that the
    metrics have not summed up yet are left for the next time.
    """
    if age < archive.YOUNGEST:
        raise Refusal("--older-than must be at least 1d")
    ports = operator_ports()
    if not yes:
        found = ports.archive.prunable(age.total_seconds())
        if as_json:
            tell_json({"dryRun": True, **found._asdict()})
            return
        most = "at least " if found.more else ""
        click.echo(
            f"would drop {most}{found.events} events of {found.orders} orders, what the simulated"
            " network knows of them, and old keys; nothing is dropped without --yes"
        )
        return
    with Console(stderr=True).status("pruning") as status:

        def show(so_far: Pruned) -> None:
            status.update(f"pruned {so_far.orders} orders")

        total = archive.prune(ports.archive, ports.orders, ports.witness, age, show)
    if as_json:
        names = ("orders", "events", "ledgerRows", "keys")
        tell_json({"dryRun": False, **dict(zip(names, total, strict=True))})
        return
    click.echo(
        f"dropped {total.events} events of {total.orders} orders, {total.ledger_rows} rows of the"
        f" simulated network, {total.keys} keys"
    )
